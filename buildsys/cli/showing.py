"""One resolved image in the words of its recipe, each value with the Spot it comes from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from buildsys import image as i
from buildsys.diagnostics import NOWHERE, Spot

_PLAIN = re.compile(r"[A-Za-z/_.@$][A-Za-z0-9/_.@$%+=~^-]*(?::[A-Za-z0-9/_.@$%+=~^-]+)*")
"""What every reader of YAML takes for text as it stands."""
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n", ".inf", ".nan"}

Said = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of YAML, and where what it says was written."""

    text: str
    spot: Spot = NOWHERE


def lines(image: i.Image) -> Iterator[Line]:
    """The image as YAML, a line a value."""
    yield Line(f"image: {image.name}", image.spot)
    yield Line(f"reference: {_flow(str(image.reference))}")
    yield Line(f"from: {_flow(_parent(image))}", image.parent_spot)
    if image.profiles:
        yield Line(f"profiles: {_flow(image.profiles)}")
    if image.instructions:
        yield Line("instructions:")
    for step in image.instructions:
        yield from _step_lines(step)
    for key, value in _config(image.config).items():
        if isinstance(value, dict):
            yield Line(f"{key}:")
            for name, item in value.items():
                yield Line(f"  {_flow(name)}: {_flow(item)}", _spot(image, f"{key}.{name}"))
        elif key in {"volumes", "ports"}:
            yield Line(f"{key}:")
            for item in value:
                yield Line(f"  - {_flow(item)}", _spot(image, f"{key}.{item}"))
        else:
            yield Line(f"{key}: {_flow(value)}", _spot(image, _field(key)))


def data(image: i.Image) -> Said:
    """The image as JSON-able data; `at` says where a thing was written."""
    return {
        "image": image.name,
        "at": _at(image.spot),
        "reference": str(image.reference),
        "from": {"value": _parent(image), "at": _at(image.parent_spot)},
        "profiles": list(image.profiles),
        "instructions": [_step_data(step) for step in image.instructions],
        "config": {
            key: {name: {"value": item, "at": _at(_spot(image, f"{key}.{name}"))} for name, item in value.items()}
            if isinstance(value, dict)
            else [{"value": item, "at": _at(_spot(image, f"{key}.{item}"))} for item in value]
            if key in {"volumes", "ports"}
            else {"value": value, "at": _at(_spot(image, _field(key)))}
            for key, value in _config(image.config).items()
        },
    }


def _parent(image: i.Image) -> str | Said:
    match image.parent:
        case i.ParentImage(name):
            return name
        case i.BaseImage(reference):
            return {"image": reference}
        case i.EmptyRoot():
            return "scratch"
        case other:
            assert_never(other)


def _spot(image: i.Image, field: str) -> Spot:
    return image.spots.get(field, NOWHERE)


def _field(key: str) -> str:
    return key.replace("-", "_")


def _at(spot: Spot) -> str:
    return "" if spot == NOWHERE else str(spot)


# ── instructions ────────────────────────────────────────────────────────────────────────────────────────────────


def said(step: i.Instruction) -> Said:
    """An instruction as a recipe would say it: what is done, then what qualifies it, nothing that is empty."""
    verb, *qualifiers = _said(step).items()
    return dict([verb, *((key, value) for key, value in qualifiers if value)])


def _said(step: i.Instruction) -> Said:  # noqa: C901 - one line a kind
    match step:
        case i.Bootstrap():
            return {"bootstrap": step.packages}
        case i.Install():
            return {"packages": step.packages}
        case i.Transaction():
            return {"packages": step.requested, "locked": [package.nevra for package in step.packages]}
        case i.Uninstall():
            return {"remove-packages": step.packages, "optional": step.optional}
        case i.UpdateAll():
            return {"update": True}
        case i.WriteRepository():
            return {"repository": step.id, "file": step.file, "options": dict(step.options)}
        case i.DisableRepository():
            return {"disable-repository": step.id, "optional": step.optional}
        case i.ImportKey():
            return {"import-key": step.path}
        case i.InstallGems():
            return {"gems": step.gems, "flags": step.flags, "open-files": step.open_files}
        case i.CopyContext():
            return {"copy": step.source, "to": step.to, "mode": step.mode, "owner": step.owner}
        case i.CopyImage():
            return {"copy": step.source, "from": step.image, "to": step.to, "mode": step.mode, "owner": step.owner}
        case i.CopyPayload():
            package = {"package": step.package.name}
            return {"copy": step.source, "from": package, "to": step.to, "mode": step.mode, "owner": step.owner}
        case i.CopyInside():
            return {"copy": step.source, "to": step.to, "preserve": step.preserve, "optional": step.optional}
        case i.MakeDirectory():
            return {"mkdir": step.paths, "mode": step.mode, "owner": step.owner}
        case i.ChangeMode():
            return {"chmod": step.paths, "mode": step.mode, "recursive": step.recursive, "optional": step.optional}
        case i.ChangeOwner():
            return {"chown": step.paths, "owner": step.owner, "recursive": step.recursive, "optional": step.optional}
        case i.Symlink():
            return {"symlink": step.link, "target": step.target, "force": step.force}
        case i.Touch():
            return {"touch": step.paths, "mode": step.mode}
        case i.RemovePath():
            return {"remove": step.paths, "recursive": step.recursive, "optional": step.optional}
        case i.MovePath():
            return {"move": step.source, "to": step.to}
        case i.CommentLines():
            return {"comment": step.pattern, "in": step.file, "optional": step.optional}
        case i.ReplaceLines():
            return {"replace": step.pattern, "in": step.file, "with": step.replacement, "optional": step.optional}
        case i.AppendLines():
            return {"append": step.lines, "in": step.file}
        case i.AppendFile():
            return {"append-file": step.source, "in": step.file}
        case i.Require():
            return {"require": step.pattern, "in": step.file}
        case i.Download():
            return {"download": step.url, "to": step.to, "mode": step.mode, "sha256": step.sha256}
        case i.DeclareAccounts():
            return {"accounts": {account.name: _account(account) for account in step.accounts}}
        case i.ChangeAccount():
            return {"account": step.name, "home": step.home, "shell": step.shell, "groups": step.groups}
        case i.Run():
            return {"run": step.argv, "open-files": step.open_files}
        case _:
            assert_never(step)


