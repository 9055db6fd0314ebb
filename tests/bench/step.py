"""What one trivial step costs, call by call, and what of it an image committed twice costs."""

from __future__ import annotations

import os
import shutil
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
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
status=$? end=$EPOCHREALTIME
{{
    printf '%s\\t%s\\t%s\\t%s\\n' "$begin" "$end" {name} "${{*//[$'\\t\\n']/ }}"
    times
}} >{log}/$begin.$$
exit $status
"""
WAYS = {"once": "", "twice": "twice"}
"""Images it takes to get one, and the BS_COMMIT for it."""


@dataclass(frozen=True, slots=True)
class Call:
    """A program that ran, or a step: seconds since 1970, and milliseconds of processor time."""

    begin: float
    end: float
    name: str
    processor: float

    @property
    def milliseconds(self) -> float:
        return (self.end - self.begin) * 1000


Cost = dict[str, tuple[float, float]]
"""Of a step, by what it called: milliseconds that passed, and of processor time."""


def measure(
    plan: Path, put_base: Callable[[dict[str, str]], None], place: Path, rounds: int, version: str
) -> list[str]:
    """Build the plan in both ways in turn, `rounds` times each; a section of the report.

    The steps are timed in runs of their own: the table's wrappers cost some ms a call.
    """
    place.mkdir(parents=True)
    bare: dict[str, list[tuple[float, float]]] = defaultdict(list)
    costs: dict[str, list[Cost]] = defaultdict(list)
    for _ in range(rounds):
        for way, forced in WAYS.items():
            steps, _, found = _run(plan, put_base, place, forced, wrapped=False)
            if found != way:
                continue
            bare[way].append(_medians([(step.milliseconds, step.processor) for step in steps]))
            steps, programs, _ = _run(plan, put_base, place, forced, wrapped=True)
            costs[way] += [_by_name(step, programs, len(steps) + 1) for step in steps]
    return _report(bare, costs, rounds, version)


def _run(
    plan: Path, put_base: Callable[[dict[str, str]], None], place: Path, forced: str, *, wrapped: bool
) -> tuple[list[Call], list[Call], str]:
    """One run at one job: its steps but for the first, what they called, and in which way they did commit."""
    for left in ("state", "results", "logs"):
        shutil.rmtree(plan / left, ignore_errors=True)
    log, folder = place / "calls", place / "bin"
    for empty in (log, folder):
        shutil.rmtree(empty, ignore_errors=True)
        empty.mkdir()
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
    found = [_call(record.read_text()) for record in log.iterdir()]
    steps = sorted((call for call in found if call.name == "step"), key=lambda call: call.begin)
    programs = [call for call in found if call.name != "step"]
    return steps[1:], programs, forced or asked[0]


def _wrap(folder: Path, name: str, program: str, log: Path) -> None:
    wrapper = folder / name
    wrapper.write_text(WRAPPER.format(program=program, name=name, log=log))
    wrapper.chmod(0o755)


def _call(record: str) -> Call:
    line, _, used = record.splitlines()
    begin, end, name, arguments = line.split("\t")
    verb = next((word for word in arguments.split() if word in VERBS), "")
    if name in {"buildah", "skopeo"}:
        name = f"{name} {verb}"
    minutes = (word.removesuffix("s").split("m") for word in used.split())
    processor = sum(float(minute) * 60_000 + float(second) * 1000 for minute, second in minutes)
    return Call(float(begin), float(end), name, processor)


def _by_name(step: Call, programs: Iterable[Call], images: int) -> Cost:
    """What a step called, and its part of what comes after the run: the removal of images, all at once."""
    found: Cost = defaultdict(lambda: (0.0, 0.0))
    for call in programs:
        inside = step.begin <= call.begin and call.end <= step.end
        if inside or call.name == "buildah rmi":
            share = 1 if inside else images
            time, processor = found[call.name]
            found[call.name] = (time + call.milliseconds / share, processor + call.processor / share)
    inner = [cost for name, cost in found.items() if name != "buildah rmi"]
    found["bash, and all else"] = (
        step.milliseconds - sum(time for time, _ in inner),
        step.processor - sum(processor for _, processor in inner),
    )
    return found


def _report(
    bare: Mapping[str, list[tuple[float, float]]], costs: Mapping[str, list[Cost]], rounds: int, version: str
) -> list[str]:
    ways = [way for way in WAYS if bare[way]]
    names = {name for way in ways for cost in costs[way] for name in cost}
    table = {
        name: [_medians([cost.get(name, (0.0, 0.0)) for cost in costs[way]]) for way in ways]
        for name in names
    }
    table = dict(sorted(table.items(), key=lambda row: -row[1][-1][1]))
    table["**a step, not timed call by call**"] = [_medians(bare[way]) for way in ways]
    heads = "".join(f" committed {way} | processor |" for way in ways)
    return [
        "## Cost of a step",
        "",
        f"A trivial `run` on busybox, one job, buildah {version}: milliseconds, and those of processors;",
        f"medians of {rounds} runs in turn. `buildah rmi` follows a run; here it is an image's part of it.",
        "",
        f"| call |{heads}",
        "|---|" + "---|---|" * len(ways),
        *(_row(name, cells) for name, cells in table.items() if any(time for time, _ in cells)),
        "",
        _ratios(bare)
        if len(ways) == len(WAYS)
        else "This buildah commits twice; 1.41 is the first to do it once.",
        "",
    ]


def _medians(costs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    times, processor = zip(*costs, strict=True)
    return statistics.median(times), statistics.median(processor)


def _row(name: str, cells: Iterable[tuple[float, float]]) -> str:
    return f"| {name} |" + "".join(f" {time:.1f} | {processor:.1f} |" for time, processor in cells)


def _ratios(bare: Mapping[str, list[tuple[float, float]]]) -> str:
    said = []
    for place, what in enumerate(("time", "processor time")):
        pairs = [once[place] / twice[place] for once, twice in zip(bare["once"], bare["twice"], strict=True)]
        each = ", ".join(f"{pair:.2f}" for pair in pairs)
        said.append(f"of {what} **{statistics.median(pairs):.2f}** (pair by pair {each})")
    return f"Ratio {' and '.join(said)}. Asked: at most 0.75."
