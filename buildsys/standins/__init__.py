"""A repository of stand-in packages: real names, versions and dependencies, but small payloads built here.

`build_repository(DATA, OUTPUT)`, or `python -m buildsys.standins DATA OUTPUT`.
"""

from .repository import build_repository

__all__ = ["build_repository"]
