"""Credentials for addresses: taken out of the URLs that people write, and looked up where they are kept.

What is compiled, written down or shown never has a password: neither a plan nor a lock, a key, a log or a
message. A run finds credentials in BS_LOGINS, which the command makes of what URLs of the recipes hold, and
else in the netrc file of the user. `plan/runtime/logins.sh` reads the same two for a plan.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

VARIABLE = "BS_LOGINS"
"""A line a host: `HOST[:PORT] USER =PASSWORD`, user and password encoded as in a URL."""

_USERINFO = re.compile(
    # Hints say [USER:PASSWORD@], in brackets.
    r"(?P<before>\b[a-zA-Z][a-zA-Z0-9+.-]*://)(?!\[[A-Z]+(?::[A-Z]+)?@\])(?P<userinfo>[^\s/?#'\"]*)@"
)
_BARE = re.compile(r"(?<![\w/.@:-])[\w.%+-]+:[^\s/'\"]+@(?=[\w-]+(?:\.[\w-]+)*(?::\d+)?/)")
"""The same before the name of a registry, which has no scheme."""
_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[^\s]+)')
_MACRO = re.compile(r"^[ \t]*macdef\b.*?(?:\n[ \t]*\n|\Z)", re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"^[ \t]*#.*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Login:
    """Who we are to a host."""

    host: str
    """With its port, where the URL has one."""
    user: str
    password: str = field(repr=False)
    """Both as a URL has them, percent-encoded."""

    @property
    def plain(self) -> tuple[str, str]:
        """User and password as they are."""
        return unquote(self.user), unquote(self.password)


def parted(url: str) -> tuple[str, Login | None]:
    """A URL without credentials, and the credentials that it had."""
    found = _USERINFO.match(url)
    if found is None:
        return url, None
    bare = found["before"] + url[found.end() :]
    user, _, password = found["userinfo"].partition(":")
    return bare, Login(urlsplit(bare).netloc.lower(), user, password)


def masked(text: str, *, sign: str = "") -> str:
    """A text without the credentials of its URLs and registries; `sign` stands for each character of them."""
    if "@" not in text:
        return text

    def without(found: re.Match[str]) -> str:
        # A user without a password is how one writes a repository of git.
        if found["before"].endswith("ssh://") and ":" not in found["userinfo"]:
            return found[0]
        return found["before"] + sign * (len(found["userinfo"]) + 1)

    return _BARE.sub(lambda found: sign * len(found[0]), _USERINFO.sub(without, text))


def offer(logins: Iterable[Login], environment: MutableMapping[str, str] = os.environ) -> None:
    """Put credentials where this process and those that it starts look for them."""
    lines = dict.fromkeys(f"{login.host} {login.user} ={login.password}" for login in logins)
    if lines:
        environment[VARIABLE] = "\n".join(lines)


def login_for(url: str) -> tuple[str, str] | None:
    """User and password for the host of a URL; None if none is known."""
    parts = urlsplit(url)
    for line in os.environ.get(VARIABLE, "").splitlines():
        host, user, secret = line.split(" ")
        if host == parts.netloc.lower():
            return unquote(user), unquote(secret.removeprefix("="))
    return _of_netrc(parts.hostname or "")


def _of_netrc(host: str) -> tuple[str, str] | None:
    file = Path(os.environ.get("NETRC") or Path(os.environ.get("HOME") or "/nonexistent", ".netrc"))
    try:
        text = file.read_text("utf-8", errors="surrogateescape")
    except OSError:
        return None
    words = iter([_plain(word) for word in _TOKEN.findall(_COMMENT.sub("", _MACRO.sub("", text)))])
    user = password = ""
    ours = False
    for word in words:
        if word in {"machine", "default"}:
            if ours:
                break
            ours = word == "default" or next(words, "").lower() == host
        elif word in {"login", "password", "account"}:
            value = next(words, "")
            if ours and word == "login":
                user = value
            elif ours and word == "password":
                password = value
    return (user, password) if ours else None


def _plain(word: str) -> str:
    return re.sub(r"\\(.)", r"\1", word[1:-1]) if len(word) > 1 and word[0] == word[-1] == '"' else word
