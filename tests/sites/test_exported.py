"""Images with packages: what exported Containerfiles make of them, beside what the plan makes of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildsys.built.image import opened
from buildsys.built.layer import Entry
from buildsys.built.packages import installed, of_database
from buildsys.packages.change import package_changes
from tests.exporters.test_conformance import build_tree
from tests.exporters.trees import described, differing, leavings, without_given_path
from tests.sites.ground import Ground
from tests.sites.loopback import Web
from tests.stores import Store, store

pytestmark = pytest.mark.real

CHAIN = ("base", "openstack-base", "keystone-base", "keystone")
LEFT = re.compile(
    r"/var/(cache/ldconfig/aux-cache|log/(dnf|hawkey).*|lib/dnf(/.*)?|cache/dnf(/.*)?)|.*/__db.*"
)
"""What an installer notes, and a plan takes away."""


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
        wrong = list(differences(ground.store, other))
    assert not wrong, "\n".join(wrong)


def differences(planned: Store, exported: Store) -> Iterator[str]:
    for name in CHAIN:
        reference = f"localhost/tripleopike/centos-binary-{name}:current-tripleo"
        for change in package_changes(packages(planned, reference), packages(exported, reference)):
            yield f"{name}: {change}"
        ours, theirs = (described(reference, each.options) for each in (planned, exported))
        for what, pair in differing(without_given_path(theirs[0], ours[0]), ours[0]):
            yield f"{name}: {what}: {pair}"
        left = leavings(theirs[1], ours[1])
        for path, pair in differing(plain(theirs[1], left), plain(ours[1], set())):
            yield f"{name}: {path}: {pair}"


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
