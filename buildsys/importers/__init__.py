"""What other systems say, read and said again as recipes or as an overlay.

Nothing is dropped in silence: what cannot be said here is named, with its place and the reason.
"""
