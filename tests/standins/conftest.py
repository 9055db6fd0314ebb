"""Ground for these tests: a tiny data file to change at will, and one build of the published one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from buildsys.standins import build_repository
from buildsys.standins.tools import Busybox

STANDINS = Path(__file__).parents[2] / "recipes/stable-pike/standins"

TINY = """\
vendor: nobody
epoch: 1504051200
bootstrap: [filesystem]
scripts:
  programs: "#!/bin/sh\\necho @NAME@ of @PACKAGE@ @VERSION@\\n"
  services: "#!/bin/sh\\nsleep 1\\n"
gems: {pebble: 1.0.0}
sources:
  filesystem:
    version: 3.2-25.el7
    directories: [/usr, /usr/bin, /usr/share, /etc]
  stone:
    version: 1:2.0-1.el7
    requires: [filesystem]
    programs: [stone]
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A data file of two packages, in a folder with all that belongs to it."""
    folder = tmp_path / "tiny"
    shutil.copytree(STANDINS / "keys", folder / "keys")
    (folder / "payload/stone/etc").mkdir(parents=True)
    (folder / "payload/stone/etc/stone.conf").write_text("hard = yes\n")
    (folder / "downloads").mkdir()
    (folder / "downloads/sand").write_text("sand\n")
    (folder / "packages.yaml").write_text(TINY)
    return folder / "packages.yaml"


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole published repository, built once."""
    return build_repository(STANDINS / "packages.yaml", tmp_path_factory.mktemp("stand-ins") / "output")


@pytest.fixture
def busybox() -> Busybox:
    return Busybox(b"\x7fELF", "1.35.0", "0123456789abcdef" * 4, "x86_64", frozenset({"sh", "cat", "chroot"}))
