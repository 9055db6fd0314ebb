"""Shell functions that change the files of an image, shared by plans and by exported Containerfiles."""

from __future__ import annotations

from pathlib import Path

FILES = {path.name: path for path in sorted(Path(__file__).parent.glob("*.sh"))}
"""The files of this folder by name; a POSIX shell reads them one after another."""
