"""What a built image is, whatever its layers: its configuration, and each path that it has in the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from buildsys.inspect_image.layer import EMPTIED, REMOVED, Entry
from buildsys.inspect_image.stored_image import opened

VOLATILE = {
    "created",
    "history",
    "container",
    "docker_version",
    "rootfs",
    "id",
    "parent",
    "comment",
    "container_config",
}
"""What a builder tells of itself and of the hour."""

MOUNTED = {
    "/dev", "/proc", "/sys", "/run", "/run/.containerenv", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf",
}  # fmt: skip
"""What a builder leaves, empty, where it mounted something and the image had nothing."""


def described(reference: str, store: str) -> tuple[dict[str, Any], dict[str, Entry]]:
    """Configuration and tree of an image of a store."""
    with opened([reference], store) as (image,):
        config = {key: value for key, value in image.config.items() if key not in VOLATILE and value}
        config["config"] = dict(_settings(config["config"]))
        tree: dict[str, Entry] = {}
        for number in range(len(image.layers)):
            _lay(tree, image.entries(number))
        return config, {path: replace(entry, modified=0) for path, entry in tree.items()}


def _settings(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, said in config.items():
        value = said
        if key == "Labels":
            value = {name: text for name, text in (said or {}).items() if name != "io.buildah.version"}
        elif key == "Env":
            value = sorted(said or ())
        # Empty and absent say the same; the name of a host is the builder's.
        if value and key not in {"Hostname", "Image"}:
            yield key, value


def without_given_path(config: dict[str, Any], beside: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration without the PATH that a builder gives to an image that has none: the other one."""
    settings = config["config"]
    if any(value.startswith("PATH=") for value in beside["config"].get("Env", ())):
        return config
    env = [value for value in settings.get("Env", ()) if not value.startswith("PATH=/usr/local/sbin:")]
    rest = {key: value for key, value in settings.items() if key != "Env"}
    return {**config, "config": rest | ({"Env": env} if env else {})}


def leavings(tree: Mapping[str, Entry], beside: Mapping[str, Entry]) -> set[str]:
    """Paths that are only there because a builder mounted something: empty, and not in the other tree."""
    return {
        path
        for path in MOUNTED
        if path in tree
        and path not in beside
        and not tree[path].size
        and all(below in MOUNTED for below in tree if below.startswith(f"{path}/"))
    }


def differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Keys whose values are not the same."""
    for key in sorted(a.keys() | b.keys()):
        if a.get(key) != b.get(key):
            yield key, (a.get(key), b.get(key))


def _lay(tree: dict[str, Entry], layer: Mapping[str, Entry]) -> None:
    """Lay one layer over what those below it have."""
    for path, entry in layer.items():
        if entry.kind in {REMOVED, EMPTIED}:
            prefix = path if entry.kind == EMPTIED else f"{path}/"
            for gone in [name for name in tree if name.startswith(prefix)]:
                del tree[gone]
            tree.pop(path, None)
    for path, entry in layer.items():
        if entry.kind not in {REMOVED, EMPTIED}:
            if entry.kind != "directory":
                for gone in [name for name in tree if name.startswith(f"{path}/")]:
                    del tree[gone]
            tree[path] = entry
