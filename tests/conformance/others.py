"""Checks of the steps that leave more, or less, than one file: keys, gems, repositories, locales."""

from __future__ import annotations

import configparser
import re
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cache

from . import accounts, paths
from .facts import Step
from .finding import Finding, holds, same
from .model import Tree
from .reference import References
from .scene import Scene

_GEMS = (
    "/usr/share/gems",
    "/usr/local/share/gems",
    "/usr/*/ruby/gems/*",
    "/usr/local/*/ruby/gems/*",
    "/var/lib/gems/*",
    "/opt/*/embedded/lib/ruby/gems/*",
)
_CATALOGUE = (b"\xde\x12\x04\x95", b"\x95\x04\x12\xde")
"""The first bytes of a compiled message catalogue, in either byte order."""


def check(scene: Scene, references: References, step: Step) -> Iterator[Finding]:
    """Findings for a step whose effect is not at paths it names; nothing for the other kinds."""
    match step.kind:
        case "create_users":
            yield from accounts.created(scene, step)
        case "usermod":
            yield from accounts.changed(scene, step)
        case "assert_os_release":
            yield _release(scene, step)
        case "rpm_import_key":
            yield _key(scene, step)
        case "yum_repo_disable":
            yield _disabled(scene, step)
        case "gem_install":
            yield from _gems(scene, step)
        case "django_compilemessages":
            yield _catalogues(scene, step)
        case "pip_install_if_present":
            below = scene.tree.names(paths.canonical(scene.tree, step.text("dir"), follow=True))
            yield same(scene.name, step.fact, (), below)
        case "yum_update" if scene.name == step.image:
            yield from _updated(scene, references, step)
        case "ulimit" if scene.name == step.image:
            limit = f"{step.text('nofile')} open files during the step"
            yield Finding(scene.name, step.fact, "unobservable", limit, "a limit leaves nothing in an image")


def _release(scene: Scene, step: Step) -> Finding:
    text = (paths.read(scene.tree, step.text("file")) or b"").decode("utf-8", "replace").strip()
    right = bool(re.search(rf"\brelease {step.text('major')}\b", text))
    return holds(scene.name, step.fact, right, f"release {step.text('major')}", text or "nothing")


def _key(scene: Scene, step: Step) -> Finding:
    data = paths.read(scene.tree, step.text("key"))
    if data is None:
        return Finding(scene.name, step.fact, "failed", step.text("key"), "no such file")
    wanted = key_ids(data)
    expected = f"{step.text('key')}: {' '.join(sorted(wanted)) or 'a public key'} in the package database"
    right = bool(wanted) and wanted <= scene.built.keys
    return holds(scene.name, step.fact, right, expected, " ".join(sorted(scene.built.keys)) or "no key")


@cache
def key_ids(data: bytes) -> frozenset[str]:
    """Short ids of the public keys in a key file, as rpm names them; empty when there is none."""
    with tempfile.TemporaryDirectory() as home:
        command = ["gpg", "--homedir", home, "--batch", "--quiet", "--with-colons", "--show-keys"]
        done = subprocess.run(command, input=data, capture_output=True, check=False)
    fields = (line.split(":") for line in done.stdout.decode("utf-8", "replace").splitlines())
    return frozenset(field[4][-8:].lower() for field in fields if field[0] == "pub")


def _disabled(scene: Scene, step: Step) -> Finding:
    section = step.text("repo")
    enabled = []
    for path in ["/etc/yum.conf", *paths.glob(scene.tree, "/etc/yum.repos.d/*.repo")]:
        parser = configparser.RawConfigParser(strict=False)
        try:
            parser.read_string((paths.read(scene.tree, path) or b"").decode("utf-8", "replace"))
        except configparser.Error:
            continue  # A file yum cannot read enables nothing.
        if parser.has_section(section) and parser.get(section, "enabled", fallback="1").strip() not in (
            "0",
            "no",
        ):
            enabled.append(path)
    return same(scene.name, step.fact, (), tuple(enabled))


def _gems(scene: Scene, step: Step) -> Iterator[Finding]:
    installed = list(_installed(scene.tree))
    for gem in step.texts("gems"):
        name, _, constraint = gem.partition(":")
        versions = [version for known, version in installed if known == name]
        right = any(_satisfies(version, constraint) for version in versions)
        yield holds(scene.name, step.fact, right, f"gem {gem}", " ".join(versions) or "no such gem")


def _installed(tree: Tree) -> Iterator[tuple[str, str]]:
    """Name and version of every gem that has both its specification and its folder."""
    for pattern in _GEMS:
        for root in paths.glob(tree, pattern):
            folders = set(tree.names(f"{root}/gems"))
            for file in tree.names(f"{root}/specifications"):
                known = re.fullmatch(r"(.+)-(\d[^-]*)(?:-.+)?\.gemspec", file)
                if known and file.removesuffix(".gemspec") in folders:
                    yield known[1], known[2]


def _satisfies(version: str, constraint: str) -> bool:
    wanted = constraint.removeprefix("~>").strip()
    if not constraint.startswith("~>"):
        return version == wanted or not wanted
    given, least = _numbers(version), _numbers(wanted)
    return given >= least and given[: len(least) - 1] == least[:-1]


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]


def _catalogues(scene: Scene, step: Step) -> Finding:
    """Beside every message file of a dashboard package stands its compiled catalogue."""
    messages = [
        path
        for root in paths.glob(scene.tree, step.text("locales"))
        for path in paths.walk(scene.tree, paths.canonical(scene.tree, root, follow=True))
        if path.endswith(".po")
    ]
    compiled = (path.removesuffix(".po") + ".mo" for path in messages)
    missing = [path for path in compiled if not (paths.read(scene.tree, path) or b"").startswith(_CATALOGUE)]
    expected = f"a catalogue beside each of {len(messages)} message files"
    found = f"none at {' '.join(missing[:3])}" if missing else "no message file"
    return holds(scene.name, step.fact, bool(messages) and not missing, expected, found)


def _updated(scene: Scene, references: References, step: Step) -> Iterator[Finding]:
    if not references.newest:
        yield Finding(
            scene.name, step.fact, "unobservable", "the newest packages", "no repository to compare with"
        )
        return
    for name, package in scene.built.packages.items():
        if name in references.newest:
            yield same(scene.name, step.fact, f"{name} {references.newest[name]}", f"{name} {package.evr}")
