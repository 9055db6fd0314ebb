"""exceptions.yaml of a set: advisories that do not count, with who may rely on that and why."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from buildsys.recipe.schema.base import Maybe, Model, OneOrMore

Date = Annotated[str, Field(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")]


class AuditException(Model):
    """An advisory that does not count, with the terms of OpenVEX."""

    advisory: str
    package: Maybe[str] = None
    images: Maybe[OneOrMore[str]] = None
    status: Literal["not_affected", "fixed", "under_investigation", "accepted"]
    reason: Annotated[str, Field(min_length=10)]
    date: Date
    until: Maybe[Date] = None


class ExceptionsFile(Model):
    """The file: a list of exceptions."""

    exceptions: list[AuditException]
