"""`buildsys lock` as a person or a timer meets it: what it prints, writes, and how it ends."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time

from buildsys.lock.lockfile import read, text
from tests.conftest import ROOT
from tests.lock.test_solve import ALL, LATER
from tests.lock.world import FIRST, World


def look(world: World) -> str:
    """The lock as it is; it must be a whole one."""
    return text(read(world.lock_file, image_set="demo", site="far"))


def lines(output: str) -> list[list[str]]:
    return [line.split("\t") for line in output.splitlines()]


def test_the_first_lock(world: World) -> None:
    done = world.buildsys("lock", "demo/")
    assert (done.returncode, done.stderr) == (0, "demo/locks/far.yaml: 4 images, 5 packages, 5 moved\n")
    assert lines(done.stdout) == [
        ["base", "ground", "-", "->", "1.0-1"],
        ["middle", "libmid", "-", "->", "1.0-1"],
        ["middle", "mid", "-", "->", "1.0-1"],
        ["side", "other", "-", "->", "1.0-1"],
        ["tip", "leaf", "-", "->", "1.0-1"],
    ]
    again = world.buildsys("lock", "demo/")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "demo/locks/far.yaml: nothing changed\n")


def test_update_says_what_moved_and_warns_of_halves(world: World) -> None:
    world.buildsys("lock", "demo/")
    world.packages(*ALL, time=LATER)
    assert world.buildsys("lock", "demo/").stdout == ""
    done = world.buildsys("lock", "demo/", "--update", "tip")
    assert lines(done.stdout) == [["tip", "leaf", "1.0-1", "->", "1.1-1"]]
    assert done.stderr == (
        "warning: stones ends at 2 versions: 1.0-1 in base, middle, side; 1.1-1 in tip\n"
        "demo/locks/far.yaml: 4 images, 5 packages, 1 moved\n"
    )
    done = world.buildsys("lock", "demo/", "--update", "--json")
    assert json.loads(done.stdout)["moved"] == [
        {"image": "middle", "name": "libmid", "old": "1.0-1", "new": "1.1-1"},
        {"image": "middle", "name": "mid", "old": "1.0-1", "new": "1.1-1"},
    ]
    assert json.loads(done.stdout)["split"][0]["source"] == "stones"


def test_images_by_glob_and_with_their_children(world: World) -> None:
    world.buildsys("lock", "demo/")
    world.packages(*ALL, time=LATER)
    done = world.buildsys("lock", "demo/", "m*", "--children", "--update")
    assert [row[0] for row in lines(done.stdout)] == ["middle", "middle", "tip"]


def test_check_is_an_exit_status_for_a_timer(world: World) -> None:
    world.buildsys("lock", "demo/")
    before = look(world)
    world.server.asked.clear()
    done = world.buildsys("lock", "demo/", "--check")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "demo/locks/far.yaml: nothing moved\n"
    # One look at the index is enough when that is the same.
    assert world.server.asked == ["/repodata/repomd.xml"]
    world.packages(*FIRST, "wants-new-1.1", time=LATER)
    assert world.buildsys("lock", "demo/", "--check").returncode == 0, "nothing that concerns this set"
    world.packages(*FIRST, "leaf-1.1", time=LATER)
    done = world.buildsys("lock", "demo/", "--check")
    assert (done.returncode, lines(done.stdout)) == (1, [["tip", "leaf", "1.0-1", "->", "1.1-1"]])
    assert done.stderr.splitlines()[-1] == "error: 1 thing moved since demo/locks/far.yaml was made"
    assert world.buildsys("lock", "demo/", "side", "--check").returncode == 0
    assert look(world) == before


def test_check_is_2_when_something_is_wrong(world: World) -> None:
    done = world.buildsys("lock", "demo/", "--check")
    assert done.returncode == 2
    assert done.stderr == (
        "demo/locks/far.yaml:1:1: error: there is no lock yet [no-lock]\n"
        "  hint: `buildsys lock demo --site far` makes it\n"
    )
    world.buildsys("lock", "demo/")
    world.recipe("tip", "from: middle\npackages: [leaf, other]\n")
    done = world.buildsys("lock", "demo/", "--check")
    assert done.returncode == 2
    assert "[lock-outdated]" in done.stderr
    world.recipe("tip", "from: middle\npackages: [leaf]\n")
    shutil.rmtree(world.repository / "repodata")
    done = world.buildsys("lock", "demo/", "--check")
    assert done.returncode == 1
    assert "error: the repository 'quarry' cannot be read: " in done.stderr
    assert "The requested URL returned error: 404 [repository-unreachable]" in done.stderr


def test_images_are_for_update_only(world: World) -> None:
    done = world.buildsys("lock", "demo/", "tip")
    assert (done.returncode, done.stderr) == (
        2,
        "error: images are named with --update or --check: a lock is always of the whole set\n",
    )
    assert "[no-lock]" in world.buildsys("lock", "demo/", "--update", "tip").stderr
    world.buildsys("lock", "demo/")
    assert "[no-match]" in world.buildsys("lock", "demo/", "--update", "tap").stderr


def test_another_file(world: World) -> None:
    assert world.buildsys("lock", "demo/", "-o", "here.yaml").returncode == 0
    assert not world.lock_file.exists()
    done = world.buildsys("plan", "demo/", "--lock", "here.yaml")
    assert done.returncode == 0, done.stderr
    assert (world.place / "build/demo/pool/packages/leaf-1.0-1.noarch.rpm").exists()


def test_fetch_fills_the_pool_and_a_plan_then_needs_no_network(world: World) -> None:
    done = world.buildsys("lock", "demo/", "--fetch", "--pool", "elsewhere")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        0,
        "fetching 5 packages (0.0 MiB)",
    )
    world.server.asked.clear()
    assert world.buildsys("plan", "demo/", BS_POOL="elsewhere").returncode == 0
    assert world.server.asked == []


def test_a_lock_that_is_there_is_used_unless_told_otherwise(world: World) -> None:
    world.buildsys("lock", "demo/")
    plan = world.place / "build/demo"
    world.buildsys("plan", "demo/")
    assert "rpm_transaction" in (plan / "steps/tip.sh").read_text()
    assert (plan / "notes").read_text() == ""
    world.buildsys("plan", "demo/", "--unlocked")
    assert "dnf_install" in (plan / "steps/tip.sh").read_text()
    assert (plan / "notes").read_text() == "unlocked: any repository change rebuilds\n"
    world.lock_file.unlink()
    world.buildsys("plan", "demo/")
    assert (plan / "notes").read_text() == "unlocked: any repository change rebuilds\n"
    missing = world.buildsys("plan", "demo/", "--lock", "none.yaml")
    assert missing.returncode == 2
    assert "[lock-unreadable]" in missing.stderr


def test_a_set_that_has_changed_is_refused_before_anything_is_fetched(world: World) -> None:
    world.buildsys("lock", "demo/")
    world.server.asked.clear()
    world.recipe("tip", "from: middle\npackages: [leaf, other]\n")
    done = world.buildsys("plan", "demo/")
    assert (done.returncode, done.stderr) == (2, (ROOT / "tests/lock/expected/plan-outdated.txt").read_text())
    assert world.server.asked == []
    assert world.buildsys("lock", "demo/").returncode == 0
    assert world.buildsys("plan", "demo/").returncode == 0


def test_killed_at_any_moment_the_old_lock_is_intact(world: World) -> None:
    world.buildsys("lock", "demo/")
    old = look(world)
    world.packages(*ALL, time=LATER)
    command = [str(ROOT / ".venv/bin/buildsys"), "lock", "demo/", "--update"]
    begun = time.monotonic()
    subprocess.run([*command, "-o", "new.yaml"], cwd=world.place, check=True, capture_output=True)
    lasts = time.monotonic() - begun
    new = text(read(world.place / "new.yaml", image_set="demo", site="far"))
    choice = random.Random(2)  # noqa: S311 - when to kill
    for _ in range(6):
        run = subprocess.Popen(command, cwd=world.place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               start_new_session=True)  # fmt: skip
        time.sleep(lasts * choice.uniform(0.3, 1.1))
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        assert look(world) in {old, new}
    assert world.buildsys("lock", "demo/", "--update").returncode == 0
    assert look(world) == new
    assert [path.name for path in world.lock_file.parent.iterdir()] == ["far.yaml"]
