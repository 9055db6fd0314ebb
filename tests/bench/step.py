"""What one trivial step costs, call by call, and what of it an image committed twice costs."""

from __future__ import annotations

import os
import shutil
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.bench.measure import store, take

TOOLS = ("buildah", "skopeo", "bwrap", "find", "sed", "awk", "flock", "sha256sum", "mkdir", "mv", "rm")
"""Programs that are timed; others are counted to the shell."""
VERBS = frozenset(
    {"commit", "config", "copy", "from", "images", "info", "inspect", "mount", "rm", "rmi", "tag"}
)
WRAPPER = """\
#!/bin/bash
begin=$EPOCHREALTIME
{program} "$@"
status=$?
printf '%s\\t%s\\t%s\\t%s\\n' "$begin" "$EPOCHREALTIME" {name} "${{*//[$'\\t\\n']/ }}" >>{log}
exit $status
"""
WAYS = {"once": "", "twice": "twice"}
"""Images it takes to get one, and the BS_COMMIT for it."""


@dataclass(frozen=True, slots=True)
class Call:
    """A program that ran, or a step: seconds since 1970."""

    begin: float
    end: float
    name: str

    @property
    def milliseconds(self) -> float:
        return (self.end - self.begin) * 1000


def measure(
    plan: Path, put_base: Callable[[dict[str, str]], None], place: Path, rounds: int, version: str
) -> list[str]:
    """Build the plan in both ways in turn, `rounds` times each; a section of the report.

    The steps are timed in runs of their own: the table's wrappers cost some ms a call.
    """
    place.mkdir(parents=True)
    bare: dict[str, list[float]] = defaultdict(list)
    removed: dict[str, list[float]] = defaultdict(list)
    calls: dict[str, list[dict[str, float]]] = defaultdict(list)
    for _ in range(rounds):
        for way, forced in WAYS.items():
            steps, _, found = _run(plan, put_base, place, forced, wrapped=False)
            if found != way:
                continue
            bare[way].append(statistics.median(step.milliseconds for step in steps))
            steps, programs, _ = _run(plan, put_base, place, forced, wrapped=True)
            calls[way] += [_by_name(step, programs) for step in steps]
            rmi = sum(call.milliseconds for call in programs if call.name == "buildah rmi")
            removed[way].append(rmi / (len(steps) + 1))
    return _report(bare, removed, calls, rounds, version)


def _run(
    plan: Path, put_base: Callable[[dict[str, str]], None], place: Path, forced: str, *, wrapped: bool
) -> tuple[list[Call], list[Call], str]:
    """One run at one job: its steps but for the first, what they called, and in which way they did commit."""
    for left in ("state", "results", "logs"):
        shutil.rmtree(plan / left, ignore_errors=True)
    log, folder = place / "calls", place / "bin"
    log.write_text("")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    _wrap(folder, "step", '"$BASH"', log)
    for tool in TOOLS if wrapped else ():
        program = shutil.which(tool)
        assert program, tool
        _wrap(folder, tool, program, log)
    with store() as environment:
        put_base(environment)
        path = f"{folder}:{os.environ['PATH']}"
        more = {**environment, "PATH": path, "BS_COMMIT": forced, "LAUNCH": str(folder / "step")}
        take(["make", "--no-print-directory", "-j1", "-C", str(plan)], environment=more)
        asked = Path(environment["BS_STORE"].split()[-1], "buildsys.asked").read_text().split()
    found = [_call(line) for line in log.read_text().splitlines()]
    steps = sorted((call for call in found if call.name == "step"), key=lambda call: call.begin)
    programs = [call for call in found if call.name != "step"]
    return steps[1:], programs, forced or asked[0]


def _wrap(folder: Path, name: str, program: str, log: Path) -> None:
    wrapper = folder / name
    wrapper.write_text(WRAPPER.format(program=program, name=name, log=log))
    wrapper.chmod(0o755)


def _call(line: str) -> Call:
    begin, end, name, arguments = line.split("\t")
    verb = next((word for word in arguments.split() if word in VERBS), "")
    return Call(float(begin), float(end), f"{name} {verb}" if name in {"buildah", "skopeo"} else name)


def _by_name(step: Call, programs: Iterable[Call]) -> dict[str, float]:
    """Milliseconds of a step by what it called; what is inside another call counts there."""
    found: dict[str, float] = defaultdict(float)
    for call in programs:
        if step.begin <= call.begin and call.end <= step.end:
            found[call.name] += call.milliseconds
    found["bash, and all else"] = step.milliseconds - sum(found.values())
    return found


def _report(
    bare: Mapping[str, list[float]],
    removed: Mapping[str, list[float]],
    calls: Mapping[str, list[dict[str, float]]],
    rounds: int,
    version: str,
) -> list[str]:
    ways = [way for way in WAYS if bare[way]]
    medians = {
        way: {
            name: statistics.median(step.get(name, 0.0) for step in calls[way]) for name in _names(calls[way])
        }
        for way in ways
    }
    names = sorted(
        {name for way in ways for name in medians[way]}, key=lambda name: -medians[ways[-1]].get(name, 0)
    )
    rows = [
        f"| {name} | " + " | ".join(_cell(medians[way].get(name, 0.0)) for way in ways) + " |"
        for name in names
    ]
    rows.append(
        "| buildah rmi, after the run, an image | "
        + " | ".join(_cell(statistics.median(removed[way])) for way in ways)
        + " |"
    )
    rows.append(
        "| **a step, not timed call by call** | " + " | ".join(_bold(bare[way]) for way in ways) + " |"
    )
    return [
        "## Cost of a step",
        "",
        f"One trivial `run` on busybox, one job, buildah {version}; ms, medians of {rounds} runs of each in turn.",
        "",
        "| call | " + " | ".join(f"committed {way}" for way in ways) + " |",
        "|---|" + "---|" * len(ways),
        *rows,
        "",
        _ratio(bare) if len(ways) == len(WAYS) else "This buildah commits twice; to commit once takes 1.41.",
        "",
    ]


def _names(steps: list[dict[str, float]]) -> set[str]:
    return {name for step in steps for name in step}


def _cell(milliseconds: float) -> str:
    return f"{milliseconds:.1f}" if milliseconds else "-"


def _bold(values: list[float]) -> str:
    return f"**{statistics.median(values):.0f}**"


def _ratio(bare: Mapping[str, list[float]]) -> str:
    pairs = [once / twice for once, twice in zip(bare["once"], bare["twice"], strict=True)]
    each = ", ".join(f"{pair:.2f}" for pair in pairs)
    return f"Ratio: **{statistics.median(pairs):.2f}** (pair by pair {each}). Asked: at most 0.75."
