"""What was written becomes what is: a Library, a site and variables give an ImageSet.

The only place with defaults. Everything wrong with a set is found in one go and told together.
"""

from buildsys.resolve.whole import resolve

__all__ = ["resolve"]
