"""What a lock may hold: its shape and its texts, checked like a recipe's, each mistake with its line.

The seal finds accidental changes only: anybody can compute it again. So paths that lead elsewhere and wrong
numbers are refused here; a lock that passes is safe to compile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, ValidationError
from pydantic_core import PydanticCustomError

Place = tuple[str, str]
"""A section of a lock, and the key within it; empty: the section itself."""
Mistake = tuple[Place, str]
"""The place, and what is wrong there."""


def _short(*, pattern: str) -> Any:
    return Field(pattern=pattern, max_length=4096)


_Text = Annotated[str, _short(pattern=r"^[^\x00-\x1f\x7f]*$")]
_Word = Annotated[str, _short(pattern=r"^[^\x00-\x20\x7f/]+$")]
_WordOrNone = Annotated[str, _short(pattern=r"^[^\x00-\x20\x7f/]*$")]
_Where = Annotated[str, _short(pattern=r"^[^\x00-\x20\x7f]+$")]
_Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Sum = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
_Digest = Annotated[str, Field(pattern=r"^sha(256:[0-9a-f]{64}|384:[0-9a-f]{96}|512:[0-9a-f]{128})$")]
_Count = Annotated[int, Strict(), Field(ge=0, lt=1 << 63)]


def _below(value: object) -> object:
    """A path below a repository's root that does not leave it."""
    if isinstance(value, str) and not {"", ".", ".."}.isdisjoint(value.split("/")):
        raise PydanticCustomError("leaves", "it is not a path below a repository")
    return value


def _whole(row: object) -> object:
    """A package; older versions wrote fewer fields, and the missing ones get defaults."""
    missing = (0, "", 0, "")
    if isinstance(row, list) and 8 <= len(row) < 12:
        return [*row, *missing[len(row) - 8 :]]
    return row


_Location = Annotated[str, _short(pattern=r"^[^\x00-\x20\x7f]+$"), BeforeValidator(_below)]
_Package = Annotated[
    tuple[
        _Word, _WordOrNone, _Word, _WordOrNone, _Word, _Where, _Sum, _Location, _Count, _Text, _Count, _Text
    ],
    BeforeValidator(_whole),
]
_Asked = Annotated[list[_Word], Field(min_length=1)]
_Early = list[tuple[_Count, list[_Word]]]


def _with_early(row: object) -> object:
    return [*row, []] if isinstance(row, list) and len(row) == 2 else row


_Step = Annotated[tuple[_Asked, list[_Text], _Early], BeforeValidator(_with_early)]


class _Image(BaseModel):
    model_config = ConfigDict(extra="forbid")

    from_: _WordOrNone = Field(alias="from")
    steps: list[_Step]


class _Content(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)

    lock: _Count
    set: _Text
    site: _Text
    solver: _Text
    bases: dict[_Text, _Digest]
    repositories: dict[_Where, tuple[_Hex, _Text, _Count]]
    keys: dict[_Where, _Text]
    downloads: dict[_Text, _Hex]
    absent: dict[_Word, str]
    packages: dict[_Text, _Package]
    payloads: dict[_Word, _Text]
    images: dict[_Word, _Image]


def mistakes(data: Mapping[str, Any]) -> Iterator[Mistake]:
    """All mistakes in the data of a lock; none: it may be used."""
    found = [*_of_shape(data)]
    # References can be checked only in data of the right shape.
    yield from found or _of_names(data)


def _of_shape(data: Mapping[str, Any]) -> Iterator[Mistake]:
    try:
        _Content.model_validate(data)
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_context=False):
            section, key, *rest = (*map(str, detail["loc"]), "", "")
            number = next((f"value {int(item) + 1}: " for item in rest if item.isdecimal()), "")
            words = _WORDS.get(detail["type"], detail["msg"].lower())
            if not key:
                words = _SECTIONS.get(detail["type"], words).format(section)
            yield (section, key.removesuffix("[key]")), number + words


_SECTIONS = {"missing": "'{}' is missing", "extra_forbidden": "a lock has no '{}'"}
_WORDS = {
    "missing": "something is missing", "extra_forbidden": "there is more than belongs here",
    "string_pattern_mismatch": "no such text can stand here", "string_too_long": "this text is too long",
    "string_unicode": "this is not a text", "string_type": "text belongs here",
    "int_type": "a whole number belongs here", "tuple_type": "a list belongs here",
    "list_type": "a list belongs here", "too_long": "there is more than belongs here",
    "too_short": "something is missing", "dict_type": "a map belongs here",
    "model_type": "a map belongs here",
}  # fmt: skip


def _of_names(data: Mapping[str, Any]) -> Iterator[Mistake]:
    packages, images = data["packages"], data["images"]
    for name, row in packages.items():
        epoch = "" if row[1] in {"", "0"} else f"{row[1]}:"
        nevra = f"{row[0]}-{epoch}{row[2]}{row[3] and '-'}{row[3]}.{row[4]}"
        if nevra != name:
            yield ("packages", name), f"what stands here is the package {nevra}"
    for name, nevra in data["payloads"].items():
        if nevra not in packages:
            yield ("payloads", name), f"there is no package {nevra} above"
        elif packages[nevra][0] != name:
            yield ("payloads", name), f"{nevra} is not a build of it"
    for name, value in data["keys"].items():
        if not (value in packages or _is_sum(value)):
            yield ("keys", name), "it is neither a checksum nor a package above"
    for name, image in images.items():
        if image["from"] and image["from"] not in images:
            yield ("images", name), f"there is no image {image['from']}"
        yield from ((("images", name), what) for what in _of_steps(image, packages))


def _of_steps(image: Mapping[str, Any], packages: Mapping[str, Any]) -> Iterator[str]:
    for asked, nevras, *early in image["steps"]:
        if asked[0] not in {"install", "remove", "update"}:
            yield f"'{asked[0]}' is nothing that can be asked for"
        yield from (f"there is no package {nevra} above" for nevra in nevras if nevra not in packages)
        counts = [count for rows in early for count, _ in rows]
        if counts != sorted(counts) or any(count > len(nevras) for count in counts):
            yield "what is configured early is out of order"


def _is_sum(text: str) -> bool:
    return text.startswith("sha256:") and len(text) == 71 and set(text[7:]) <= set("0123456789abcdef")
