"""kill -9 of make, a step or buildah, at random moments: the next run ends where an undisturbed one does."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.oracle.ground import Ground, set_base
from tests.oracle.judge import Bench, Count, bench
from tests.oracle.test_oracle import LONG, small
from tests.stores import Store

pytestmark = pytest.mark.real

MOMENTS = 8 if LONG else 2
LASTS = 3.0
"""Seconds within which somebody is killed; about what the build takes."""
OWN = ("localhost/demo/", "localhost/buildsys-key/demo/")
VICTIMS: dict[str, Callable[[list[str]], bool]] = {
    "make": lambda argv: argv[0] == "make",
    "a step": lambda argv: len(argv) > 1 and "/steps/" in f"/{argv[1]}",
    "buildah": lambda argv: argv[0] == "buildah",
}


@pytest.fixture(scope="module")
def undisturbed(oracle_ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A set that was built, once incrementally and once from nothing."""
    count = Count()
    with bench(tmp_path_factory.mktemp("kills") / "bench", oracle_ground, small("bare"), count) as made:
        assert count.blame() == ""
        yield made


def processes(session: int) -> Iterator[tuple[int, list[str]]]:
    """The processes of a session, each with its words."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(folder.name)) == session:
                yield int(folder.name), (folder / "cmdline").read_bytes().decode().split("\0")
        except (OSError, UnicodeDecodeError):
            continue


def kill_one(run: subprocess.Popen[bytes], is_victim: Callable[[list[str]], bool], after: float) -> bool:
    """Wait, then kill the first such process there is; whether there was one before the run ended."""
    time.sleep(after)
    while run.poll() is None:
        for process, argv in processes(run.pid):
            if is_victim(argv):
                os.kill(process, signal.SIGKILL)
                return True
        time.sleep(0.005)
    return False


def left(store: Store) -> dict[str, str]:
    """All images that builds left in a store, those without a name too."""
    return {name: image for name, image in store.names().items() if "/ground" not in name}


def named(store: Store) -> dict[str, str]:
    """Those that bear names of the set: references and keys."""
    return {name: image for name, image in left(store).items() if name.startswith(OWN)}


@pytest.mark.parametrize("moment", range(MOMENTS))
@pytest.mark.parametrize("victim", VICTIMS)
def test_the_next_run_ends_the_same(
    victim: str, moment: int, undisturbed: Bench, oracle_ground: Ground
) -> None:
    after = random.Random(f"{victim} {moment}").uniform(0, LASTS)  # noqa: S311 - when to kill
    wanted = left(undisturbed.store)
    build = f"killed-{victim.replace(' ', '-')}-{moment}"
    with oracle_ground.store() as store:
        set_base(store, undisturbed.world.base)
        undisturbed.buildsys("plan", *undisturbed.words(build), store=store)
        plan = undisturbed.place / build / "demo"
        killed = False
        for start in (after, 0.0):
            run = subprocess.Popen(
                ["bash", str(plan / "lib/run.sh")],
                env=undisturbed.environment(store),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            killed = kill_one(run, VICTIMS[victim], start)
            status = run.wait(timeout=60)
            # What bears a name is whole, or does not bear it.
            assert named(store).items() <= wanted.items()
            if killed:
                # All is well only where all was built, and the victim was tidying up.
                assert status != 0 or named(store) == named(undisturbed.store)
                break
            # It was over by then: once more, from the beginning.
            store.buildah("rmi", "--force", *named(store))
        assert killed
        undisturbed.run(build, store)
        assert left(store) == wanted
        assert store.buildah("containers", "--quiet") == ""
        assert [*(plan / "state").glob("working.*")] == [*(plan / "state").glob("scratch.*")] == []
