"""Resolve what was written: a Library, a site and variables give an ImageSet.

The only place with defaults. All mistakes of a set are reported together.
"""

from buildsys.resolve.image_set import resolve

__all__ = ["resolve"]
