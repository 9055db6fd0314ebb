"""The order of versions, by the rules of RPM and of dpkg.

RPM: rpmvercmp, https://rpm-software-management.github.io/rpm/man/rpm-version.7. dpkg: deb-version(7).
Both libraries need their package manager on the host, which may be of the other family; tests compare with
both programs.
"""

from __future__ import annotations

import re
from itertools import zip_longest

_SEGMENT = re.compile(r"[0-9]+|[A-Za-z]+|~|\^")
_EVR = re.compile(r"(?:(?P<epoch>[0-9]*):)?(?P<version>.*?)(?:-(?P<release>[^-]*))?", re.DOTALL)


def compare(kind: str, one: str, other: str) -> int:
    """-1, 0 or 1: the order of two versions with epoch and release; `kind` is `rpm` or `deb`."""
    return (_dpkg if kind == "deb" else _rpm)(one, other)


def _parts(text: str) -> tuple[int, str, str | None]:
    matched = _EVR.fullmatch(text)
    if matched is None:
        raise AssertionError(text)
    return int(matched["epoch"] or 0), matched["version"], matched["release"]


def _sign(one: int, other: int) -> int:
    return (one > other) - (one < other)


# ── RPM ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _rpm(one: str, other: str) -> int:
    epoch, version, release = _parts(one)
    epoch2, version2, release2 = _parts(other)
    order = _sign(epoch, epoch2) or rpmvercmp(version, version2)
    # A version without a release means each release of it.
    return order or (0 if release is None or release2 is None else rpmvercmp(release, release2))


def rpmvercmp(one: str, other: str) -> int:
    """The order of two versions, or of two releases, of RPM packages."""
    if one == other:
        return 0
    for left, right in zip_longest(_SEGMENT.findall(one), _SEGMENT.findall(other), fillvalue=""):
        if left == right:
            continue
        # A tilde sorts before the end of the text.
        if left == "~" or right == "~":
            return -1 if left == "~" else 1
        # A caret sorts after the end, and before anything else.
        if left == "^" or right == "^":
            if left == "^":
                return 1 if not right else -1
            return -1 if not left else 1
        if not left or not right:
            return 1 if left else -1
        if left.isdigit() != right.isdigit():
            return 1 if left.isdigit() else -1
        order = _sign(int(left), int(right)) if left.isdigit() else (left > right) - (left < right)
        if order:
            return order
    return 0


# ── dpkg ────────────────────────────────────────────────────────────────────────────────────────────────────


def _dpkg(one: str, other: str) -> int:
    epoch, version, revision = _parts(one)
    epoch2, version2, revision2 = _parts(other)
    return (
        _sign(epoch, epoch2) or _verrevcmp(version, version2) or _verrevcmp(revision or "", revision2 or "")
    )


def _verrevcmp(one: str, other: str) -> int:
    left, right = re.split(r"([0-9]+)", one), re.split(r"([0-9]+)", other)
    for number, (a, b) in enumerate(zip_longest(left, right, fillvalue="")):
        order = _sign(int(a or 0), int(b or 0)) if number % 2 else _words(a, b)
        if order:
            return order
    return 0


def _words(one: str, other: str) -> int:
    """A tilde sorts before the end, the end before letters, letters before all else."""
    for a, b in zip_longest(one, other, fillvalue=""):
        if order := _sign(_rank(a), _rank(b)):
            return order
    return 0


def _rank(sign: str) -> int:
    if sign == "~":
        return -1
    if not sign:
        return 0
    return ord(sign) if sign.isalpha() else ord(sign) + 256
