"""The form of a value: a check with its code and hint, for pydantic, the JSON Schema and other rooms."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from buildsys.diagnostics import Code, Problem

MISTAKE = "mistake"
"""Type of pydantic's error for a value without its form; its context holds the Problem under this name."""
# Not pydantic's validation context: to hand that to each check costs more than the check.
_checking = ContextVar("checking", default=True)


@contextmanager
def any_value() -> Iterator[None]:
    """Validate models whose values need not have their forms."""
    token = _checking.set(False)
    try:
        yield
    finally:
        _checking.reset(token)


def _refuse(problem: Problem) -> None:
    if _checking.get():
        raise PydanticCustomError(MISTAKE, "no value of this form", {MISTAKE: problem})


@dataclass(frozen=True, eq=False)
class Form:
    """The form of a text."""

    check: Callable[[str], Problem | None]
    pattern: str
    """For editors: every text of this form matches it as a whole. It may match others, too."""
    about: str
    """For editors: a hint."""
    _known: dict[str, Problem | None] = field(default_factory=dict)

    def problem(self, text: str) -> Problem | None:
        """The mistake of a text; None for a text of this form."""
        try:
            return self._known[text]
        except KeyError:
            return self._known.setdefault(text, self.check(text))

    def _validated(self, text: str) -> str:
        if problem := self.problem(text):
            _refuse(problem)
        return text

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._validated, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        # A text with a template has its form once it is filled in.
        return handler(schema) | {"pattern": rf"^(?:{self.pattern})$|\{{[{{%]", "description": self.about}


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`."""

    sentence: str
    hint: str
    low: int
    high: int
    code: Code = Code.BAD_NUMBER

    def problem(self, number: int) -> Problem | None:
        """The mistake of a number; None for one in the range."""
        if self.low <= number <= self.high:
            return None
        return self.code, self.sentence.format(number), self.hint

    def _validated(self, number: int) -> int:
        if problem := self.problem(number):
            _refuse(problem)
        return number

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._validated, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return handler(schema) | {"description": self.hint}


def matching(code: Code, sentence: str, hint: str, pattern: str) -> Form:
    """Texts that match a pattern as a whole; `{}` in the sentence stands for one that does not."""
    compiled = re.compile(pattern)
    return Form(
        lambda text: None if compiled.fullmatch(text) else (code, sentence.format(text), hint), pattern, hint
    )
