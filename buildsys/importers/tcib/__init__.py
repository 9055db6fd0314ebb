"""Import a tree of tcib, TripleO's image builder: one folder with YAML files for each image."""

from buildsys.importers.tcib.conversion import Request, take_over

__all__ = ["Request", "take_over"]
