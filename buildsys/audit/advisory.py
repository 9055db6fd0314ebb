"""An advisory about one package, whichever feed it is from; and severities."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Severity = Literal["low", "medium", "high", "critical", "unknown"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""In their order; `unknown` counts as more than all others, because it may be."""

_WORDS: Mapping[str, Severity] = {
    "critical": "critical", "important": "high", "high": "high", "moderate": "medium", "medium": "medium",
    "low": "low", "negligible": "low", "none": "low", "unimportant": "low",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Advisory:
    """Which versions of a package are vulnerable."""

    id: str
    aliases: tuple[str, ...]
    severity: Severity
    kind: str
    """`rpm` or `deb`."""
    distribution: str
    """`debian-12`, `almalinux-9`; empty: whatever the repository is for."""
    package: str
    source: bool
    """Whether `package` is a source package: its version is compared, and all its packages are affected."""
    introduced: str
    """The first vulnerable version; empty: all before the fixed one."""
    fixed: str
    """The first version that is not vulnerable; empty: there is none yet."""
    last: str = ""
    """The last vulnerable version, where the advisory names no fixed one."""
    arch: str = ""
    """Empty: every architecture."""

    @property
    def names(self) -> frozenset[str]:
        """Its id and its aliases."""
        return frozenset({self.id, *self.aliases})


def named_severity(word: object) -> Severity:
    """The severity that a distribution's word means: `Important`, `moderate`, `low**`."""
    return _WORDS.get(str(word).strip().rstrip("*").lower(), "unknown")


# ── CVSS ────────────────────────────────────────────────────────────────────────────────────────────────────

_METRICS: Mapping[str, Mapping[str, float]] = {
    "AV": {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2},
    "AC": {"L": 0.77, "H": 0.44},
    "UI": {"N": 0.85, "R": 0.62},
    "C": {"H": 0.56, "L": 0.22, "N": 0.0},
    "I": {"H": 0.56, "L": 0.22, "N": 0.0},
    "A": {"H": 0.56, "L": 0.22, "N": 0.0},
}
_PRIVILEGES = {"U": {"N": 0.85, "L": 0.62, "H": 0.27}, "C": {"N": 0.85, "L": 0.68, "H": 0.5}}


def cvss_severity(vector: str) -> Severity:
    """The severity of a vector of CVSS 3.0 or 3.1, by its base score; `unknown` for other versions.

    https://www.first.org/cvss/v3.1/specification-document, sections 5, 7.1 and 8.1.
    """
    begin, *pairs = vector.split("/")
    if begin not in {"CVSS:3.0", "CVSS:3.1"}:
        return "unknown"
    values = dict(pair.partition(":")[::2] for pair in pairs)
    try:
        number = {name: levels[values[name]] for name, levels in _METRICS.items()}
        scope = values["S"]
        privileges = _PRIVILEGES[scope][values["PR"]]
    except KeyError:
        return "unknown"
    lost = 1 - (1 - number["C"]) * (1 - number["I"]) * (1 - number["A"])
    impact = 6.42 * lost if scope == "U" else 7.52 * (lost - 0.029) - 3.25 * (lost - 0.02) ** 15
    if impact <= 0:
        return "low"
    exploitability = 8.22 * number["AV"] * number["AC"] * privileges * number["UI"]
    score = _round_up(min((1.0 if scope == "U" else 1.08) * (impact + exploitability), 10))
    if score >= 9:
        return "critical"
    return "high" if score >= 7 else "medium" if score >= 4 else "low"


def _round_up(score: float) -> float:
    """The smallest number with one decimal that is not below `score`, as the specification computes it."""
    whole = round(score * 100000)
    return whole / 100000 if whole % 10000 == 0 else (math.floor(whole / 10000) + 1) / 10
