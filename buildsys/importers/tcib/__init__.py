"""A tree of tcib, TripleO's builder of images: a folder an image, YAML files in place of Containerfiles."""

from buildsys.importers.tcib.taking import Asked, take_over

__all__ = ["Asked", "take_over"]