def _account(account: i.Account) -> Said:
    told: Said = {"uid": account.uid, "gid": account.gid, "home": account.home, "shell": account.shell}
    return told | ({"groups": account.groups} if account.groups else {})


def _step_lines(step: i.Instruction) -> Iterator[Line]:
    lead = "  - "
    for key, value in said(step).items():
        spot = step.spot if lead == "  - " else NOWHERE
        if isinstance(value, dict) and key != "from":
            yield Line(f"{lead}{key}:", spot)
            yield from (Line(f"      {_flow(name)}: {_flow(item)}") for name, item in value.items())
        elif _is_long(value):
            yield Line(f"{lead}{key}:", spot)
            for item in value:
                at = item.spot if isinstance(item, i.PackageName) else NOWHERE
                yield Line(f"      - {_flow(item)}", at)
        else:
            yield Line(f"{lead}{key}: {_flow(value)}", spot)
        lead = "    "


def _is_long(value: Any) -> bool:
    """Lists that are told a line an item: packages, for their Spots, and what would make a long line."""
    if not isinstance(value, tuple | list) or not value:
        return False
    return isinstance(value[0], i.PackageName) or len(_flow(value)) > 70


def _step_data(step: i.Instruction) -> Said:
    return {key: _plain(value) for key, value in said(step).items()} | {"at": _at(step.spot)}


def _plain(value: Any) -> Any:
    if isinstance(value, i.PackageName):
        return {"name": value.name, "at": _at(value.spot)}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


# ── configuration ───────────────────────────────────────────────────────────────────────────────────────────────


def _config(config: i.OciConfig) -> Said:
    """What an image sets, by the keys of a recipe; what it inherits is left out."""
    check = None if config.healthcheck is None else _health_check(config.healthcheck)
    every = {
        "user": config.user, "cmd": config.cmd, "entrypoint": config.entrypoint, "workdir": config.workdir,
        "healthcheck": check, "stop-signal": config.stop_signal, "env": dict(config.env),
        "labels": dict(config.labels), "annotations": dict(config.annotations),
        "volumes": config.volumes, "ports": config.ports,
    }  # fmt: skip
    empty = {"env", "labels", "annotations", "volumes", "ports"}
    return {key: value for key, value in every.items() if value is not None and (value or key not in empty)}


def _health_check(check: i.HealthCheck) -> Any:
    kind, *rest = check.command
    command = rest[0] if kind == "CMD-SHELL" else rest
    times = {"interval": check.interval, "timeout": check.timeout, "start-period": check.start_period}
    more: Said = {key: f"{seconds:g}s" for key, seconds in times.items() if seconds}
    more |= {"retries": check.retries} if check.retries else {}
    return {"command": command, **more} if more else command


# ── YAML ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _flow(value: Any) -> str:
    """A value on one line of YAML."""
    match value:
        case bool() | int():
            return json.dumps(value)
        case str():
            plain = _PLAIN.fullmatch(value) and value.lower() not in _WORDS
            return value if plain else json.dumps(value, ensure_ascii=False)
        case i.PackageName():
            return _flow(value.name)
        case Mapping():
            return "{" + ", ".join(f"{_flow(key)}: {_flow(item)}" for key, item in value.items()) + "}"
        case Sequence():
            return f"[{', '.join(map(_flow, value))}]"
        case _:
            raise TypeError(value)


def beside(told: Iterable[Line], width: int = 64) -> Iterator[tuple[str, str]]:
    """Lines and their Spots, the Spots as comments in one column."""
    for line in told:
        at = _at(line.spot)
        yield (line.text, "") if not at else (f"{line.text:<{width}}", f" # {at}")
