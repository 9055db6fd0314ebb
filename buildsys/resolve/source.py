"""A place in something written, with the mistakes found there."""

from __future__ import annotations

from dataclasses import dataclass

from buildsys.diagnostics import Diagnostic, Problem, Spot
from buildsys.logins import Login, parted
from buildsys.recipe.written import Written
from buildsys.resolve.syntax import Check, url

Address = tuple[str, Login | None]
"""A URL, and the credentials that stood in it."""


@dataclass(frozen=True, slots=True)
class Notes:
    """Mistakes of one written piece, added to the list of the whole phase."""

    written: Written
    found: list[Diagnostic]

    def spot(self, *path: str | int) -> Spot:
        """Where the value at `path` was written."""
        return self.written.spot(*path)

    def problem(self, path: tuple[str | int, ...], problem: Problem | None, *, key: bool = False) -> None:
        """Note what a check of `syntax` says about the value (or the key) at `path`."""
        if problem is not None:
            spot = self.written.key_spot(*path) if key else self.written.spot(*path)
            self.found.append(Diagnostic(spot, *problem))

    def check(self, path: tuple[str | int, ...], check: Check, text: str | None) -> str:
        """Check a text that may have been left out; it comes back, empty when it was."""
        if text is None:
            return ""
        problem = check(text)
        if problem is not None:
            self.problem(path, problem)
        return text

    def address(self, path: tuple[str | int, ...], text: str | None, *, key: bool = False) -> Address:
        """Check a URL that may have been left out; credentials in it are set apart."""
        if text is None:
            return "", None
        self.problem(path, url(text), key=key)
        return parted(text)

    def check_each(self, path: tuple[str | int, ...], check: Check, texts: list[str]) -> tuple[str, ...]:
        """Check the texts of a list."""
        for number, text in enumerate(texts):
            problem = check(text)
            if problem is not None:
                self.problem((*path, number), problem)
        return tuple(texts)
