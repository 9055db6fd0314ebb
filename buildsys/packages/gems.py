"""The gem files of a site, and the versions that satisfy `name:constraint`."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from functools import cmp_to_key
from itertools import zip_longest
from pathlib import Path

from buildsys.diagnostics import Code, Problem, closest

_FILE = re.compile(r"(?P<name>.+?)-(?P<version>[0-9][0-9A-Za-z.]*)(?:-[a-z0-9_-]+)?\.gem")
_CONSTRAINT = re.compile(r"\s*(=|!=|>=|<=|>|<|~>)?\s*([0-9][0-9A-Za-z.]*)\s*")

Version = tuple[int | str, ...]


class Gems:
    """The gem files of a site. Without any (`known` false), each gem is accepted."""

    def __init__(self, files: Sequence[str], *, known: bool) -> None:
        self.known = known
        self._files: defaultdict[str, dict[str, str]] = defaultdict(dict)
        """By name and version."""
        for file in files:
            match = _FILE.fullmatch(Path(file).name)
            if match:
                self._files[match["name"]][match["version"]] = file

    def problem(self, gem: str) -> Problem | None:
        """The mistake of a request for `name` or `name:constraint`; None if the site has it."""
        name, constraint, wanted = _parsed(gem)
        if not all(wanted):
            return (
                Code.BAD_PACKAGE_NAME,
                f"'{constraint}' is not a gem's version",
                "for example ~> 1.2, >= 1.0 or 1.2.3",
            )
        if not self.known:
            return None
        versions = self._files.get(name)
        if not versions:
            return Code.MISSING_GEM, f"this site has no gem called '{name}'", closest(name, self._files)
        if self.file(gem):
            return None
        return (
            Code.MISSING_GEM,
            f"this site has no {name} {constraint}",
            f"it has {', '.join(sorted(versions))}",
        )

    def file(self, gem: str) -> str | None:
        """The file of the newest version that satisfies `name` or `name:constraint`."""
        name, _, wanted = _parsed(gem)
        fit = [
            version
            for version in self._files.get(name, ())
            if all(_satisfies(version, match) for match in wanted)
        ]
        return self._files[name][max(fit, key=cmp_to_key(_compare))] if fit else None


def _parsed(gem: str) -> tuple[str, str, list[re.Match[str] | None]]:
    """Name, constraint as written, and its parts; None for an invalid part."""
    name, _, constraint = gem.partition(":")
    return name, constraint, [_CONSTRAINT.fullmatch(part) for part in constraint.split(",") if constraint]


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
