"""stable-pike as its users meet it: built whole, run again, changed, moved, cut off from the network."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, BuiltPike
from tests.programs import started
from tests.stores import Store, store

pytestmark = pytest.mark.real

PREFIX = "localhost/tripleopike/centos-binary-"
BUILDSYS = str(ROOT / ".venv/bin/buildsys")


def ids(made: Store) -> dict[str, str]:
    """Id of every image of the set, by its name in the set."""
    names = made.names()
    return {
        name.removeprefix(PREFIX).removesuffix(":current-tripleo"): image
        for name, image in names.items()
        if name.startswith(PREFIX)
    }


def make(plan: Path, made: Store, *goals: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a plan by make alone."""
    command = ["make", "--no-print-directory", "-C", str(plan), *goals]
    variables = {**os.environ, "MAKEFLAGS": "", "BS_STORE": made.options, **environment}
    return subprocess.run(command, env=variables, check=False, capture_output=True, text=True)


@pytest.fixture
def moved(built_pike: BuiltPike, tmp_path: Path) -> Path:
    """The plan, without what its run left, in another directory with an awkward name."""
    target = tmp_path / "another place, it's"
    run_leaves = shutil.ignore_patterns("state", "results", "logs", "events*.jsonl")
    shutil.copytree(built_pike.plan, target, ignore=run_leaves)
    return target


@pytest.fixture
def other_store(tmp_path: Path) -> Iterator[Store]:
    with store(tmp_path / "store") as made:
        yield made


def test_all_images_are_there_with_a_result_each(built_pike: BuiltPike) -> None:
    made = ids(built_pike.store)
    plan = json.loads((built_pike.plan / "plan.json").read_text())
    assert len(made) == len(plan["images"]) == 108
    for name, image in plan["images"].items():
        result = json.loads((built_pike.plan / f"results/{name}.json").read_text())
        # Other tests build in it, too, and leave it as it was.
        assert result["status"] in {"built", "fresh"}
        assert f"sha256:{result['image_id']}" == made[name]
        assert result["reference"] == image["reference"] == f"{PREFIX}{name}:current-tripleo"
    assert "stable-pike: 108 images: 108 built, 0 fresh" in built_pike.output
    assert "stand-ins" in built_pike.output


def test_nothing_is_left_but_the_named_images(built_pike: BuiltPike) -> None:
    assert built_pike.store.buildah("containers", "--quiet") == ""
    every = built_pike.store.buildah("images", "--all", "--quiet", "--no-trunc").split()
    assert set(every) == set(built_pike.store.names().values())


def test_a_second_run_builds_nothing(built_pike: BuiltPike) -> None:
    before = built_pike.store.names()
    done = make(built_pike.plan, built_pike.store)
    assert done.returncode == 0, done.stderr
    assert "108 images: 0 built, 108 fresh" in done.stderr
    assert built_pike.store.names() == before


@pytest.mark.costly(400)
def test_equal_ids_from_nothing_elsewhere_offline_and_without_python_or_dnf(
    built_pike: BuiltPike, moved: Path, other_store: Store, tmp_path: Path
) -> None:
    # A PATH with what plan.json lists and the base utilities, nothing else.
    tools = tmp_path / "bin"
    tools.mkdir()
    listed = json.loads((moved / "plan.json").read_text())["tools"]
    assert "dnf" not in listed
    base = (
        "awk basename bash cat chmod chroot cmp cp cut date df diff dirname env flock grep gzip head id ln ls"
        " make mkdir mktemp mount mv nproc od readlink realpath rm rmdir sed sh sha256sum sleep sort stat"
        " tail tar touch tr umount uname wc xargs"
    )
    helpers = "buildah skopeo rpm rpmkeys rpm2archive crun runc conmon newuidmap newgidmap find unshare tee"
    for name in {*listed, *base.split(), *helpers.split()}:
        if (found := shutil.which(name)) is not None:
            (tools / name).symlink_to(found)
    command = ["unshare", "--net", "--", "make", "--no-print-directory", "-j4", "-C", str(moved)]
    environment = {
        "PATH": str(tools),
        "BS_STORE": other_store.options,
        "HOME": str(tmp_path),
        "TZ": "Asia/Tokyo",
    }
    unshare = shutil.which("unshare")
    assert unshare is not None
    done = subprocess.run(
        [unshare, *command[1:]], env=environment, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert ids(other_store) == ids(built_pike.store)


def test_one_changed_leaf_rebuilds_one_image(built_pike: BuiltPike, tmp_path: Path) -> None:
    recipes = tmp_path / "stable-pike"
    shutil.copytree(ROOT / "recipes/stable-pike", recipes)
    leaf = recipes / "images/cron.yaml"
    leaf.write_text(leaf.read_text() + "env: {CHANGED: here}\n")
    before = ids(built_pike.store)
    try:
        command = [BUILDSYS, "build", str(recipes), "--build-dir", str(built_pike.build)]
        environment = {**os.environ, "MAKEFLAGS": "", "BS_STORE": built_pike.store.options}
        done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "108 images: 1 built, 107 fresh" in done.stderr
        after = ids(built_pike.store)
        assert {name for name in before if before[name] != after[name]} == {"cron"}
        result = json.loads((built_pike.plan / "results/cron.json").read_text())
        assert result["reason"].startswith("recipe changed: ")
    finally:
        again = [BUILDSYS, "build", "stable-pike", "--build-dir", str(built_pike.build)]
        subprocess.run(again, cwd=ROOT, env=environment, check=True, capture_output=True)
    assert ids(built_pike.store) == before


def test_killed_at_any_moment_the_next_run_ends_the_same(
    built_pike: BuiltPike, moved: Path, other_store: Store
) -> None:
    command = ["make", "--no-print-directory", "-C", str(moved), "-j4", "keystone", "cron", "redis"]
    environment = {**os.environ, "MAKEFLAGS": "", "BS_STORE": other_store.options}
    for seconds in (0.7, 1.9, 3.1):
        run = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(seconds)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        named = ids(other_store)
        assert {name: image for name, image in ids(built_pike.store).items() if name in named} == named
    done = make(moved, other_store, "keystone", "cron", "redis")
    assert done.returncode == 0, done.stdout + done.stderr
    named = ids(other_store)
    wanted = {"base", "openstack-base", "keystone-base", "keystone", "cron", "redis-base", "redis"}
    assert {name: ids(built_pike.store)[name] for name in wanted} == named
    assert other_store.buildah("containers", "--quiet") == ""


def test_interrupted_it_leaves_no_working_container(moved: Path, other_store: Store) -> None:
    command = ["make", "--no-print-directory", "-C", str(moved), "-j4"]
    environment = {**os.environ, "MAKEFLAGS": "", "BS_STORE": other_store.options}
    with started(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as run:
        deadline = time.monotonic() + 60
        while not any(moved.glob("state/working.*")) and time.monotonic() < deadline:
            time.sleep(0.05)
        os.killpg(run.pid, signal.SIGINT)
        _, errors = run.communicate(timeout=60)
    assert run.returncode != 0
    assert "not reached" in errors
    assert other_store.buildah("containers", "--quiet") == ""


def test_an_image_runs(built_pike: BuiltPike) -> None:
    made = built_pike.store
    container = made.buildah("from", "--pull-never", f"{PREFIX}nova-api:current-tripleo").strip()
    try:
        said = made.buildah("run", "--isolation", "chroot", container, "--", "nova-api", "--version")
        assert "16.1.7" in said
        assert made.buildah("run", "--isolation", "chroot", container, "--", "id", "-u").strip() == "42436"
    finally:
        made.buildah("rm", container)
