"""What every model of a written file shares: strictness, key names, and the few shapes values take."""

from __future__ import annotations

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


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


OneOrMore = Annotated[list[str], BeforeValidator(_listed, json_schema_input_type=str | list[str])]
"""One text or a list of texts; a list afterwards."""


def _text_or_list(value: Any) -> str:
    return "<list>" if isinstance(value, list) else "<text>"


TextOrList = Annotated[
    Annotated[str, Tag("<text>")] | Annotated[list[str], Tag("<list>")], Discriminator(_text_or_list)
]
"""A text or a list of texts, which mean different things."""
