"""Flags of Containerfile instructions: which are kept, which are dropped, and which are refused.

After the reference of Dockerfiles. What the oldest builder in use knows is kept; a flag that only concerns
how a builder works is left out of what the builder reads; whatever else changes an image is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from buildsys.diagnostics import closest

FLAG = re.compile(r"--(?P<name>[\w-]+)(?:=(?P<value>(?:\"[^\"]*\"|'[^']*'|[^\s\"'])*))?(?:\s+|$)")
"""A flag at the beginning of an instruction's value."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The treatment of a flag; `message` and `hint` belong to `refused`."""

    kind: Literal["kept", "dropped", "offline", "refused"]
    """`offline` is dropped; it requires an image that is built without a network."""
    message: str = ""
    hint: str = ""
    instead: str = ""
    """The text in its place; never longer than the flag."""


KEPT, DROPPED, OFFLINE = Verdict("kept"), Verdict("dropped"), Verdict("offline")
_IGNORE_FILE = "name in .containerignore what is not to be copied"
_CHECKED = "write the image as a recipe: its download has a checksum"
_COPIED = "copy what is meant to a place of its own, an instruction each"
_WITHOUT = "leave it out"

_FLAGS: Mapping[str, Mapping[str, str]] = {
    "FROM": {"platform": ""},
    "RUN": {"mount": "", "network": "", "security": "", "device": "a build is given no devices of the host"},
    "COPY": {
        "from": "", "chown": "", "chmod": "", "link": "",
        "parents": _COPIED, "exclude": _IGNORE_FILE,
    },
    "ADD": {
        "chown": "", "chmod": "", "link": "", "exclude": _IGNORE_FILE, "checksum": _CHECKED,
        "keep-git-dir": "put the files into the context, and COPY them", "unpack": _WITHOUT,
    },
    "HEALTHCHECK": {
        "interval": "", "timeout": "", "start-period": "", "retries": "",
        "start-interval": "builders in use do not know it: leave it out",
    },
}  # fmt: skip
"""Instruction -> its flags; with a text, it is refused with that hint."""
_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ns|us|ms|s|m|h))+")
_TEXTS = frozenset({"CMD", "ENTRYPOINT"})
"""Instructions without flags: their values may begin with two dashes."""

_TARGET = frozenset({"target", "dst", "destination"})
_OWNER = frozenset({"mode", "uid", "gid"})
_MOUNTS: Mapping[str, frozenset[str]] = {
    "bind": _TARGET
    | {"ro", "readonly", "rw", "readwrite", "from", "source", "src", "bind-propagation", "z", "Z"},
    "cache": _TARGET | _OWNER | {"ro", "readonly", "rw", "readwrite", "id", "sharing"},
    "tmpfs": _TARGET | {"ro", "readonly", "rw", "readwrite", "size"},
    "secret": _TARGET | _OWNER | {"id", "required"},
}
"""Type of a mount -> its supported options."""
_MEANINGLESS: Mapping[str, frozenset[str]] = {
    "bind": frozenset(),
    # Each build has caches of its own, and they begin empty.
    "cache": frozenset({"rw", "readwrite", "sharing=private"}),
    "tmpfs": frozenset({"rw", "readwrite", "size"}),
    # What is required was looked for before.
    "secret": frozenset({"required"}),
}
"""Options that are dropped; buildah 1.28 does not know them."""


def flags(value: str) -> Iterator[re.Match[str]]:
    """The flags at the beginning of an instruction's value."""
    rest = 0
    while match := FLAG.match(value, rest):
        yield match
        rest = match.end()


