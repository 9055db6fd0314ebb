"""Fill the variables of a source in, and check what becomes of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from buildsys.diagnostics import Diagnostic, Refused
from buildsys.recipe import schema, variables
from buildsys.recipe.document import Written
from buildsys.recipe.library import Source
from buildsys.resolve.notes import Notes

M = TypeVar("M", bound=schema.Model)


def filled(
    source: Source[M], scope: Mapping[str, Any], found: list[Diagnostic], *, without: Collection[str] = ()
) -> tuple[M, Notes] | None:
    """What a source says once its variables are filled in; None when that failed, and `found` says why.

    Keys named by `without` keep what was written.
    """
    if source.model is not None:
        return source.model, Notes(source.written, found)
    mistakes: list[Diagnostic] = []
    written = source.written
    data = {key: value for key, value in written.data.items() if key not in without}
    data = variables.fill(written.with_data(data), scope, mistakes)
    if not mistakes:
        try:
            whole = {**data, **{key: written.data[key] for key in without if key in written.data}}
            model = schema.read_filled(source.kind, written, whole)
            return model, Notes(written.with_data(whole), found)
        except Refused as refused:
            mistakes += refused.diagnostics
    found += mistakes
    return None


def filled_list(written: Written, scope: Mapping[str, Any], found: list[Diagnostic]) -> list[str] | None:
    """A list of texts with its variables filled in."""
    mistakes: list[Diagnostic] = []
    data: list[str] = variables.fill(written, scope, mistakes)
    found += mistakes
    return None if mistakes else data
