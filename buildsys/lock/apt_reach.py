"""The part of the indices that can matter for some packages: apt takes a tenth of the time with no more."""

from __future__ import annotations

import re
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from buildsys.lock.apt import Target
from buildsys.lock.apt_index import Index

NEEDS = re.compile(r"^(?:Pre-)?Depends: (.*)$", re.MULTILINE)
GIVES = re.compile(r"^Provides: (.*)$", re.MULTILINE)
NAME = re.compile(r"(?:^|[,|]) *([^ ,|:(]+)")


def reach(index: Index, names: Iterable[str]) -> set[str]:
    """These packages, all they may depend on, and all that may stand in for one of these.

    Nothing else can come to be installed for them: recommended packages are not.
    """
    giving = _giving(index)
    found: set[str] = set()
    waiting = [*names]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += giving.get(name, ())
            for entry in index.entries.get(name, ()):
                waiting += _named(NEEDS, entry.text)
    return found


def write_lists(index: Index, targets: Iterable[Target], names: set[str], folder: Path) -> None:
    """Write indices of these packages only, under the names by which apt knows those of its sources."""
    folder.mkdir(parents=True)
    texts: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        for entry in index.entries.get(name, ()):
            texts[entry.file].append(entry.text)
    for target in targets:
        (folder / target.plain).write_text("\n\n".join(texts[target.file.name]) + "\n")
        if target.release.exists():
            shutil.copy2(target.release, folder)


def _giving(index: Index) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name, entries in index.entries.items():
        for entry in entries:
            if "\nProvides: " in entry.text:
                for given in _named(GIVES, entry.text):
                    found[given].append(name)
    return found


def _named(field: re.Pattern[str], text: str) -> Iterator[str]:
    for line in field.findall(text):
        yield from NAME.findall(line)
