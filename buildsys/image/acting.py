"""Shell that acts on the files of an image: said once for plans and for exported Containerfiles."""

from __future__ import annotations

from pathlib import Path

FILES = {path.name: path for path in sorted((Path(__file__).parent / "shell").glob("*.sh"))}
"""Its files by name, to be read beside one another by a POSIX shell."""
