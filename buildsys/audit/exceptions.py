"""The exceptions of a set: advisories that do not count, each with a reason and a date."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from buildsys.audit.advisory import Advisory
from buildsys.diagnostics import Refused, Spot
from buildsys.recipe import document, schema

FILE = "exceptions.yaml"


@dataclass(frozen=True, slots=True)
class AuditException:
    """An advisory that does not count for some packages of some images."""

    advisory: str
    package: str
    """A package or a source package; empty: all."""
    images: frozenset[str]
    """Those that install the package; empty: all."""
    status: str
    reason: str
    date: str
    until: str
    """The last day on which it counts, `YYYY-MM-DD`; empty: always."""
    spot: Spot

    def covers(self, advisory: Advisory, names: frozenset[str], image: str) -> bool:
        """Whether it is about this advisory; `names`: the package and its source package."""
        return (
            self.advisory in advisory.names
            and (not self.package or self.package in names)
            and (not self.images or image in self.images)
        )

    def expired(self, today: dt.date) -> bool:
        """Whether its last day has passed."""
        return bool(self.until) and self.until < today.isoformat()


def read(directory: Path) -> list[AuditException]:
    """The exceptions of the set in `directory`; none if it has no such file.

    Raises:
        Refused: the file has mistakes; all of them.
    """
    path = directory / FILE
    if not path.is_file():
        return []
    written = document.read(path)
    model, mistakes = schema.read(schema.ExceptionsFile, written)
    if mistakes:
        raise Refused(mistakes)
    return [
        AuditException(
            item.advisory, item.package or "", frozenset(item.images or ()), item.status, item.reason,
            item.date, item.until or "", written.spot("exceptions", number, "advisory"),
        )
        for number, item in enumerate(model.exceptions)
    ]  # fmt: skip
