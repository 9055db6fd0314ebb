"""Import a tree of Containerfiles, one folder for each image, as an image set whose recipes name them."""

from buildsys.importers.containerfiles.convert import Request, take_over

__all__ = ["Request", "take_over"]
