"""Write the report, and the picture of the graph: templates, filled by jinja2 with every value escaped.

Nothing that a recipe, a log or a reason holds becomes markup or script: values are escaped, and the policy of
the page allows only its own style and its own script, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, get_args

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from buildsys.logins import masked
from buildsys.report.facts import Facts, SetFacts, State, Verdict
from buildsys.report.layout import NODE, layout
from buildsys.report.timeline import Bar, Timeline

TEMPLATES = Path(__file__).parent / "templates"
COLOURS = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
"""What turns colours of a terminal on and off: logs have it."""
UNSHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""Characters that no page may hold, or that no file can."""
LEVELS = 7
"""Shades of a picture that is coloured by a quantity."""
LATEST = 253_402_300_800
"""The end of the year 9999, in seconds since 1970."""
VERDICTS: tuple[Verdict, ...] = ("failed", "outdated", "passed", "never")
"""Of tests, in the order in which a reader wants them."""
ROW, WIDTH, WIDEST = 26, 1340, 6000
"""Height of a slot in the timeline; its least and greatest width. In pixels."""


def report(facts: SetFacts) -> str:
    """The report of a set, as one HTML file that loads nothing."""
    style, script = (_file(name) for name in ("report.css", "report.js"))
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            facts=facts,
            states=_counts(facts.images.values()),
            graph=layout(
                {name: item.needs for name, item in facts.images.items()},
                {name: item.parent for name, item in facts.images.items()},
            ),
            node_height=NODE,
            sizes=_levels({name: item.own for name, item in facts.images.items()}),
            times=_levels({name: item.seconds for name, item in facts.images.items()}),
            chart=_chart(facts.run) if facts.run else None,
            reasons=_reasons(facts),
            packages=_package_rows(facts),
            tried=sorted(
                (item.test for item in facts.images.values() if item.test),
                key=lambda test: VERDICTS.index(test.state),
            ),
            style=style,
            script=script,
            policy=f"default-src 'none'; style-src {_source(style)}; script-src {_source(script)}; "
            "base-uri 'none'; form-action 'none'",
        )
    )


def picture(title: str, needs: Mapping[str, Sequence[str]], parents: Mapping[str, str]) -> str:
    """The graph as an SVG file that stands by itself, in light and dark; the graph is that of `layout`."""
    return (
        _environment()
        .get_template("picture.svg.j2")
        .render(
            title=title,
            graph=layout(needs, parents),
            node_height=NODE,
            needed={need for others in needs.values() for need in others},
        )
    )


# ── values ──────────────────────────────────────────────────────────────────────────────────────────────────


def megabytes(size: int) -> str:
    """Bytes as megabytes, with three digits that count."""
    value = size / 1e6
    if value >= 1e4:
        return f"{value / 1e3:,.1f} GB"
    if value >= 1:
        return f"{value:,.0f} MB" if value >= 100 else f"{value:.1f} MB"
    return f"{size / 1e3:.0f} kB" if size >= 1000 else f"{size} B"


def duration(seconds: float) -> str:
    """Seconds for people: `4.2 s`, `1 min 20 s`, `2 h 5 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def clock(seconds: float) -> str:
    """Seconds since 1970 as a date and a time of day."""
    if not 0 <= seconds < LATEST:
        return "an unknown time"
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters |= {"megabytes": megabytes, "duration": duration, "clock": clock, "number": _number}
    return environment


def _shown(value: Any) -> Any:
    """A value as it may be shown: without passwords, and without characters that a page cannot hold."""
    if type(value) is not str:
        return value
    return masked(UNSHOWN.sub("\ufffd", COLOURS.sub("", value)))


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _file(name: str) -> str:
    return (TEMPLATES / name).read_text("utf-8")


def _source(text: str) -> str:
    """A source of a content security policy: the hash of a text between two tags."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


# ── views ───────────────────────────────────────────────────────────────────────────────────────────────────


def _counts(images: Iterable[Facts]) -> dict[str, int]:
    """How many images are in each state, for states that occur."""
    found = dict.fromkeys(get_args(State), 0)
    for item in images:
        found[item.state] += 1
    return {state: count for state, count in found.items() if count}


@dataclass(frozen=True, slots=True)
class Scale:
    """Quantities in shades. The shade grows with the root, so that small ones differ, too."""

    most: float
    of: Mapping[str, int]
    """Image -> shade, from 0."""


def _levels(values: Mapping[str, float | None]) -> Scale | None:
    """The shades of some quantities; None if none is known."""
    known = {name: value for name, value in values.items() if value}
    if not known:
        return None
    most = max(known.values())
    return Scale(most, {name: round(math.sqrt(value / most) * (LEVELS - 1)) for name, value in known.items()})


@dataclass(frozen=True, slots=True)
class DrawnBar:
    """A bar in the chart of a run, in pixels."""

    bar: Bar
    x: float
    y: float
    width: float


@dataclass(frozen=True, slots=True)
class Chart:
    """The chart of a run, in pixels."""

    width: float
    height: float
    bars: tuple[DrawnBar, ...]
    ticks: tuple[tuple[float, str], ...]


def _chart(run: Timeline) -> Chart:
    most = max(sum(bar.slot == slot for bar in run.bars) for slot in range(run.slots))
    width = min(WIDEST, max(WIDTH, 24 * most))
    scale = width / (run.seconds or 1)
    bars = tuple(
        DrawnBar(bar, bar.begin * scale, bar.slot * ROW, max(1.5, bar.seconds * scale - 1))
        for bar in run.bars
    )
    step = next(
        (step for step in (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800) if step * scale >= 70), 3600
    )
    ticks = tuple((at * scale, _tick(at)) for at in range(0, int(run.seconds) + 1, step))
    return Chart(width, run.slots * ROW, bars, ticks)


def _tick(seconds: int) -> str:
    return f"{seconds // 60}:{seconds % 60:02}"


def _reasons(facts: SetFacts) -> list[tuple[str, list[Facts]]]:
    """Images by the reason for which the run built them, the reason of most images first."""
    found: dict[str, list[Facts]] = defaultdict(list)
    for bar in facts.run.bars if facts.run else ():
        item = facts.images.get(bar.image)
        if item and item.reason:
            found[item.reason].append(item)
    return sorted(found.items(), key=lambda pair: (-len(pair[1]), pair[0]))


@dataclass(frozen=True, slots=True)
class PackageRow:
    """A package in one version."""

    name: str
    version: str
    arch: str
    bytes: int
    images: tuple[str, ...]
    """The images that install it."""
    everywhere: int
    """How many images have it, with those that inherit it."""
    several: bool
    """The set has other versions of it, too."""


def _package_rows(facts: SetFacts) -> list[PackageRow]:
    holders: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    sizes: dict[tuple[str, str, str], int] = {}
    for item in facts.images.values():
        for package in item.packages:
            key = (package.name, package.version, package.arch)
            holders[key].append(item.name)
            sizes[key] = package.bytes
    versions: dict[tuple[str, str], int] = defaultdict(int)
    for name, _, arch in holders:
        versions[name, arch] += 1
    below = {name: facts.below(name) for names in holders.values() for name in names}
    return [
        PackageRow(
            *key, sizes[key], tuple(names), len({*names, *(each for name in names for each in below[name])}),
            versions[key[0], key[2]] > 1,
        )
        for key, names in sorted(holders.items())
    ]  # fmt: skip
