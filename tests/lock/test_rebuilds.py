"""What a moved package rebuilds, and what it leaves alone: real builds from a real repository."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.lock.test_solve import LATER
from tests.lock.world import FIRST, Outcome, World
from tests.sites.packages import DNF, run
from tests.stores import Store, store

pytestmark = pytest.mark.real

BUILDSYS = ROOT / ".venv/bin/buildsys"


@pytest.fixture
def images(world: World) -> Iterator[Store]:
    """A container store for the world's images."""
    with store(world.place / "store") as made:
        yield made


def build(world: World, *words: str, **environment: str) -> Outcome:
    return world.command(BUILDSYS, "build", "demo/", *words, **environment)


def summary(done: Outcome) -> str:
    """How many images were built, as a run says at its end."""
    return next(line for line in done.stderr.splitlines() if line.startswith("demo: "))


def why(world: World) -> dict[str, tuple[str, str]]:
    done = world.command(BUILDSYS, "why", "demo/")
    assert done.returncode == 0, done.stderr
    return {
        name: (state, reason) for name, state, reason in (row.split("\t") for row in done.stdout.splitlines())
    }


def relock(world: World, *packages: str) -> None:
    """The repository now holds these besides the first ones; the lock takes them."""
    world.packages(*FIRST, *packages, time=LATER)
    done = world.buildsys("lock", "demo/", "--update")
    assert done.returncode == 0, done.stderr


def keys(world: World) -> Mapping[str, str]:
    return {file.name: file.read_text() for file in (world.place / "build/demo/keys").iterdir()}


@contextmanager
def mounted(images: Store, name: str) -> Iterator[Path]:
    container = images.buildah("from", "--pull-never", f"localhost/demo/{name}:1").strip()
    try:
        yield Path(images.buildah("mount", container).strip())
    finally:
        images.buildah("rm", container)


def installed(images: Store, name: str) -> list[str]:
    """The packages of an image, as its own database has them."""
    with mounted(images, name) as root:
        return sorted(run(*rpm(root), "-qa").split())


def noarch(*names: str) -> list[str]:
    return [f"{name}.noarch" for name in names]


def rpm(root: Path) -> list[str]:
    return ["rpm", "--root", str(root), "--dbpath", "/var/lib/rpm"]


def test_a_package_of_a_leaf_rebuilds_the_leaf_alone(world: World, images: Store) -> None:
    assert world.buildsys("lock", "demo/").returncode == 0
    done = build(world)
    assert (done.returncode, summary(done)) == (0, "demo: 4 images: 4 built, 0 fresh"), done.stderr
    before = images.names()
    # A repository that moved, but not for this set, and a lock that says so.
    relock(world, "wants-new-1.1")
    assert summary(build(world)) == "demo: 4 images: 0 built, 4 fresh"
    relock(world, "leaf-1.1")
    assert why(world) == {
        "base": ("fresh", "nothing changed"),
        "middle": ("fresh", "nothing changed"),
        "side": ("fresh", "nothing changed"),
        "tip": ("stale", "package leaf 1.0-1 -> 1.1-1"),
    }
    done = build(world)
    assert summary(done) == "demo: 4 images: 1 built, 3 fresh"
    log = world.place / "build/demo/logs/tip.log"
    assert log.read_text().splitlines()[0] == "tip: building: package leaf 1.0-1 -> 1.1-1"
    after = images.names()
    moved = {name for name in before if before[name] != after.get(name)}
    assert moved == {"localhost/demo/tip:1"}
    assert installed(images, "tip") == noarch("ground-1.0-1", "leaf-1.1-1", "libmid-1.0-1", "mid-1.0-1")
    # And back: the older lock's images are known by their keys still.
    world.packages(*FIRST, time=LATER)
    world.lock_file.unlink()
    assert world.buildsys("lock", "demo/").returncode == 0
    assert why(world)["tip"][0] == "renamed"


def test_a_package_of_a_parent_rebuilds_it_and_its_children_for_its_sake(world: World, images: Store) -> None:
    assert world.buildsys("lock", "demo/").returncode == 0
    assert build(world).returncode == 0
    before = keys(world)
    relock(world, "libmid-1.1", "mid-1.1")
    reasons = why(world)
    assert reasons["middle"] == ("stale", "package libmid 1.0-1 -> 1.1-1, mid 1.0-1 -> 1.1-1")
    assert reasons["tip"] == ("waits", "decided when middle is built")
    assert {reasons[name][0] for name in ("base", "side")} == {"fresh"}
    done = build(world)
    assert summary(done) == "demo: 4 images: 2 built, 2 fresh"
    log = world.place / "build/demo/logs/tip.log"
    assert log.read_text().splitlines()[0] == "tip: building: parent changed: middle"
    # Inherited packages are no part of a child's key.
    assert {name for name, key in keys(world).items() if key != before[name]} == {"middle"}
    assert "mid-1.1-1.noarch" in installed(images, "tip")


