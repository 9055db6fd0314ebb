"""Fill the variables of a source in, and check what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from buildsys.diagnostics import Diagnostic, Refused
from buildsys.recipe import schema, variables
from buildsys.recipe.library import Source
from buildsys.recipe.written import Written
from buildsys.resolve.source import Notes

M = TypeVar("M", bound=schema.Model)


def filled(source: Source[M], scope: Mapping[str, Any], found: list[Diagnostic]) -> tuple[M, Notes] | None:
    """What a source says once its variables are filled in; None when that failed, and `found` says why."""
    if source.model is not None:
        found += source.mistakes
        return source.model, Notes(source.written, found)
    mistakes: list[Diagnostic] = []
    written = source.written
    data = variables.fill(written, source.holes, scope, mistakes)
    if not mistakes:
        try:
            model, mistakes = schema.read_filled(source.kind, written, data)
        except Refused as refused:
            found += refused.diagnostics
            return None
        found += mistakes
        return model, Notes(written.with_data(data), found)
    found += mistakes
    return None


def filled_part(written: Written, scope: Mapping[str, Any], found: list[Diagnostic]) -> Any:
    """A piece with its variables filled in; None when that failed, and `found` says why."""
    mistakes: list[Diagnostic] = []
    data = variables.fill(written, variables.holes(written.data), scope, mistakes)
    found += mistakes
    return None if mistakes else data
