"""Import files of other systems as recipes or as an overlay.

Nothing is dropped silently: whatever a recipe cannot express is reported, with its place and the reason.
"""
