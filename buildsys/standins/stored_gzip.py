"""gzip without compression, because the result of a compression depends on the version of zlib."""

from __future__ import annotations

import struct
import zlib


def stored_gzip(content: bytes) -> bytes:
    """A gzip file of stored blocks (RFC 1951, 3.2.4): equal bytes with every zlib."""
    blocks = [content[start : start + 0xFFFF] for start in range(0, len(content), 0xFFFF)] or [b""]
    body = b"".join(
        struct.pack("<BHH", block is blocks[-1], len(block), len(block) ^ 0xFFFF) + block for block in blocks
    )
    header = b"\x1f\x8b\x08\x00" + b"\x00" * 4 + b"\x00\xff"
    return header + body + struct.pack("<II", zlib.crc32(content), len(content) & 0xFFFFFFFF)
