"""A tree of Containerfiles, a folder an image, as an image set whose recipes name them."""

from buildsys.importers.containerfiles.convert import Asked, take_over

__all__ = ["Asked", "take_over"]
