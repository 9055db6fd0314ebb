"""Make the pictures of the documentation: `python -m tests.report.pictures REPORT`.

REPORT is the report of stable-pike, built and tried, for a picture that shows something.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.conftest import ROOT
from tests.report.browser import browser

PICTURES = ROOT / "docs/pictures"
GRAPH = PICTURES / "stable-zed.svg"
REPORT = PICTURES / "report.png"
LARGEST = 150_000
"""Bytes of a picture: a clone has every version of each."""


def graph() -> str:
    """The graph of stable-zed, as the command draws it."""
    command = [sys.executable, "-m", "buildsys", "graph", "stable-zed", "--svg"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def main(report: Path) -> None:
    PICTURES.mkdir(exist_ok=True)
    GRAPH.write_text(graph())
    with TemporaryDirectory() as profile, browser(Path(profile)) as window:
        window.size(1240, 900)
        window.open(report)
        window.picture(REPORT)
    for picture in (GRAPH, REPORT):
        assert picture.stat().st_size <= LARGEST, f"{picture} is larger than {LARGEST} bytes"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
