"""What proof of who we are a registry wants, and what it is answered where tokens are given."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from urllib.parse import urlencode

LASTS = 60.0
"""Seconds that a token holds of which nothing is said."""

_WORD = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,"]+))')


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a registry wants: nothing, a login, or a token from its realm."""

    kind: str = ""
    """`bearer` for tokens."""
    realm: str = ""
    """The address that gives tokens."""
    service: str = ""

    def query(self, scopes: tuple[str, ...]) -> str:
        """What the realm is asked for these rights."""
        words = [("service", self.service), *(("scope", scope) for scope in scopes)]
        return f"{'&' if '?' in self.realm else '?'}{urlencode(words)}"


def challenge(header: str) -> Challenge:
    """What a `WWW-Authenticate` says."""
    words = {name.lower(): quoted or plain for name, quoted, plain in _WORD.findall(header)}
    kind = header.split(maxsplit=1)[0].lower() if header.strip() else ""
    return Challenge(kind, words.get("realm", ""), words.get("service", ""))


def granted(body: bytes) -> tuple[str, float]:
    """A token, and for how many seconds it holds.

    Raises:
        ValueError: this is none.
    """
    data = json.loads(body)
    token = (data.get("token") or data.get("access_token")) if isinstance(data, dict) else None
    if not isinstance(token, str) or not re.fullmatch(r"[!-~]+", token):
        raise ValueError
    seconds = data.get("expires_in")
    return token, float(seconds) if isinstance(seconds, int | float) else LASTS
