"""The report: findings as Markdown, a line an image, a line a failure, and a last line that says it all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from .check import Report
from .facts import Fact
from .finding import Finding, Verdict

_COLUMNS = {
    "configuration": set("parent user cmd entrypoint volumes healthcheck env label".split())
    | {"image", "stop signal"},
    "packages": {"package", "dropped", "rpm -V"},
    "files": {"file"},
    "accounts": {"account"},
    "steps": {"step"},
}
TOPICS = frozenset[str]().union(*_COLUMNS.values())
"""What facts are about."""
_ORDER: tuple[Verdict, ...] = ("failed", "passed", "unobservable", "overtaken")


def verdicts(findings: Iterable[Finding]) -> dict[tuple[str, Fact], Verdict]:
    """One verdict for each fact in each image it was looked for: failed if any check of it failed."""
    found: dict[tuple[str, Fact], set[Verdict]] = {}
    for finding in findings:
        found.setdefault((finding.image, finding.fact), set()).add(finding.verdict)
    return {key: next(verdict for verdict in _ORDER if verdict in several) for key, several in found.items()}


def markdown(report: Report) -> str:
    """The whole report."""
    judged = verdicts(report.findings)
    own = {fact: verdict for (image, fact), verdict in judged.items() if image == fact.image}
    parts = ["# Conformance of stable-pike", "", *_table(report, judged), ""]
    parts += ["## Failures", "", *(_failures(report.findings) or ["None."]), ""]
    parts += [
        "## Facts a later one overtook",
        "",
        *(_others(report.findings, own, "overtaken") or ["None."]),
        "",
    ]
    parts += ["## Not observable", "", *(_others(report.findings, own, "unobservable") or ["None."]), ""]
    steps = Counter(verdict for fact, verdict in own.items() if fact.topic == "step")
    counts = ", ".join(
        f"{steps[verdict]} {verdict}" for verdict in ("passed", "failed", "overtaken", "unobservable")
    )
    parts += [
        f"steps: {sum(steps.values())} of {len(report.facts.steps)}: {counts}",
        "",
        last_line(report),
        "",
    ]
    return "\n".join(parts)


def last_line(report: Report) -> str:
    """`conformance: 108/108 images, N facts checked, M failed, K not observable`."""
    judged = verdicts(report.findings)
    counts = Counter(judged.values())
    failed = {image for (image, _), verdict in judged.items() if verdict == "failed"}
    total = len(report.facts.images)
    checked = counts["passed"] + counts["failed"]
    hidden = {fact for (_, fact), verdict in judged.items() if verdict == "unobservable"}
    return (
        f"conformance: {total - len(failed)}/{total} images, {checked} facts checked, "
        f"{counts['failed']} failed, {len(hidden)} not observable"
    )


def failed(report: Report) -> bool:
    """Whether anything is wrong."""
    return any(finding.verdict == "failed" for finding in report.findings)


def _table(report: Report, judged: dict[tuple[str, Fact], Verdict]) -> Iterator[str]:
    yield f"| image | parent | {' | '.join(_COLUMNS)} | inherited | failed |"
    yield f"|---|---|{'---:|' * (len(_COLUMNS) + 2)}"
    passed: Counter[tuple[str, str]] = Counter()
    checked: Counter[tuple[str, str]] = Counter()
    for (image, fact), verdict in judged.items():
        column = next(name for name, topics in _COLUMNS.items() if fact.topic in topics)
        key = (image, column if fact.image == image else "inherited")
        passed[key] += verdict == "passed"
        checked[key] += verdict in ("passed", "failed")
    for name, facts in report.facts.images.items():
        keys = [(name, column) for column in (*_COLUMNS, "inherited")]
        cells = [f"{passed[key]}/{checked[key]}" if checked[key] else "" for key in keys]
        wrong = sum(checked[key] - passed[key] for key in keys)
        yield f"| {name} | {facts.parent} | {' | '.join(cells)} | {wrong or ''} |"


def _failures(findings: Iterable[Finding]) -> list[str]:
    """A line for each failure; the same failure in several images, most often descendants, is one line."""
    grouped: dict[tuple[Fact, str, str], list[Finding]] = {}
    for finding in findings:
        if finding.verdict == "failed":
            grouped.setdefault((finding.fact, finding.expected, finding.found), []).append(finding)
    lines = []
    for first, *rest in grouped.values():
        others = " ".join(dict.fromkeys(finding.image for finding in rest if finding.image != first.image))
        lines.append(f"* {first}" + (f" (also in {others})" if others else ""))
    return lines


def _others(findings: Iterable[Finding], own: dict[Fact, Verdict], verdict: Verdict) -> list[str]:
    reasons = {
        finding.fact: f"* {finding.fact}: {finding.found}"
        for finding in findings
        if finding.verdict == verdict == own.get(finding.fact) and finding.image == finding.fact.image
    }
    return list(reasons.values())
