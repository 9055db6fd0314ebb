"""What will run: an `ImageSet` compiled into a directory of make and shell that needs none of our Python."""