def judge(word: str, name: str, value: str | None) -> Verdict:
    """The treatment of the flag `--name=value` (None: `--name` alone) of an instruction."""
    known = _FLAGS.get(word, {})
    if name not in known:
        if word in _TEXTS:
            return KEPT
        hint = closest(name, known) or (
            "it takes " + ", ".join(f"--{item}" for item in known) if known else _WITHOUT
        )
        return Verdict("refused", f"{word} has no flag --{name}", hint)
    if hint := known[name]:
        return Verdict("refused", f"{word} --{name} is not understood", hint)
    match word, name:
        case _, "link":
            return _switch(word, name, value)
        case _, "network" | "security":
            return _surroundings(name, value)
        case _, "mount":
            return _mount(value or "")
        case _, "chmod" if not re.fullmatch(r"[0-7]{1,4}|.*\$.*", unquoted(value or "")):
            return Verdict(
                "refused", f"{word} --chmod={value or ''} is not understood", "write the mode in octal: 755"
            )
        case "HEALTHCHECK", "retries" if not (value or "").isdecimal():
            return Verdict("refused", f"HEALTHCHECK --{name} is a number", "for example --retries=3")
        case "HEALTHCHECK", _ if name != "retries" and not _DURATION.fullmatch(value or ""):
            return Verdict("refused", f"HEALTHCHECK --{name} is a duration", f"for example --{name}=30s")
        case _:
            pass
    return KEPT if value else Verdict("refused", f"{word} --{name} has no value", f"--{name}=VALUE")


def options(value: str) -> list[tuple[str, str]]:
    """The options of RUN --mount, in order; an option without `=` has an empty value."""
    parts = (part.partition("=") for part in unquoted(value).split(","))
    return [(key.strip(), unquoted(text)) for key, _, text in parts]


def _switch(word: str, name: str, value: str | None) -> Verdict:
    if value in {None, "true", "false"}:
        return DROPPED
    return Verdict("refused", f"{word} --{name} cannot be {value}", "write true or false, or the flag alone")


def _surroundings(name: str, value: str | None) -> Verdict:
    match name, value:
        case "network", "default":
            return DROPPED
        case "network", "none":
            return OFFLINE
        case "network", _:
            hint = "network: true in the recipe gives the whole build one"
        case "security", "sandbox":
            return DROPPED
        case _:
            hint = "a build has the powers of a container, and no others"
    return Verdict("refused", f"RUN --{name}={value or ''} is not understood", hint)


def _mount(value: str) -> Verdict:
    given = options(value)
    kind = dict(given).get("type", "bind")
    if kind == "ssh":
        hint = "a build here has no agent to ask for keys"
        return Verdict("refused", "RUN --mount=type=ssh is not understood", hint)
    if kind not in _MOUNTS:
        hint = closest(kind, _MOUNTS) or f"types are {', '.join(_MOUNTS)}"
        return Verdict("refused", f"RUN --mount has no type '{kind}'", hint)
    for key, _ in given:
        if key not in _MOUNTS[kind] | {"type"}:
            hint = closest(key, _MOUNTS[kind]) or f"it takes {', '.join(sorted(_MOUNTS[kind]))}"
            return Verdict("refused", f"RUN --mount=type={kind} has no option '{key}'", hint)
    options_given = dict(given)
    target = next(
        (options_given[key] for key in ("target", "dst", "destination") if key in options_given), ""
    )
    if kind == "secret" and not options_given.get("id"):
        name = target.rsplit("/", 1)[-1] or "NAME"
        return Verdict("refused", "RUN --mount=type=secret has no id", f"name the secret: id={name}")
    if (target or kind != "secret") and target[:1] not in {"/", "$"}:
        message = f"RUN --mount=type={kind} needs a target that begins with /"
        return Verdict("refused", message, "target=/PATH")
    kept = [
        f"{key}={text}" if text else key
        for key, text in given
        if key not in _MEANINGLESS[kind] and f"{key}={text}" not in _MEANINGLESS[kind]
    ]
    return KEPT if len(kept) == len(given) else Verdict("dropped", instead=f"--mount={','.join(kept)}")


def unquoted(text: str) -> str:
    """A text without the quotation marks around it."""
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text
