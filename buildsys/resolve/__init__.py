"""What was written becomes what is: a Library, a site and variables give an ImageSet.

The only place with defaults. Everything wrong with a set is found in one go and told together.
"""

from buildsys.resolve.image_set import resolve

__all__ = ["resolve"]
