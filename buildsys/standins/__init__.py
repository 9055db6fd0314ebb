"""A repository of stand-in packages: real names, versions and dependencies, small payloads, made here.

`build_repository(DATA, OUTPUT)`, or `python -m buildsys.standins DATA OUTPUT`.
"""

from .repository import build_repository

__all__ = ["build_repository"]
