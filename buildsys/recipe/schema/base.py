"""What every model of a written file shares: strictness, key names, and the few shapes values take."""

from __future__ import annotations

from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, GetCoreSchemaHandler, Tag
from pydantic_core import CoreSchema

T = TypeVar("T")


def key_of(field: str) -> str:
    """The YAML key of a field: `stop_signal` is written `stop-signal`, `from_` is `from`."""
    return field.rstrip("_").replace("_", "-")


class Model(BaseModel):
    """A mapping a person writes: known keys only, nothing converted, nothing changed afterwards."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, alias_generator=key_of, defer_build=True
    )


class _MayBeLeftOut:
    """Lets a key be absent (None in Python) without letting it be written empty."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        if get_origin(source) not in (Union, UnionType):
            return handler(source)
        kinds = tuple(kind for kind in get_args(source) if kind is not type(None))
        return handler.generate_schema(Union[kinds] if len(kinds) > 1 else kinds[0])  # noqa: UP007


Maybe = Annotated[T | None, _MayBeLeftOut()]


@dataclass(frozen=True)
class _OrOne:
    """Lets a list of a single item be written as that item."""

    kind: type

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        (item,) = get_args(source)
        # The function of core_schema that does the same has other parameters in pydantic 2.10 (Debian 13).
        validator = BeforeValidator(
            lambda value: [value] if type(value) is self.kind else value,
            json_schema_input_type=Union[item, source],  # noqa: UP007
        )
        return validator.__get_pydantic_core_schema__(source, handler)


OneOrMore = Annotated[list[T], _OrOne(str)]
"""One text or a list of texts; a list afterwards."""
Numbers = Annotated[list[T], _OrOne(int)]
"""One number or a list of numbers; a list afterwards."""


def _text_or_list(value: Any) -> str:
    return "<list>" if isinstance(value, list) else "<text>"


TextOrList = Annotated[
    Annotated[str, Tag("<text>")] | Annotated[list[T], Tag("<list>")], Discriminator(_text_or_list)
]
"""A text or a list of texts, which mean different things."""
