"""What can go wrong outside the data file; mistakes within it are Diagnostics."""


class StandinError(Exception):
    """The repository cannot be built: a tool failed, a payload is not as it must be, a disk is full."""


class MissingTool(StandinError):  # noqa: N818 - reads as what happened
    """A program that building needs is not installed."""
