"""Which gem files a site has, and whether one of them satisfies `name:constraint`."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

from buildsys.diagnostics import closest
from buildsys.resolve.syntax import Problem

_FILE = re.compile(r"(?P<name>.+?)-(?P<version>[0-9][0-9A-Za-z.]*)(?:-[a-z0-9_-]+)?\.gem")
_CONSTRAINT = re.compile(r"\s*(=|!=|>=|<=|>|<|~>)?\s*([0-9][0-9A-Za-z.]*)\s*")

Version = tuple[int | str, ...]


class Gems:
    """The gem files of a site. Without any (`known` false) nothing can be said about a gem."""

    def __init__(self, files: Sequence[str], *, known: bool) -> None:
        self.known = known
        self._versions: defaultdict[str, list[str]] = defaultdict(list)
        for file in files:
            match = _FILE.fullmatch(Path(file).name)
            if match:
                self._versions[match["name"]].append(match["version"])

    def problem(self, gem: str) -> Problem | None:
        """What is wrong with asking for `name` or `name:constraint`, or nothing."""
        name, _, constraint = gem.partition(":")
        wanted = [_CONSTRAINT.fullmatch(part) for part in constraint.split(",")] if constraint else []
        if not all(wanted):
            return (
                "bad-package-name",
                f"'{constraint}' is not a gem's version",
                "for example ~> 1.2, >= 1.0 or 1.2.3",
            )
        if not self.known:
            return None
        versions = self._versions.get(name)
        if not versions:
            return "missing-gem", f"this site has no gem called '{name}'", closest(name, self._versions)
        if any(all(_satisfies(version, match) for match in wanted) for version in versions):
            return None
        return "missing-gem", f"this site has no {name} {constraint}", f"it has {', '.join(sorted(versions))}"


def _satisfies(version: str, constraint: re.Match[str] | None) -> bool:
    if constraint is None:
        return False
    sign, wanted = constraint[1] or "=", constraint[2]
    order = _compare(version, wanted)
    if sign == "~>":
        # ~> 1.2.3 means at least 1.2.3 and below 1.3: the last part is free to grow.
        kept = _parts(wanted)[:-1]
        return order >= 0 and _parts(version)[: len(kept)] == kept
    return {
        "=": order == 0,
        "!=": order != 0,
        ">": order > 0,
        "<": order < 0,
        ">=": order >= 0,
        "<=": order <= 0,
    }[sign]


def _compare(one: str, other: str) -> int:
    for left, right in zip_longest(_parts(one), _parts(other), fillvalue=0):
        if left == right:
            continue
        if isinstance(left, str) or isinstance(right, str):
            # A word is a prerelease: below any number.
            return -1 if isinstance(left, str) and (not isinstance(right, str) or left < right) else 1
        return -1 if left < right else 1
    return 0


def _parts(version: str) -> Version:
    return tuple(int(part) if part.isdigit() else part for part in re.findall(r"[0-9]+|[A-Za-z]+", version))
