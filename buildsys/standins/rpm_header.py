"""The header structure of RPM files: numbered fields in the order and alignment that every rpm accepts."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

_MAGIC = b"\x8e\xad\xe8\x01\x00\x00\x00\x00"
_ENTRY = struct.Struct(">IIiI")


class Region(IntEnum):
    """The field that spans the whole header; its content is what is signed."""

    SIGNATURES = 62
    IMMUTABLE = 63


class _Kind(IntEnum):
    INT16 = 3
    INT32 = 4
    STRING = 6
    BINARY = 7
    STRINGS = 8
    TRANSLATED = 9


_ALIGNMENT = {_Kind.INT16: 2, _Kind.INT32: 4}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a header."""

    tag: int
    """Its number, of rpmtag.h."""
    kind: _Kind
    count: int
    """Number of values."""
    content: bytes
    """The values as bytes."""


def int16(tag: int, values: Sequence[int]) -> Field:
    """Unsigned numbers of 16 bits."""
    return Field(tag, _Kind.INT16, len(values), struct.pack(f">{len(values)}H", *values))


def int32(tag: int, values: Sequence[int]) -> Field:
    """Unsigned numbers of 32 bits."""
    return Field(tag, _Kind.INT32, len(values), struct.pack(f">{len(values)}I", *values))


def string(tag: int, value: str) -> Field:
    """One text."""
    return Field(tag, _Kind.STRING, 1, _terminated([value]))


def strings(tag: int, values: Sequence[str]) -> Field:
    """A list of texts."""
    return Field(tag, _Kind.STRINGS, len(values), _terminated(values))


def translated(tag: int, value: str) -> Field:
    """A translatable text, without translations."""
    return Field(tag, _Kind.TRANSLATED, 1, _terminated([value]))


def binary(tag: int, value: bytes) -> Field:
    """Bytes."""
    return Field(tag, _Kind.BINARY, len(value), value)


def header(region: Region, fields: Iterable[Field]) -> bytes:
    """A header with these fields in the region, sorted by number.

    Fields without a value are left out: rpm refuses a header that has one.
    """
    present = sorted((field for field in fields if field.count), key=lambda field: field.tag)
    size = _ENTRY.size * (len(present) + 1)
    index, store = bytearray(), bytearray()
    for field in present:
        store += b"\0" * (-len(store) % _ALIGNMENT.get(field.kind, 1))
        index += _ENTRY.pack(field.tag, field.kind, len(store), field.count)
        store += field.content
    # The region is the first entry; its trailer, at the end of the store, holds the length of the index.
    first = _ENTRY.pack(region, _Kind.BINARY, len(store), _ENTRY.size)
    store += _ENTRY.pack(region, _Kind.BINARY, -size, _ENTRY.size)
    return _MAGIC + struct.pack(">II", len(present) + 1, len(store)) + first + index + store


def _terminated(values: Iterable[str]) -> bytes:
    return b"".join(value.encode() + b"\0" for value in values)
