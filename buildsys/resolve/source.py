"""Pieces with their variables filled in, and the mistakes found in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from buildsys.diagnostics import Diagnostic, Problem, Refused, Spot
from buildsys.recipe import schema, substitution
from buildsys.recipe.document import Written
from buildsys.recipe.library import Source
from buildsys.recipe.schema.forms import Form


@dataclass(frozen=True, slots=True)
class Notes:
    """Mistakes of one written piece, added to the list of the whole phase."""

    written: Written
    found: list[Diagnostic]

    def spot(self, *path: str | int) -> Spot:
        """Where the value at `path` was written."""
        return self.written.spot(*path)

    def problem(self, path: tuple[str | int, ...], problem: Problem | None, *, key: bool = False) -> None:
        """Add a mistake, if there is one, of the value (or the key) at `path`."""
        if problem is not None:
            spot = self.written.key_spot(*path) if key else self.written.spot(*path)
            self.found.append(Diagnostic(spot, *problem))

    def check_each(self, path: tuple[str | int, ...], form: Form, texts: list[str]) -> None:
        """Check the texts of a list."""
        for number, text in enumerate(texts):
            self.problem((*path, number), form.problem(text))


M = TypeVar("M", bound=schema.Model)


def filled(source: Source[M], scope: Mapping[str, Any], found: list[Diagnostic]) -> tuple[M, Notes] | None:
    """The model of a source, with variables filled in; None if that fails, which `found` reports."""
    if source.model is not None:
        found += source.mistakes
        return source.model, Notes(source.written, found)
    mistakes: list[Diagnostic] = []
    written = source.written
    data = substitution.fill(written, source.holes, scope, mistakes)
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
    """A piece with its variables filled in; None if that fails, which `found` reports."""
    mistakes: list[Diagnostic] = []
    data = substitution.fill(written, substitution.holes(written.data), scope, mistakes)
    found += mistakes
    return None if mistakes else data
