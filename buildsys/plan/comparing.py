"""A compiled plan beside what a directory holds: what `plan --check` tells."""

from __future__ import annotations

import os
from collections.abc import Iterator
from filecmp import cmp
from pathlib import Path

from buildsys.plan.compile import Plan
from buildsys.plan.write import LAYOUT, MARK, OURS

Difference = tuple[str, str]
"""`missing`, `changed` or `extra`, and the path within the plan."""


def differences(plan: Plan, directory: Path) -> list[Difference]:
    """What writing the plan into the directory would change, by path; nothing is written."""
    texts = {**plan.texts, MARK: LAYOUT}
    found = [*_texts(texts, directory), *_links(plan.links, directory), *_extras(plan, directory)]
    return sorted(found, key=lambda difference: difference[1])


def _texts(texts: dict[str, str], directory: Path) -> Iterator[Difference]:
    for path, text in texts.items():
        try:
            same = (directory / path).read_bytes() == os.fsencode(text)
            if not same or (path.startswith("steps/") and not os.access(directory / path, os.X_OK)):
                yield "changed", path
        except OSError:
            yield "missing", path


def _links(links: dict[str, Path], directory: Path) -> Iterator[Difference]:
    for path, source in links.items():
        try:
            if not (directory / path).samefile(source) and not cmp(directory / path, source, shallow=False):
                yield "changed", path
        except OSError:
            yield "missing", path


def _extras(plan: Plan, directory: Path) -> Iterator[Difference]:
    known = plan.texts.keys() | plan.links.keys()
    for folder in OURS:
        for where, _, names in os.walk(directory / folder):
            base = Path(where).relative_to(directory)
            yield from (("extra", path) for name in names if (path := (base / name).as_posix()) not in known)