def test_a_child_upgrades_and_replaces_what_its_parent_has(world: World, images: Store) -> None:
    world.recipe("middle", "from: base\npackages: [libmid, old-name]\n")
    world.recipe("tip", "from: middle\npackages: [other]\n")
    assert world.buildsys("lock", "demo/").returncode == 0
    world.packages(*FIRST, "libmid-1.1", "wants-new-1.1", "new-name-1.1", time=LATER)
    world.recipe("tip", "from: middle\npackages: [wants-new, new-name]\n")
    assert world.buildsys("lock", "demo/", "--update", "tip").returncode == 0
    done = build(world)
    assert done.returncode == 0, done.stderr
    assert installed(images, "middle") == noarch("ground-1.0-1", "libmid-1.0-1", "old-name-1.0-1")
    assert installed(images, "tip") == noarch(
        "ground-1.0-1", "libmid-1.1-1", "new-name-1.1-1", "wants-new-1.1-1"
    )
    with mounted(images, "tip") as root:
        assert run(*rpm(root), "-Va") == ""


def test_without_network_and_without_dnf(world: World, images: Store, tmp_path: Path) -> None:
    assert world.buildsys("lock", "demo/").returncode == 0
    assert world.buildsys("plan", "demo/").returncode == 0
    tools = tmp_path / "tools"
    tools.mkdir()
    for folder in ("/usr/sbin", "/usr/bin", "/sbin", "/bin"):
        for program in Path(folder).iterdir():
            if (
                not program.name.startswith(("dnf", "yum", "python", "curl"))
                and not (tools / program.name).exists()
            ):
                (tools / program.name).symlink_to(program)
    plan = world.place / "build/demo"
    world.server.asked.clear()
    done = world.command("unshare", "--net", "make", "-C", plan, PATH=str(tools))
    assert (done.returncode, summary(done)) == (0, "demo: 4 images: 4 built, 0 fresh"), done.stderr
    assert world.server.asked == []
    with mounted(images, "tip") as root:
        assert run(*rpm(root), "-Va") == ""
        home = tmp_path / "home"
        home.mkdir()
        (home / ".rpmmacros").write_text("%_dbpath /var/lib/rpm\n")
        check = (DNF, "--installroot", root, "--releasever=/", "--setopt=reposdir=/dev/null", "check")
        assert "Error" not in run(*check, env={"HOME": str(home)})


def test_a_scriptlet_that_fails_fails_the_image(world: World, images: Store) -> None:  # noqa: ARG001 - cleans up
    world.recipe("side", "from: base\npackages: [broken]\n")
    assert world.buildsys("lock", "demo/").returncode == 0
    done = build(world)
    assert (done.returncode, summary(done)) == (1, "demo: 4 images: 3 built, 0 fresh, 1 failed")
    assert "side failed at demo/images/side.yaml:3:12" in done.stderr
    assert (
        "error: demo/images/side.yaml:3:12: a scriptlet of broken-1.0-1.noarch failed; see above"
        in done.stderr
    )


def test_a_package_swapped_in_the_plan_is_not_installed(world: World, images: Store) -> None:
    assert world.buildsys("lock", "demo/").returncode == 0
    world.buildsys("plan", "demo/")
    packages = world.place / "build/demo/pool/packages"
    os.unlink(packages / "leaf-1.0-1.noarch.rpm")  # noqa: PTH108 - a link into the pool, which stays
    shutil.copyfile(world.stones.files["leaf-1.1"], packages / "leaf-1.0-1.noarch.rpm")
    done = world.command("make", "-C", world.place / "build/demo")
    assert (done.returncode, summary(done)) == (2, "demo: 4 images: 3 built, 0 fresh, 1 failed")
    assert "tip failed at demo/images/tip.yaml:3:12\n" in done.stderr
    assert (
        "    error: a package of the pool differs from the lock: leaf-1.0-1.noarch.rpm\n"
        '      hint: "buildsys build demo" fetches it again; '
        "if the plan was copied here, copy it again\n"
    ) in done.stderr
    assert "localhost/demo/tip:1" not in images.names()
    # The plan written anew has the right one again.
    assert build(world).returncode == 0


def test_a_package_that_rots_in_the_pool_is_fetched_again(world: World, images: Store) -> None:  # noqa: ARG001 - cleans up
    """Its time says that it was read: the step finds out, and has it read again."""
    assert world.buildsys("lock", "demo/").returncode == 0
    world.buildsys("plan", "demo/")
    file = world.place / "build/demo/pool/packages/leaf-1.0-1.noarch.rpm"
    content, status = file.read_bytes(), file.stat()
    assert status.st_nlink == 2
    file.chmod(0o644)
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    done = build(world)
    assert summary(done) == "demo: 4 images: 3 built, 0 fresh, 1 failed", done.stderr
    world.server.asked.clear()
    done = build(world)
    assert (done.returncode, summary(done)) == (0, "demo: 4 images: 1 built, 3 fresh"), done.stderr
    assert world.server.asked == ["/leaf-1.0-1.noarch.rpm"]
