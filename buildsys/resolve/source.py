"""A place in something written, with the mistakes found there."""

from __future__ import annotations

from dataclasses import dataclass

from buildsys.diagnostics import Diagnostic, Problem, Spot
from buildsys.recipe.schema.forms import Form
from buildsys.recipe.written import Written


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
