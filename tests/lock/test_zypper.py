"""A site of zypper: locked by the solver of dnf, and planned as with dnf."""

from __future__ import annotations

from buildsys.lock.apply import apply_lock
from buildsys.plan.compile import compile_plan
from tests.lock.world import SITE, World


def test_lock_and_plan_are_those_of_dnf(world: World) -> None:
    locks, plans = [], []
    for installer in ("dnf", "zypper"):
        world.site(SITE.replace("installer: dnf", f"installer: {installer}"))
        lock = world.lock()
        locks.append(lock)
        plans.append(compile_plan(apply_lock(world.fill(lock), lock)))
    assert locks[0] == locks[1]
    assert [item.name for item in locks[1].images["tip"].packages()] == ["leaf"]
    assert plans[0].texts == plans[1].texts
    assert plans[0].links == plans[1].links


def test_its_lock_keeps_itself(world: World) -> None:
    world.site(SITE.replace("installer: dnf", "installer: zypper"))
    refused = world.buildsys("plan", world.set, "--unlocked")
    assert refused.returncode == 2
    assert "the site far installs by zypper, which needs a lock" in refused.stderr
    assert world.buildsys("plan", world.set).returncode == 0
    assert (world.place / "build/locks/demo/far.yaml").is_file()
