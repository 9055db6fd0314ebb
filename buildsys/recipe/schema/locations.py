"""Where a location of pydantic's leads: in the model to a type, a holder or a form; in the data to a path.

A location also has the members of unions, and the index of an item where a map stands for a list of one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import Tag

from buildsys.recipe.schema.base import Model, key_of
from buildsys.recipe.schema.forms import Form

Path = tuple[str | int, ...]
"""Keys and indices, as they are written."""


def path_in(location: Iterable[str | int], data: Any) -> Path:
    """The keys and indices of a location, as they are written: a map may stand for a list of one."""
    path: list[str | int] = []
    for step in location:
        if not _is_tag(step) and not (isinstance(step, int) and isinstance(data, dict)):
            path.append(step)
            data = step_of(data, step)
    return tuple(path)


def _is_tag(step: str | int) -> bool:
    return isinstance(step, str) and step.startswith("<") and step.endswith(">")


def model_at(model: type[Model], location: Iterable[str | int]) -> type[Model] | None:
    """The model whose keys stand at a location."""
    kind = bare(kind_at(model, location))
    return kind if isinstance(kind, type) and issubclass(kind, Model) else None


def kind_at(model: type[Model], location: Iterable[str | int]) -> Any:
    """The type at a location."""
    kind: Any = model
    for step in location:
        kind = _inner(kind, step)
    return kind


def _inner(kind: Any, step: str | int) -> Any:
    kind = bare(kind)
    if isinstance(kind, type) and issubclass(kind, Model):
        for name, info in kind.model_fields.items():
            if key_of(name) == step:
                return info.annotation
        return None
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        for argument in arguments:
            if get_origin(argument) is Annotated and Tag(str(step)) in argument.__metadata__:
                return argument
        return None
    return arguments[-1] if origin in (list, dict) else None


def form_at(model: type[Model], location: Sequence[str | int]) -> Form | None:
    """The form of the text at a location; None where every text will do."""
    if not location:
        return None
    holder, last = bare(kind_at(model, location[:-1])), location[-1]
    found: list[Any] = []
    if isinstance(holder, type) and issubclass(holder, Model):
        for name, info in holder.model_fields.items():
            if key_of(name) == last:
                found = [*info.metadata, info.annotation]
    else:
        found = [_inner(holder, last)]
    while found:
        item = found.pop()
        if isinstance(item, Form):
            return item
        if get_origin(item) is Annotated:
            found += [*item.__metadata__, get_args(item)[0]]
        elif get_origin(item) in (Union, UnionType):
            found += get_args(item)
    return None


def bare(kind: Any) -> Any:
    """A type without its annotations and without `None`."""
    while True:
        if get_origin(kind) is Annotated:
            kind = get_args(kind)[0]
            continue
        if get_origin(kind) in (Union, UnionType):
            rest = [item for item in get_args(kind) if item is not type(None)]
            if len(rest) == 1:
                kind = rest[0]
                continue
        return kind


def step_of(data: Any, step: str | int) -> Any:
    """One step into data; a text stays itself: a variable in it may hold a list."""
    if isinstance(data, dict):
        return data.get(str(step))
    if isinstance(data, list) and isinstance(step, int) and step < len(data):
        return data[step]
    return data if isinstance(data, str) else None
