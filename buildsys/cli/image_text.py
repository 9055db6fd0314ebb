"""One resolved image in the words of its recipe, each value with the Spot it comes from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from buildsys import image as i
from buildsys.diagnostics import NOWHERE, Spot
from buildsys.recipe.yaml_text import flow

MAPS, LISTS = {"env", "labels", "annotations"}, {"volumes", "ports"}
"""Keys of the configuration whose items each have a Spot of their own."""

Keys = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of YAML, and where what it says was written."""

    text: str
    spot: Spot = NOWHERE


def lines(image: i.Image) -> Iterator[Line]:
    """The image as YAML, a line a value."""
    yield Line(f"image: {image.name}", image.spot)
    yield Line(f"reference: {flow(str(image.reference))}")
    yield Line(f"from: {flow(_parent(image))}", image.parent_spot)
    if image.profiles:
        yield Line(f"profiles: {flow(image.profiles)}")
    if image.instructions:
        yield Line("instructions:")
    for step in image.instructions:
        yield from _step_lines(step)
    for key, value in _config(image.config).items():
        if key in MAPS:
            yield Line(f"{key}:")
            for name, item in value.items():
                yield Line(f"  {flow(name)}: {flow(item)}", _spot(image, f"{key}.{name}"))
        elif key in LISTS:
            yield Line(f"{key}:")
            for item in value:
                yield Line(f"  - {flow(item)}", _spot(image, f"{key}.{item}"))
        else:
            yield Line(f"{key}: {flow(value)}", _spot(image, _field(key)))


def data(image: i.Image) -> Keys:
    """The image as JSON-able data; `at` says where a thing was written."""
    return {
        "image": image.name,
        "at": _at(image.spot),
        "reference": str(image.reference),
        "from": _with_spot(_parent(image), image.parent_spot),
        "profiles": list(image.profiles),
        "instructions": [_step_data(step) for step in image.instructions],
        "config": {key: _config_data(image, key, value) for key, value in _config(image.config).items()},
    }


def _config_data(image: i.Image, key: str, value: Any) -> Any:
    if key in MAPS:
        return {name: _with_spot(item, _spot(image, f"{key}.{name}")) for name, item in value.items()}
    if key in LISTS:
        return [_with_spot(item, _spot(image, f"{key}.{item}")) for item in value]
    return _with_spot(value, _spot(image, _field(key)))


def _with_spot(value: Any, spot: Spot) -> Keys:
    return {"value": value, "at": _at(spot)}


def _parent(image: i.Image) -> str | Keys:
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
    return "" if spot == NOWHERE else spot.shown()


# ── instructions ────────────────────────────────────────────────────────────────────────────────────────────


def step_keys(step: i.Instruction) -> Keys:
    """An instruction as a recipe would say it: what is done, what qualifies it, and nothing that is empty."""
    verb, *qualifiers = _keys_of(step).items()
    return dict([verb, *((key, value) for key, value in qualifiers if value)])


def _keys_of(s: i.Instruction) -> Keys:
    match s:
        case i.Bootstrap():
            return {"bootstrap": s.packages}
        case i.Install():
            return {"packages": s.packages}
        case i.Transaction():
            return {"packages": s.requested, "locked": [package.nevra for package in s.packages]}
        case i.Uninstall():
            return {"remove-packages": s.packages, "optional": s.optional}
        case i.UpdateAll():
            return {"update": True}
        case i.WriteRepository():
            return {"repository": s.id, "file": s.file, "options": dict(s.options)}
        case i.DisableRepository():
            return {"disable-repository": s.id, "optional": s.optional}
        case i.ImportKey():
            return {"import-key": s.path}
        case i.InstallGems():
            return {"gems": s.gems, "flags": s.flags, "open-files": s.open_files}
        case i.CopyContext():
            return {"copy": s.source, "to": s.to, "mode": s.mode, "owner": s.owner}
        case i.CopyImage():
            return {"copy": s.source, "from": s.image, "to": s.to, "mode": s.mode, "owner": s.owner}
        case i.CopyPayload():
            package = {"package": s.package.name}
            return {"copy": s.source, "from": package, "to": s.to, "mode": s.mode, "owner": s.owner}
        case i.CopyInside():
            return {"copy": s.source, "to": s.to, "preserve": s.preserve, "optional": s.optional}
        case i.MakeDirectory():
            return {"mkdir": s.paths, "mode": s.mode, "owner": s.owner}
        case i.ChangeMode():
            return {"chmod": s.paths, "mode": s.mode, "recursive": s.recursive, "optional": s.optional}
        case i.ChangeOwner():
            return {"chown": s.paths, "owner": s.owner, "recursive": s.recursive, "optional": s.optional}
        case i.Symlink():
            return {"symlink": s.link, "target": s.target, "force": s.force}
        case i.Touch():
            return {"touch": s.paths, "mode": s.mode}
        case i.RemovePath():
            return {"remove": s.paths, "recursive": s.recursive, "optional": s.optional}
        case i.MovePath():
            return {"move": s.source, "to": s.to}
        case i.CommentLines():
            return {"comment": s.pattern, "in": s.file, "optional": s.optional}
        case i.ReplaceLines():
            return {"replace": s.pattern, "in": s.file, "with": s.replacement, "optional": s.optional}
        case i.AppendLines():
            return {"append": s.lines, "in": s.file}
        case i.AppendFile():
            return {"append-file": s.source, "in": s.file}
        case i.Require():
            return {"require": s.pattern, "in": s.file}
        case i.Download():
            return {"download": s.url, "to": s.to, "mode": s.mode, "sha256": s.sha256}
        case i.DeclareAccounts():
            return {"accounts": {account.name: _account(account) for account in s.accounts}}
        case i.ChangeAccount():
            return {"account": s.name, "home": s.home, "shell": s.shell, "groups": s.groups}
        case i.Run():
            return {"run": s.argv, "open-files": s.open_files}
        case i.Containerfile():
            reads = [*(item.written for item in s.others), *(item.written for item in s.images)]
            shown: Keys = {
                "containerfile": f"{s.folder}/{s.name}",
                "reads": reads,
                "args": dict(s.arguments),
                "network": s.network,
            }
            shown |= {"contexts": {item.written: item.folder for item in s.contexts}} if s.contexts else {}
            return shown | ({"secrets": [item.name for item in s.secrets]} if s.secrets else {})
        case _:
            assert_never(s)


