"""What differs between two looks at a machine, and which tests may have done it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from tests.guard.machine import KEPT, MISSING, Snapshot
from tests.guard.processes import Found

EXPECT = "TESTS_GUARD_EXPECT"
"""Environment variable: patterns, with commas between them, of things that may differ on this machine."""
LONGEST = 100


@dataclass(frozen=True)
class Difference:
    """One thing that is another than before."""

    what: str
    was: str
    now: str

    def text(self) -> str:
        """What, was, is: one line."""
        return f"{self.what}: was {_short(self.was)}, is {_short(self.now)}"


@dataclass(frozen=True)
class Look:
    """What one worker saw around one test; times of the one clock that all processes of a machine have."""

    test: str
    since: float
    """When the look before began: nothing that is seen now happened earlier."""
    began: float
    ended: float
    until: float
    """When this look was over."""
    seen: tuple[Difference, ...]
    declared: tuple[str, ...] = ()
    """Patterns of what the test says it changes and puts back."""


@dataclass(frozen=True)
class Finding:
    """A difference, and the tests that were at work when it came about; none, where it was between tests."""

    difference: Difference
    tests: tuple[str, ...] = ()
    gone: bool = False
    """Whether it was as before again at the end."""

    def text(self) -> str:
        """One line."""
        again = ", and as before at the end" if self.gone else ""
        match self.tests:
            case ():
                by = "by no test that was seen"
            case (one,):
                by = f"by {one}"
            case several:
                by = f"by one of {len(several)} at work then: {', '.join(several)}"
        return f"{self.difference.text()}{again}; {by}"


def differences(before: Snapshot, after: Snapshot, expected: Iterable[str] = ()) -> list[Difference]:
    """What is another, in order of names; but for what a pattern expects."""
    patterns = tuple(expected)
    return [
        Difference(what, before.get(what, MISSING), after.get(what, MISSING))
        for what in sorted(before.keys() | after.keys())
        if before.get(what, MISSING) != after.get(what, MISSING) and not _matches(what, patterns)
    ]


def patterns(text: str) -> tuple[str, ...]:
    """The patterns of `EXPECT`."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def judge(ends: Sequence[Difference], looks: Sequence[Look], expected: Iterable[str] = ()) -> list[Finding]:
    """All that is to be reported: what differs at the end, and what must not even change for a while."""
    ignored = tuple(expected)
    findings = []
    for difference in ends:
        seers = [look for look in looks if any(seen.what == difference.what for seen in look.seen)]
        findings.append(Finding(difference, _names(_at_work(seers, looks))))
    known = {(difference.what, difference.now) for difference in ends}
    other = {difference.what for difference in ends}
    for seen, seers in _events(looks):
        if (
            seen.what.startswith(KEPT)
            and (seen.what, seen.now) not in known
            and not _matches(seen.what, ignored)
            # The way back is no change of its own.
            and not _is_return(seen, looks)
        ):
            at_work = _at_work(seers, looks)
            if not any(_matches(seen.what, look.declared) for look in at_work):
                findings.append(Finding(seen, _names(at_work), gone=seen.what not in other))
    return sorted(findings, key=lambda finding: finding.difference.what)


def left(found: Found) -> Iterator[Finding]:
    """Findings for processes that are still alive."""
    for process, (command, test) in sorted(found.items()):
        yield Finding(Difference(f"process {process}", MISSING, command), (test,) if test else ())


def write(file: Path, look: Look) -> None:
    """Append what was seen; whole lines, so that a worker that is killed takes nothing with it."""
    seen = [(item.what, item.was, item.now) for item in look.seen]
    line = json.dumps([look.test, look.since, look.began, look.ended, look.until, seen, look.declared])
    with file.open("a", encoding="utf-8") as journal:
        journal.write(f"{line}\n")


def read(folder: Path) -> list[Look]:
    """What all workers saw, in order of time."""
    looks = []
    for file in sorted(folder.glob("*.looks")):
        for line in file.read_text("utf-8").splitlines():
            test, since, began, ended, until, seen, declared = json.loads(line)
            changes = tuple(Difference(*item) for item in seen)
            looks.append(Look(test, since, began, ended, until, changes, tuple(declared)))
    return sorted(looks, key=lambda look: look.until)


def _events(looks: Sequence[Look]) -> Iterator[tuple[Difference, list[Look]]]:
    """Each change once, with all workers that saw it."""
    found: dict[Difference, list[Look]] = {}
    for look in looks:
        for seen in look.seen:
            found.setdefault(seen, []).append(look)
    yield from found.items()


def _is_return(seen: Difference, looks: Sequence[Look]) -> bool:
    """Whether it takes back what was seen before."""
    for look in looks:
        for other in look.seen:
            if other.what == seen.what:
                return other != seen and other.was == seen.now
    return False


def _matches(what: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(what, pattern) for pattern in patterns)


def _names(looks: Iterable[Look]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(look.test for look in looks))


def _at_work(seers: Sequence[Look], looks: Sequence[Look]) -> list[Look]:
    """Looks around tests at work in the time in which all who saw a change say that it happened.

    Several changes to the same thing have no such time; the last one counts.
    """
    if not seers:
        return []
    since, until = seers[-1].since, seers[-1].until
    for look in reversed(seers):
        if max(since, look.since) < min(until, look.until):
            since, until = max(since, look.since), min(until, look.until)
    return [look for look in looks if look.began < until and look.ended > since]


def _short(value: str) -> str:
    value = " ".join(value.split())
    return repr(value) if len(value) <= LONGEST else f"{value[:LONGEST]!r}..."
