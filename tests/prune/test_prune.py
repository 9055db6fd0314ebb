"""Pruning: what goes, what stays, and that nothing goes while a build runs."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from buildsys import cli
from buildsys.image import AppendLines, Image, ReplaceLines, Run
from tests.busybox import Done, Ground
from tests.plan.sets import BASE, image

pytestmark = pytest.mark.real


def says(text: str, name: str = "app", parent: str = "base") -> Image:
    """An image with a file that says something."""
    return image(name, parent, AppendLines("/etc/said", (text,)))


def rows(done: Done) -> dict[str, tuple[str, str]]:
    """What and how much, by name."""
    assert done.returncode == 0, done.stderr
    cells = [line.split("\t") for line in done.stdout.splitlines()]
    return {name: (what, size) for what, name, size in cells}


ROOT = image("base", BASE)


def test_older_images_go(ground: Ground) -> None:
    big = "x" * 300_000
    ground.build([ROOT, says(big), says("child", "child", "app")])
    old = ground.key("app"), ground.key("child")
    before = ground.store.names(), ground.ids()
    done = ground.call("prune.sh", "--yes")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "tiny: nothing to prune\n")
    assert (ground.store.names(), ground.ids()) == before

    ground.build([ROOT, says("two"), says("child", "child", "app")])
    before = ground.store.names(), ground.ids()
    dry = ground.call("prune.sh")
    assert {name: what for name, (what, _) in rows(dry).items()} == dict.fromkeys(old, "image")
    assert rows(dry)[old[0]][1] == "295KiB"
    assert dry.stderr.startswith("tiny: 2 images would go: ")
    assert dry.stderr.endswith("freed; --yes removes them\n")
    assert (ground.store.names(), ground.ids()) == before

    wet = ground.call("prune.sh", "--yes")
    assert wet.stdout == dry.stdout
    assert wet.stderr == dry.stderr.replace("would go", "removed").replace("; --yes removes them", "")
    names = ground.store.names()
    assert before[0].keys() - names.keys() == set(old)
    assert before[1] - ground.ids() == {before[0][name] for name in old}
    # What is left is whole: nothing is built again.
    assert "0 built, 3 fresh" in ground.call("run.sh").stderr
    assert ground.call("prune.sh").stderr == "tiny: nothing to prune\n"


def test_an_image_with_another_name_loses_only_its_key(ground: Ground) -> None:
    ground.build([ROOT, says("one")])
    old = ground.key("app")
    ground.store.buildah("tag", old, "localhost/mine:1")
    identity = ground.store.names()[old]
    ground.build([ROOT, says("two")])
    done = ground.call("prune.sh", "--yes")
    assert rows(done) == {old: ("name", "-")}
    assert done.stderr == "tiny: 1 name removed: 0B freed\n"
    names = ground.store.names()
    assert names["localhost/mine:1"] == identity
    assert old not in names


def test_an_older_key_of_the_current_image_goes_alone(ground: Ground) -> None:
    # The same content by another way: another key, one image.
    ground.build([ROOT, says("one")])
    old = ground.key("app")
    twice = (AppendLines("/etc/said", ("other",)), ReplaceLines("/etc/said", "other", "one", optional=False))
    ground.build([ROOT, image("app", "base", *twice)])
    new = ground.key("app")
    assert ground.store.names()[old] == ground.store.names()[new]
    assert rows(ground.call("prune.sh", "--yes")) == {old: ("name", "-")}
    assert new in ground.store.names()


def test_keep(ground: Ground) -> None:
    keys = []
    for text in ("one", "two", "three", "one", "four"):
        ground.build([ROOT, says(text)])
        keys.append(ground.key("app"))
    _, two, three, one, _ = keys
    assert set(rows(ground.call("prune.sh"))) == {one, two, three}
    assert set(rows(ground.call("prune.sh", "--keep", "1"))) == {two, three}
    assert set(rows(ground.call("prune.sh", "--keep", "2", "--yes"))) == {two}
    assert rows(ground.call("prune.sh", "--keep", "2")) == {}
    # What was kept needs no build when a recipe goes back to it.
    ground.compile([ROOT, says("three")])
    assert "0 built, 2 fresh" in ground.call("run.sh").stderr


def test_what_is_not_of_this_set_stays(ground: Ground) -> None:
    ground.build([ROOT, says("one")])
    old = ground.key("app")
    other = old.replace("/tiny/", "/other/")
    ground.build([ROOT, says("two")])
    ground.store.buildah("tag", "localhost/busybox:1", other, "localhost/buildsys-key/tiny-more/app:1")
    assert set(rows(ground.call("prune.sh", "--yes"))) == {old}
    assert {other, "localhost/buildsys-key/tiny-more/app:1"} <= ground.store.names().keys()


def test_an_image_that_left_the_set_keeps_its_name(ground: Ground) -> None:
    ground.build([ROOT, says("one")])
    old = ground.key("app")
    ground.build([ROOT])
    assert rows(ground.call("prune.sh", "--yes")) == {old: ("name", "-")}
    assert "localhost/tests/t-app:1" in ground.store.names()


def test_a_plan_that_remembers_nothing_takes_what_bears_the_names_for_current(ground: Ground) -> None:
    ground.build([ROOT, says("one")])
    old = ground.key("app")
    ground.build([ROOT, says("two")])
    shutil.rmtree(ground.plan / "state")
    assert set(rows(ground.call("prune.sh", "--yes"))) == {old}
    assert "0 built, 2 fresh" in ground.call("run.sh").stderr


def test_what_bears_a_name_of_the_set_keeps_its_key(ground: Ground) -> None:
    """Another clone of the set built in the same store: its images bear the names now, ours only keys."""
    ground.build([ROOT, says("ours")])
    ours = ground.key("app")
    clone = Ground(ground.store, ground.plan.parent / "clone")
    clone.build([ROOT, says("theirs")])
    theirs = clone.key("app")
    assert rows(ground.call("prune.sh", "--yes")) == {}
    assert {ours, theirs} <= ground.store.names().keys()


def test_an_image_that_a_container_uses_is_left_alone(ground: Ground) -> None:
    ground.build([ROOT, says("one")])
    old = ground.key("app")
    ground.store.buildah("from", "--pull-never", "--name", "mine", old)
    ground.build([ROOT, says("two")])
    done = ground.call("prune.sh", "--yes")
    assert rows(done) == {old: ("in-use", "-")}
    assert done.stderr == "tiny: nothing to prune\n"
    assert old in ground.store.names()
    ground.store.buildah("rm", "mine")
    assert set(rows(ground.call("prune.sh", "--yes"))) == {old}


def test_containers_of_killed_builds_of_this_plan_go(ground: Ground) -> None:
    ground.build([ROOT])
    own = f"buildsys-{ground.plan_id()}-app"
    for name in (own, "buildsys-ffffffff-app", "mine"):
        ground.store.buildah("from", "--pull-never", "--name", name, "localhost/tests/t-base:1")
    (ground.plan / "state/working.app").touch()
    copy = Ground(ground.store, ground.plan.with_name("copy"))
    shutil.copytree(ground.plan, copy.plan)
    assert rows(copy.call("prune.sh")) == {}
    assert rows(ground.call("prune.sh")) == {own: ("container", "-")}
    assert own in ground.containers()
    done = ground.call("prune.sh", "--yes")
    assert done.stderr == "tiny: 1 container removed: 0B freed\n"
    assert sorted(ground.containers()) == ["buildsys-ffffffff-app", "mine"]
    assert not (ground.plan / "state/working.app").exists()


def test_a_container_that_was_made_from_nothing_goes_too(ground: Ground) -> None:
    ground.build([ROOT])
    own = f"buildsys-{ground.plan_id()}-app"
    ground.store.buildah("from", "--name", own, "scratch")
    ground.store.buildah("from", "--name", "mine", "scratch")
    assert rows(ground.call("prune.sh", "--yes")) == {own: ("container", "-")}
    assert ground.containers() == ["mine"]


def test_an_image_that_cannot_be_inspected_does_not_keep_others(ground: Ground) -> None:
    """A list of images for other machines."""
    ground.build([ROOT, says("one")])
    old = ground.key("app")
    ground.store.buildah("manifest", "create", "localhost/list:1")
    ground.store.buildah("manifest", "add", "--arch", "s390x", "localhost/list:1", "localhost/busybox:1")
    ground.build([ROOT, says("two")])
    done = ground.call("prune.sh", "--yes")
    ((name, (what, size)),) = rows(done).items()
    assert (name, what) == (old, "image")
    assert done.stderr == f"tiny: 1 image removed: {size} freed\n"
    assert old not in ground.store.names()
    assert "localhost/list:1" in ground.store.names()


def test_an_old_image_of_a_killed_build_goes_with_its_container(ground: Ground) -> None:
    ground.build([ROOT, says("one")])
    old = ground.key("app")
    own = f"buildsys-{ground.plan_id()}-child"
    ground.store.buildah("from", "--pull-never", "--name", own, old)
    ground.build([ROOT, says("two")])
    done = ground.call("prune.sh", "--yes")
    assert {name: what for name, (what, _) in rows(done).items()} == {old: "image", own: "container"}
    assert (done.returncode, ground.containers()) == (0, [])
    assert old not in ground.store.names()


def test_intermediate_images_go(ground: Ground) -> None:
    with shared(ground):
        ground.build([ROOT, says("one")])
    words = (ground.plan / "state").glob("committed.*")
    ids = [word.read_text().removeprefix("sha256:") for word in words]
    assert len(ids) == 2
    assert {f"sha256:{identity}" for identity in ids} <= ground.ids()
    ground.store.buildah("tag", ids[0], "localhost/mine:1")
    done = ground.call("prune.sh", "--yes")
    assert rows(done) == {ids[1]: ("intermediate", "0B")}
    left = ground.ids()
    assert f"sha256:{ids[0]}" in left
    assert f"sha256:{ids[1]}" not in left
    assert [*(ground.plan / "state").glob("committed.*")] == []


# never while a build runs


@contextmanager
def shared(ground: Ground) -> Iterator[None]:
    """The lock that every build in a store holds."""
    with (ground.store.runroot / "buildsys.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


@contextmanager
def building(ground: Ground) -> Iterator[int]:
    """A build that takes its time; its process."""
    ground.compile([ROOT, image("slow", "base", Run(("sleep", "60"), 0))])
    run = subprocess.Popen(
        ["bash", str(ground.plan / "lib/run.sh")],
        env=ground.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        end = time.monotonic() + 60
        while not (ground.plan / "state/working.slow").exists():
            assert run.poll() is None
            assert time.monotonic() < end
            time.sleep(0.05)
        yield run.pid
    finally:
        os.killpg(run.pid, signal.SIGTERM)
        run.wait()
        end = time.monotonic() + 60
        while ground.containers() and time.monotonic() < end:
            time.sleep(0.05)


def test_refuses_while_this_plan_builds(ground: Ground) -> None:
    ground.build([ROOT, says("one")])
    ground.build([ROOT, says("two")])
    with building(ground) as process:
        before = ground.store.names()
        for words in ((), ("--yes",)):
            done = ground.call("prune.sh", *words)
            assert (done.returncode, done.stdout) == (1, "")
            who = rf"process {process} of \w+, building all since \d\d:\d\d:\d\d"
            said = rf"error: nothing is pruned while a build uses the store: {who}\n"
            assert re.fullmatch(said, done.stderr)
        assert ground.store.names() == before
    assert ground.call("prune.sh").returncode == 0


def test_refuses_while_another_plan_builds_in_the_store(ground: Ground) -> None:
    other = Ground(ground.store, ground.plan.parent / "other")
    ground.build([ROOT, says("one")])
    with building(other) as process:
        done = ground.call("prune.sh", "--yes")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"process {process} in {Path.cwd()}: bash {other.plan}/lib/run.sh\n" in done.stderr


def test_refuses_for_a_holder_it_cannot_name(ground: Ground) -> None:
    ground.build([ROOT])
    with shared(ground):
        done = ground.call("prune.sh")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("a process that is not visible here\n")


# the verb


def test_the_verb(ground: Ground) -> None:
    ground.build([ROOT, says("one")])
    ground.build([ROOT, says("two")])
    ground.build([ROOT, says("three")])
    command = [sys.executable, "-m", "buildsys", "prune", "tiny", "-o", str(ground.plan)]
    lines = []
    for words in ([], ["--keep", "1"], ["--yes"]):
        done = subprocess.run(
            [*command, *words], env=ground.environment(), capture_output=True, text=True, check=True
        )
        lines.append(len(done.stdout.splitlines()))
    assert lines == [2, 1, 2]
    assert sorted(name.partition(":")[0] for name in ground.built_keys()) == ["app", "base"]


def test_the_verb_without_a_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["prune", "tiny", "--build-dir", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"error: {tmp_path}/tiny holds no plan, or one of an older buildsys [no-plan]\n"
        "  hint: `buildsys plan tiny` writes one; what was built stays\n"
    )
