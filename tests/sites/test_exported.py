"""Images with packages: what exported Containerfiles make of them, beside what the plan makes of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from buildsys.inspect_image.layer import Entry
from buildsys.inspect_image.package_database import installed, of_database
from buildsys.inspect_image.stored_image import opened
from buildsys.packages.change import package_changes
from tests.exporters.test_conformance import build_tree
from tests.exporters.trees import described, differing, leavings, without_given_path
from tests.sites.ground import Ground
from tests.sites.loopback import Web
from tests.sites.packages import make_key, make_package, make_repository
from tests.sites.sets import write_set
from tests.stores import Store, store

pytestmark = pytest.mark.real

CHAIN = [
    f"localhost/tripleopike/centos-binary-{name}:current-tripleo"
    for name in ("base", "openstack-base", "keystone-base", "keystone")
]
LEFT = re.compile(
    r"/var/(cache/ldconfig/aux-cache|log/(dnf|hawkey).*|lib/dnf(/.*)?|cache/dnf(/.*)?)|.*/__db.*"
)
"""What an installer notes, and a plan takes away."""


@pytest.mark.usefixtures("page")
def test_keystone_of_pike(
    ground: Ground, vault: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, tree = tmp_path / "plan", tmp_path / "tree"
    variables = [f"{name}={vault.address}" for name in ("vault", "github")]
    variables += [f"keys={vault.address}/keys", f"base_image={ground.base}"]
    options = [word for variable in variables for word in ("--variable", variable)]
    options += ["--site", "rdo", "--build-dir", str(tmp_path / "build")]
    said = ground.buildsys("plan", "stable-pike", "-o", plan, *options)
    assert said.status == 0, said.text
    said = ground.make(plan, "-j2", "keystone")
    assert said.status == 0, said.text
    said = ground.buildsys("export", "containerfiles", "stable-pike", "keystone", "-o", tree, *options)
    assert said.status == 0, said.text
    for name, value in ground.environment.items():
        monkeypatch.setenv(name, value)
    with store(tmp_path / "store") as other:
        done = build_tree(tree, other, "buildah")
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        wrong = list(differences(ground.store, other, CHAIN))
    assert not wrong, "\n".join(wrong)


SITE = """\
site: far
installer: dnf
base: {{image: {base}}}
repositories:
  stones: {{directory: "{stones}", key: "{key}"}}
"""
RECIPES = {
    "base": "from: site\npackages: [stone]\n",
    "heap": (
        "from: base\npackages: [pebble, gravel]\nsteps:\n  - {remove-packages: [gravel]}\n"
        "  - {copy: /usr/share/sand/about, from: {package: sand}, to: /opt/, mode: '600'}\n"
    ),
}


def test_locked_packages_lie_in_the_contexts_of_who_installs_them(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stones, tree, plan, quarry = (tmp_path / name for name in ("stones", "tree", "plan", "quarry"))
    stones.mkdir()
    key = make_key(tmp_path / "key", "quarry")
    key.sign(*(make_package(stones, name) for name in ("stone", "pebble", "gravel", "sand")))
    make_repository(stones)
    write_set(quarry, SITE.format(base=ground.base, stones=stones, key=key.public), RECIPES)
    options = ("--build-dir", str(tmp_path / "build"))
    for words in (
        ("lock", quarry, *options),
        ("plan", quarry, "-o", plan, *options),
        ("export", "containerfiles", quarry, "-o", tree, *options),
    ):
        said = ground.buildsys(*words)
        assert said.status == 0, said.text
    said = ground.make(plan)
    assert said.status == 0, said.text
    carried = {path.name for path in (tree / "images/heap/buildsys/packages").iterdir()}
    assert carried == {f"{name}-1.0-1.el7.noarch.rpm" for name in ("pebble", "gravel", "sand")}
    for name, value in ground.environment.items():
        monkeypatch.setenv(name, value)
    with store(tmp_path / "store") as other:
        done = build_tree(tree, other, "buildah")
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        references = [f"localhost/quarry/{name}:1" for name in RECIPES]
        wrong = list(differences(ground.store, other, references))
    assert not wrong, "\n".join(wrong)


def differences(planned: Store, exported: Store, references: Sequence[str]) -> Iterator[str]:
    for reference in references:
        for change in package_changes(packages(planned, reference), packages(exported, reference)):
            yield f"{reference}: {change}"
        ours, theirs = (described(reference, each.options) for each in (planned, exported))
        for what, pair in differing(without_given_path(theirs[0], ours[0]), ours[0]):
            yield f"{reference}: {what}: {pair}"
        left = leavings(theirs[1], ours[1])
        for path, pair in differing(plain(theirs[1], left), plain(ours[1], set())):
            yield f"{reference}: {path}: {pair}"


def plain(tree: dict[str, Entry], left: set[str]) -> dict[str, Entry]:
    """A tree without the package database, which is compared by its packages, and what installers leave."""
    return {
        path: entry
        for path, entry in tree.items()
        if path not in left and not of_database(path) and not LEFT.fullmatch(path)
    }


def packages(where: Store, reference: str) -> dict[tuple[str, str], tuple[tuple[str, str], ...]]:
    with opened([reference], where.options) as (image,):
        return dict(installed(image))
