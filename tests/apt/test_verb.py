"""`buildsys lock`, `plan` and `periodic` on a set that apt installs, as a person or a timer meets them."""

from __future__ import annotations

from buildsys.lock.host_repositories import host_repositories
from buildsys.packages import MANAGERS
from tests.apt.test_solve import LATER
from tests.apt.world import World


def test_a_plan_makes_the_lock_it_needs_and_asks_nobody_again(world: World) -> None:
    done = world.buildsys("plan", "demo/")
    assert (done.returncode, done.stderr.splitlines()[:2]) == (
        0,
        [
            "build/locks/demo/here.yaml: asking what the site here has now",
            "build/locks/demo/here.yaml: 4 images, 7 packages",
        ],
    )
    asked = len(world.server.asked)
    done = world.buildsys("plan", "demo/", APT_CONFIG="/nowhere", PATH="/nowhere")
    assert (done.returncode, done.stderr) == (0, "build/demo: 4 images, 0 files written\n")
    assert len(world.server.asked) == asked


def test_what_is_newly_asked_for_is_added(world: World) -> None:
    world.buildsys("plan", "demo/")
    world.source(*LATER, time=1700000001)
    world.recipe("side", "from: base\npackages: [other, seed]\n")
    done = world.buildsys("plan", "demo/")
    assert done.returncode == 0
    assert "build/locks/demo/here.yaml: 4 images, 7 packages\n" in done.stderr
    assert "libmid_1.0-1_all.deb" in (world.place / "build/demo/steps/middle.sh").read_text()


def test_check_says_what_update_would_move(world: World) -> None:
    world.buildsys("plan", "demo/")
    assert world.buildsys("lock", "demo/", "--check").stderr == "build/locks/demo/here.yaml: nothing moved\n"
    world.source(*LATER, time=1700000001)
    # What is newly asked for is looked up in what the sources hold now; the rest stays behind.
    world.recipe("side", "from: base\npackages: [other, seed]\n")
    world.buildsys("plan", "demo/")
    done = world.buildsys("lock", "demo/", "--check")
    assert (done.returncode, done.stdout.splitlines()) == (
        1,
        [
            "middle\tlibmid\t1.0-1\t->\t1.1-1",
            "middle\tmid\t1.0-1\t->\t1.1-1",
            "tip\tleaf\t1:1.0\t->\t1:1.1",
            "tip\tseed\t1.0-1\t->\t-",
        ],
    )
    assert world.buildsys("lock", "demo/", "--update").returncode == 0
    assert world.buildsys("lock", "demo/", "--check").returncode == 0


def test_a_lock_beside_the_recipes_is_the_one(world: World) -> None:
    world.buildsys("lock", "demo/", "-o", "demo/locks/here.yaml")
    done = world.buildsys("plan", "demo/")
    assert (done.returncode, world.lock_file.exists()) == (0, False)
    world.recipe("side", "from: base\npackages: [other, seed]\n")
    assert "[lock-outdated]" in world.buildsys("plan", "demo/").stderr


def test_a_damaged_lock_that_nobody_reviews_is_made_again(world: World) -> None:
    world.buildsys("plan", "demo/")
    good = world.lock_file.read_text()
    world.lock_file.write_text(good[: len(good) // 2])
    assert world.buildsys("plan", "demo/").returncode == 0
    assert world.lock_file.read_text() == good


def test_there_is_no_building_without_a_lock(world: World) -> None:
    done = world.buildsys("plan", "demo/", "--unlocked")
    assert (done.returncode, done.stderr) == (2, "error: the site here installs by apt, which needs a lock\n")


def test_doctor_names_the_sources_of_the_host_but_not_where_they_are(world: World) -> None:
    assert host_repositories(MANAGERS["apt"]) == ("flat",)
    sources = world.place / "host/etc/apt/sources.list"
    sources.write_text(
        "deb http://127.0.0.1:1/debian stones main\ndeb http://127.0.0.1:1/more pebbles main\n"
    )
    assert host_repositories(MANAGERS["apt"]) == ("stones", "pebbles")
    sources.write_text("")
    assert host_repositories(MANAGERS["apt"]) == ()


def test_a_host_without_apt(world: World) -> None:
    done = world.buildsys("plan", "demo/", PATH="/nowhere")
    assert done.returncode == 3
    assert done.stderr.startswith(
        "build/locks/demo/here.yaml: asking what the site here has now\nerror: apt is needed"
    )
