"""Build backend of the project: flit's, and what it has no words for, the data of the wheel.

A wheel also holds the image sets, the man pages and the completions of three shells. They are made in a copy
of the project, so that nothing is written to the project's own folder.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flit_core import buildapi  # type: ignore[import-untyped]

__all__ = ["build_editable", "build_sdist", "build_wheel", "prepare_metadata_for_build_wheel"]

DATA = "data"
EXTERNAL = f'\n[tool.flit.external-data]\ndirectory = "{DATA}"\n'
LEFT_OUT = shutil.ignore_patterns("__pycache__")

build_editable = buildapi.build_editable
build_sdist = buildapi.build_sdist
prepare_metadata_for_build_wheel = buildapi.prepare_metadata_for_build_wheel


def build_wheel(
    wheel_directory: str, config_settings: Any = None, metadata_directory: str | None = None
) -> str:
    """Build the wheel; returns its name."""
    target = os.path.abspath(wheel_directory)  # noqa: PTH100 - links stay as they are
    with tempfile.TemporaryDirectory(prefix="buildsys-wheel-") as folder:
        copy = Path(folder)
        for name in ("README.md", "LICENSE"):
            shutil.copy2(name, copy / name)
        shutil.copytree("buildsys", copy / "buildsys", ignore=LEFT_OUT)
        (copy / "pyproject.toml").write_text(Path("pyproject.toml").read_text("utf-8") + EXTERNAL, "utf-8")
        write_data(copy / DATA / "share")
        with working_in(copy):
            return str(buildapi.build_wheel(target, config_settings, metadata_directory))


def write_data(share: Path) -> None:
    """Write what is installed below PREFIX/share: sets, man pages, completions."""
    sys.path[:0] = [str(Path.cwd()), str(Path(__file__).parent)]
    import completions
    import man_pages

    shutil.copytree("recipes", share / "buildsys/recipes", ignore=LEFT_OUT)
    man_pages.write(share / "man/man1")
    completions.write(share)


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """Change the working directory: build backends are given none."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
