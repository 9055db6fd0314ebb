"""Databases in a layer of their own: the tree stays the same, and children keep their first layer."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from buildsys.image import Format, ImageSet, Layers, RemovePath, Run
from tests.plan.sets import BASE, image, image_set
from tests.runtime.builds import NOTHING_LEFT, Build, VfsStore, put_busybox
from tests.stores import Store, store

pytestmark = pytest.mark.real

INSTALL = """\
mkdir -p /var/lib/rpm /var/lib/dpkg/triggers /usr/lib/sysimage/rpm /usr/share/x; touch -d @1 /var/lib
echo "$0" >>/var/lib/rpm/Packages; chmod 640 /var/lib/rpm/Packages; chown 0:3000000 /var/lib/rpm/Packages
echo "$0" >>/usr/lib/sysimage/rpm/rpmdb.sqlite; echo "$0" >>/var/lib/dpkg/status; echo "$0" >>/etc/passwd
echo "$0" >/usr/share/x/"$0"; chmod 4755 /usr/share/x/"$0"; ln /usr/share/x/"$0" /usr/share/x/"$0".hard
"""
"""What an install does: databases get a line, and files of the package are new. $0 is its name."""
ODD = """\
rm /var/lib/dpkg/status; rm -r /usr/share/x; mkdir /usr/share/x; touch /usr/share/x/only
echo a >/var/lib/rpm/Linked; ln /var/lib/rpm/Linked /usr/share/linked; ln -s /nowhere /var/lib/rpm/Link
chmod 700 /var/lib/rpm; mkdir /var/lib/alternatives; mkfifo /var/lib/alternatives/pipe
"""
"""A removed database, an opaque folder, databases that are links, a database with a second name, a pipe."""


def install(name: str) -> Run:
    return Run(argv=("/bin/sh", "-ec", INSTALL, name), open_files=0)


def plain(place: Path, layers: Layers, parent: str = "one", form: Format = "docker") -> ImageSet:
    base = image("base", BASE, install(parent))
    child = image("child", "base", install("two"))
    odd = image("odd", "child", Run(argv=("/bin/sh", "-ec", ODD), open_files=0))
    last = image("last", "odd", RemovePath(paths=("/var/lib/rpm/Packages",), recursive=False, optional=False))
    quiet = image("quiet", "base", Run(argv=("/bin/touch", "/quiet"), open_files=0))
    return replace(image_set(place, [base, child, odd, last, quiet], form=form), layers=layers)


def tree(build: Build, wanted: ImageSet, name: str) -> list[str]:
    """Each path of an image: kind, mode, owner, links, time, size, target, contents and attributes."""
    form = "%P %y %m %U:%G %T@ %n %s %l\n"
    with build.mounted(str(wanted.images[name].reference)) as root:
        done = subprocess.run(
            ["find", root, "-mindepth", "1", "-printf", form], capture_output=True, text=True, check=True
        )
        # The number of a folder's links and bytes depends on the layers below it.
        rows = [" ".join(row.split(" ")[:5]) if " d " in row else row for row in done.stdout.splitlines()]
        for path in sorted(root.rglob("*")):
            if path.is_file() and not path.is_symlink():
                rows.append(f"{path.relative_to(root)} {path.read_bytes()!r:.80}")
                rows += [f"{name} {os.getxattr(path, name)!r}" for name in os.listxattr(path)]
    return sorted(rows)


def layers(build: Build, wanted: ImageSet, name: str) -> list[str]:
    found: list[str] = build.inspect(str(wanted.images[name].reference))["Config"]["rootfs"]["diff_ids"]
    return found


def documents(build: Build, wanted: ImageSet) -> dict[str, Any]:
    found = {name: build.inspect(str(item.reference)) for name, item in wanted.images.items()}
    return {name: (said["FromImageID"], said["Config"], said["Manifest"]) for name, said in found.items()}


@pytest.fixture
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with store(tmp_path / "store") as plainly:
        found = VfsStore(plainly.place) if getattr(request, "param", "") == "vfs" else plainly
        put_busybox(found)
        yield found


def built(place: Path, made: Store, wanted: ImageSet, **environment: str) -> Build:
    build = Build(place, made)
    build.compile(wanted)
    build.built(**environment)
    assert build.left() == NOTHING_LEFT
    return build


@pytest.mark.parametrize("made", ["overlay", "vfs"], indirect=True)
def test_both_forms_have_the_same_tree(made: Store, tmp_path: Path) -> None:
    one, two = plain(tmp_path, "one"), plain(tmp_path, "databases")
    build = built(tmp_path / "plan", made, one)
    before = {name: tree(build, one, name) for name in one.images}
    assert [len(layers(build, one, name)) for name in one.images] == [2, 3, 4, 5, 3]
    build.compile(two)
    reasons = build.built()
    assert reasons["base"] == "split of layers changed"
    for name, rows in before.items():
        assert set(tree(build, two, name)) ^ set(rows) == set(), name
    # A step that writes no database adds one layer.
    assert [len(layers(build, two, name)) for name in two.images] == [3, 5, 6, 7, 4]
    assert build.left() == NOTHING_LEFT


def test_a_child_of_a_changed_parent_keeps_its_first_layer(made: Store, tmp_path: Path) -> None:
    wanted, other = plain(tmp_path, "databases"), plain(tmp_path, "databases", "another")
    build = built(tmp_path / "plan", made, wanted)
    before = {name: layers(build, wanted, name) for name in wanted.images}
    build.compile(other)
    build.built()
    after = {name: layers(build, other, name) for name in other.images}
    *_, packages, databases = after["child"]
    assert packages == before["child"][-2]
    assert databases != before["child"][-1]
    assert after["quiet"][-1] == before["quiet"][-1]


def test_ids_are_equal_in_another_store_and_with_either_way_to_commit(made: Store, tmp_path: Path) -> None:
    wanted = plain(tmp_path, "databases", form="oci")
    build = built(tmp_path / "plan", made, wanted)
    with store(tmp_path / "other") as other:
        put_busybox(other)
        again = built(tmp_path / "again", other, wanted, BS_COMMIT="twice")
        assert documents(again, wanted) == documents(build, wanted)


def test_an_image_of_many_layers_is_not_split(tmp_path: Path) -> None:
    wanted = plain(tmp_path, "databases")
    with store(tmp_path / "store") as made:
        put_busybox(made)
        build = Build(tmp_path / "plan", made)
        build.compile(wanted)
        limit = build.plan / "lib/container.sh"
        limit.write_text(limit.read_text().replace("MANY_LAYERS=120", "MANY_LAYERS=4"))
        done = build.run()
        assert done.returncode == 0, done.stderr
        notes = [line for line in done.stderr.splitlines() if ": note: " in line]
        assert notes == [
            "odd: note: the image has 5 layers, and at most 128 are possible",
            "last: note: the image has 6 layers, and at most 128 are possible",
        ]
        assert [len(layers(build, wanted, name)) for name in wanted.images] == [3, 4, 5, 6, 4]
