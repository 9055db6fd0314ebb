"""A store and a plan for each test, as those of pruning."""

from tests.prune.conftest import base, ground

__all__ = ["base", "ground"]