def _account(account: i.Account) -> Keys:
    keys: Keys = {"uid": account.uid, "gid": account.gid, "home": account.home, "shell": account.shell}
    return keys | ({"groups": account.groups} if account.groups else {})


def _step_lines(step: i.Instruction) -> Iterator[Line]:
    lead = "  - "
    for key, value in step_keys(step).items():
        spot = step.spot if lead == "  - " else NOWHERE
        if isinstance(value, dict) and key != "from":
            yield Line(f"{lead}{key}:", spot)
            yield from (Line(f"      {flow(name)}: {flow(item)}") for name, item in value.items())
        elif _is_long(value):
            yield Line(f"{lead}{key}:", spot)
            for item in value:
                at = item.spot if isinstance(item, i.PackageName) else NOWHERE
                yield Line(f"      - {flow(item)}", at)
        else:
            yield Line(f"{lead}{key}: {flow(value)}", spot)
        lead = "    "


def _is_long(value: Any) -> bool:
    """Lists with one line for each item: packages, for their Spots, and long ones."""
    if not isinstance(value, tuple | list) or not value:
        return False
    return isinstance(value[0], i.PackageName) or len(flow(value)) > 70


def _step_data(step: i.Instruction) -> Keys:
    return {key: _plain(value) for key, value in step_keys(step).items()} | {"at": _at(step.spot)}


def _plain(value: Any) -> Any:
    if isinstance(value, i.PackageName):
        return {"name": value.name, "at": _at(value.spot)}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


# ── configuration ───────────────────────────────────────────────────────────────────────────────────────────


def _config(config: i.OciConfig) -> Keys:
    """What an image sets, by the keys of a recipe; what it inherits is left out."""
    check = None if config.healthcheck is None else _health_check(config.healthcheck)
    every = {
        "user": config.user, "cmd": config.cmd, "entrypoint": config.entrypoint, "workdir": config.workdir,
        "healthcheck": check, "stop-signal": config.stop_signal, "version-of": config.version_of,
        "env": dict(config.env),
        "labels": dict(config.labels), "annotations": dict(config.annotations),
        "volumes": config.volumes, "ports": config.ports,
    }  # fmt: skip
    return {
        key: value for key, value in every.items() if value or (value is not None and key not in MAPS | LISTS)
    }


def _health_check(check: i.HealthCheck) -> Any:
    kind, *rest = check.command
    command = rest[0] if kind == "CMD-SHELL" else rest
    times = {"interval": check.interval, "timeout": check.timeout, "start-period": check.start_period}
    more: Keys = {key: f"{seconds:g}s" for key, seconds in times.items() if seconds}
    more |= {"retries": check.retries} if check.retries else {}
    return {"command": command, **more} if more else command


def with_places(found: Iterable[Line], width: int = 64) -> Iterator[tuple[str, str]]:
    """Lines and their Spots, the Spots as comments in one column."""
    for line in found:
        at = _at(line.spot)
        yield (line.text, "") if not at else (f"{line.text:<{width}}", f" # {at}")
