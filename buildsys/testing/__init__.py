"""Whether images and sets are fit for use: tests and scenarios, from what a recipe says to a verdict."""
