"""Runs a written plan: a directory in, an exit status out. Knows neither recipes nor images."""
