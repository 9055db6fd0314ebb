"""Measures of the report, in real Chromium: `python -m tests.report.acceptance [PLAN STORE]`.

A report of 108 images is at most a megabyte and is written within two seconds. Of 1,000 generated images it
is painted within one second, and finding, colouring and opening an image answer within 0.2. PLAN is that of a
built stable-pike, STORE the options of its container store; without them, only generated images are measured.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from buildsys.report.page import report
from tests.conftest import ROOT
from tests.report import world
from tests.report.browser import Browser, browser

PAINT = "return performance.getEntriesByName('first-contentful-paint')[0].startTime"
CHANGE = """
const begun = performance.now(), done = arguments[0];
const find = document.querySelector('#find');
%s
document.body.getBoundingClientRect();
return performance.now() - begun;
"""
FIND = "find.value = 'i99'; find.dispatchEvent(new Event('input'));"
COLOUR = "document.querySelector('#by-size').click();"
OPEN = "document.querySelector('.n[data-n=i20]').dispatchEvent(new MouseEvent('click', {bubbles: true}));"


def main(arguments: list[str]) -> int:
    """Measure, print a line for each measure, and return how many were missed."""
    measured: list[tuple[str, float, float, str]] = []
    with TemporaryDirectory() as folder:
        place = Path(folder)
        if arguments:
            plan, store = arguments
            measured += pike(plan, store, place / "pike.html")
        page = place / "thousand.html"
        page.write_text(report(world.generated(place, 1000)))
        measured.append(("size of 1,000 images", page.stat().st_size / 1e6, 5, "MB"))
        with browser(place / "profile") as window:
            measured += thousand(window, page)
    missed = 0
    for what, value, most, unit in measured:
        missed += value > most
        sys.stdout.write(
            f"{'ok  ' if value <= most else 'MISS'} {what}: {value:.2f} {unit}, at most {most} {unit}\n"
        )
    return missed


def pike(plan: str, store: str, output: Path) -> list[tuple[str, float, float, str]]:
    """The report of stable-pike by the command: the best of three, since other work disturbs one."""
    command = [sys.executable, "-m", "buildsys", "report", "stable-pike", "--plan", plan, "--store", store]
    seconds = []
    for _ in range(3):
        begun = time.monotonic()
        subprocess.run([*command, "-o", str(output)], cwd=ROOT, check=True)
        seconds.append(time.monotonic() - begun)
    return [
        ("report of stable-pike", min(seconds), 2, "s"),
        ("size of stable-pike", output.stat().st_size / 1e6, 1, "MB"),
    ]


def thousand(window: Browser, page: Path) -> list[tuple[str, float, float, str]]:
    """The report of 1,000 images in a browser that is awake: the best of three."""
    found = []
    for _ in range(3):
        window.open(page)
        found.append(
            [
                window.run(script) / 1000
                for script in (PAINT, *(CHANGE % each for each in (FIND, COLOUR, OPEN)))
            ]
        )
    assert window.complaints() == []
    best = [min(values) for values in zip(*found, strict=True)]
    names = ("first paint", "find", "colour", "open an image")
    return [
        (f"1,000 images: {name}", value, 1 if name == "first paint" else 0.2, "s")
        for name, value in zip(names, best, strict=True)
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
