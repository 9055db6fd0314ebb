"""The pool: fetched once, whole, signed by the right key, or not at all."""

from __future__ import annotations

import hashlib
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from buildsys.image import ImageSet
from buildsys.lock.apply import apply_lock
from buildsys.lock.lockfile import Lock
from tests import rpms
from tests.lock.world import SITE, Told, World

LEAF, OTHER = "leaf-1.0-1.noarch.rpm", "other-1.0-1.noarch.rpm"


def pooled(world: World) -> set[str]:
    """Files of the pool's packages, by the name of the repository's file with the same content."""
    names = {
        hashlib.sha256(file.read_bytes()).hexdigest(): file.name for file in world.stones.folder.iterdir()
    }
    found = set()
    for file in world.places.packages.iterdir():
        content = file.read_bytes()
        assert file.name == f"{hashlib.sha256(content).hexdigest()}.rpm"
        found.add(names[file.stem])
    return found


def nothing_half(world: World) -> bool:
    return not [*(world.places.pool / "part").iterdir()]


@pytest.fixture
def lock(world: World) -> Lock:
    """A lock of the set; the server forgets that it was asked."""
    made = world.lock()
    world.server.asked.clear()
    return made


def test_all_that_is_named_is_fetched_once(world: World, lock: Lock) -> None:
    filled = world.fill(lock)
    assert pooled(world) == {
        f"{name}-1.0-1.noarch.rpm" for name in ("ground", "libmid", "mid", "leaf", "other")
    }
    assert sorted(world.server.asked) == sorted(f"/{name}" for name in pooled(world))
    assert nothing_half(world)
    assert {file.stat().st_mode & 0o777 for file in world.places.packages.iterdir()} == {0o444}
    world.server.asked.clear()
    assert world.fill(lock) == filled
    assert world.server.asked == []


def test_a_plan_takes_them_from_there_and_needs_nothing_else(world: World, lock: Lock) -> None:
    from buildsys.plan.compile import compile_plan

    plan = compile_plan(apply_lock(world.fill(lock), lock))
    packages = {path: source for path, source in plan.links.items() if path.startswith("pool/packages/")}
    assert packages.keys() == {f"pool/packages/{name}" for name in pooled(world)}
    assert {source.parent for source in packages.values()} == {world.places.packages}
    assert plan.links["pool/keys/quarry"].read_bytes() == world.stones.key.public.read_bytes()
    environment = plan.texts["plan.env"]
    assert "INSTALLER=rpm\n" in environment
    assert "NETWORK=''\n" in environment
    assert not {"dnf", "curl"} & set(environment.partition("TOOLS='")[2].partition("'")[0].split())


def test_another_set_finds_them_there(world: World, lock: Lock) -> None:
    world.fill(lock)
    world.server.asked.clear()
    shutil.move(world.set, world.place / "kept")
    (world.place / "kept/images/tip.yaml").write_text("image: tip\nfrom: middle\npackages: [mid-extra]\n")
    shutil.move(world.place / "kept", world.set)
    world.fill(world.lock())
    assert [path for path in world.server.asked if path.endswith(".rpm")] == ["/mid-extra-1.0-1.noarch.rpm"]


# ── on a bad line ───────────────────────────────────────────────────────────────────────────────────────────


def test_what_broke_off_is_gone_on_with(world: World, lock: Lock) -> None:
    world.server.breaks[LEAF] = 2
    world.fill(lock)
    size = world.stones.files["leaf-1.0"].stat().st_size
    first, second = size // 2, size // 2 + (size - size // 2) // 2
    asked = [path for path in world.server.asked if LEAF in path]
    assert asked == [f"/{LEAF}", f"/{LEAF}@{first}", f"/{LEAF}@{second}"]


@pytest.mark.parametrize("status", [429, 503])
def test_what_may_pass_is_tried_again(world: World, lock: Lock, status: int) -> None:
    world.server.refuses[LEAF] = [status] * 3
    world.fill(lock)
    assert world.server.count(LEAF) == 4


def test_but_not_for_ever(world: World, lock: Lock, told: Told) -> None:
    world.server.refuses[LEAF] = [503] * 99
    told(lambda: world.fill(lock), "not-fetched", "not-fetched-busy")
    assert world.server.count(LEAF) == 4
    # What could be had was taken, and is not asked for again.
    assert LEAF not in pooled(world)
    assert OTHER in pooled(world)


def test_what_will_not_pass_is_not_tried_again(world: World, lock: Lock, told: Told) -> None:
    world.server.refuses[LEAF] = [403] * 99
    told(lambda: world.fill(lock), "not-fetched")
    assert world.server.count(LEAF) == 1


def test_gone_from_the_repository(world: World, lock: Lock, told: Told) -> None:
    (world.repository / LEAF).unlink()
    told(lambda: world.fill(lock), "package-vanished", "package-vanished-file")


def test_all_that_is_wrong_is_told_at_once(world: World, lock: Lock, told: Told) -> None:
    (world.repository / LEAF).unlink()
    (world.repository / OTHER).unlink()
    told(lambda: world.fill(lock), "package-vanished", "package-vanished-files")


def test_two_at_once_fetch_once(world: World, lock: Lock) -> None:
    runs = [threading.Thread(target=world.fill, args=(lock,)) for _ in range(3)]
    for one in runs:
        one.start()
    for one in runs:
        one.join()
    assert len(world.server.asked) == len(pooled(world)) == 5


# ── not what the lock names ─────────────────────────────────────────────────────────────────────────────────


def test_a_file_cut_short_is_fetched_again_once_and_then_refused(
    world: World, lock: Lock, told: Told
) -> None:
    file = world.repository / LEAF
    file.write_bytes(file.read_bytes()[:1000])
    told(lambda: world.fill(lock), "package-truncated")
    assert LEAF not in pooled(world)
    assert nothing_half(world)


def test_a_file_that_was_cut_short_in_the_pool_is_fetched_again(world: World, lock: Lock) -> None:
    world.fill(lock)
    (package,) = lock.images["tip"].packages()
    cut = world.places.package(package)
    cut.chmod(0o644)
    cut.write_bytes(cut.read_bytes()[:1000])
    world.server.asked.clear()
    world.fill(lock)
    assert world.server.asked == [f"/{LEAF}"]
    assert LEAF in pooled(world)


def spoil(file: Path) -> None:
    """Other bytes, as many as before."""
    file.chmod(0o644)
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def test_a_file_that_was_changed_in_the_pool_is_fetched_again(world: World, lock: Lock) -> None:
    world.fill(lock)
    (package,) = lock.images["tip"].packages()
    spoil(world.places.package(package))
    world.server.asked.clear()
    world.fill(lock)
    assert world.server.asked == [f"/{LEAF}"]
    assert LEAF in pooled(world)


def test_a_pool_is_read_again_only_where_it_was_touched(
    world: World, lock: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.fill(lock)
    read: list[Path] = []

    def reading(path: Path) -> str:
        read.append(path)
        return path.stem

    monkeypatch.setattr("buildsys.files.sha256", reading)
    world.fill(lock)
    assert read == []
    (package,) = lock.images["tip"].packages()
    world.places.package(package).touch()
    world.server.asked.clear()
    world.fill(lock)
    assert (read, world.server.asked) == ([world.places.package(package)], [])


def test_a_part_that_is_of_something_else_is_thrown_away(world: World, lock: Lock) -> None:
    (package,) = lock.images["tip"].packages()
    part = world.places.pool / "part" / package.checksum.partition(":")[2]
    part.parent.mkdir(parents=True)
    part.write_bytes(b"not this one")
    world.fill(lock)
    assert world.server.count(LEAF) == 2
    assert LEAF in pooled(world)


def test_another_package_under_the_same_name(world: World, lock: Lock, told: Told) -> None:
    shutil.copyfile(world.repository / OTHER, world.repository / LEAF)
    told(lambda: world.fill(lock), "wrong-checksum")
    assert LEAF not in pooled(world)


def test_signed_by_nobody_the_site_knows(world: World, told: Told) -> None:
    world.stones.stranger.sign(world.repository / LEAF)
    world.index()
    told(lambda: world.fill(world.lock()), "unknown-signer", "unknown-signer-stranger")
    assert LEAF not in pooled(world)
    assert OTHER in pooled(world)


def test_not_signed_at_all(world: World, told: Told) -> None:
    rpms.sign(world.repository / LEAF, None)
    world.index()
    told(lambda: world.fill(world.lock()), "unknown-signer")


def test_a_file_for_a_key_that_is_none(world: World, lock: Lock, told: Told) -> None:
    (world.set / "files/KEY").write_text("no key\n")
    told(lambda: world.fill(lock), "bad-key")


def test_a_repository_without_a_key_is_taken_by_checksum_alone(world: World) -> None:
    from buildsys.plan.compile import compile_plan

    world.site(SITE.replace("key: files/KEY", "gpgcheck: false"))
    rpms.sign(world.repository / LEAF, None)
    world.index()
    lock = world.lock()
    plan = compile_plan(apply_lock(world.fill(lock), lock))
    assert LEAF in plan.texts["unsigned"].splitlines()
    assert not [path for path in plan.links if path.startswith("pool/keys/")]


def test_a_repository_in_a_folder_comes_through_the_pool_too(world: World, told: Told) -> None:
    world.site(SITE.replace("url: {address}", f"directory: {world.repository}"))
    lock = world.lock()
    filled = world.fill(lock)
    assert filled.site.pool == str(world.places.packages)
    assert LEAF in pooled(world)
    # A folder is written to in place; what is in the pool stays.
    (package,) = lock.images["tip"].packages()
    world.places.package(package).unlink()
    (world.repository / LEAF).write_bytes((world.repository / OTHER).read_bytes())
    told(lambda: world.fill(lock), "wrong-checksum", "wrong-checksum-folder")
    (world.repository / LEAF).unlink()
    told(lambda: world.fill(lock), "package-vanished", "package-vanished-folder")


# ── keys and downloads ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def by_address(world: World) -> World:
    """The world, its key at an address, and a download that nobody knows the checksum of."""
    world.site(
        SITE.replace("key: files/KEY", 'key: "{address}/KEY"')
        + "downloads: {{{address}/sand: {{unverified: true}}}}\n"
    )
    (world.repository / "KEY").write_bytes(world.stones.key.public.read_bytes())
    (world.repository / "sand").write_text("sand\n")
    world.recipe(
        "side", f"from: base\nsteps:\n  - download: {world.server.address}/sand\n    to: /srv/sand\n"
    )
    return world


def test_keys_and_downloads_are_locked_by_checksum(by_address: World) -> None:
    lock = by_address.lock()
    key = hashlib.sha256(by_address.stones.key.public.read_bytes()).hexdigest()
    assert lock.keys == {"quarry": f"sha256:{key}"}
    assert lock.downloads == {f"{by_address.server.address}/sand": hashlib.sha256(b"sand\n").hexdigest()}
    by_address.server.asked.clear()
    filled = by_address.fill(lock)
    assert not [path for path in by_address.server.asked if not path.endswith(".rpm")]
    assert carried(filled) == {"key": by_address.stones.key.public.read_bytes(), "sand": b"sand\n"}


def carried(filled: ImageSet) -> dict[str, bytes]:
    (repository,), (download,) = filled.site.repositories, filled.site.downloads.values()
    return {"key": Path(repository.key).read_bytes(), "sand": Path(download).read_bytes()}


def test_another_clone_fetches_them_and_holds_them_to_the_lock(by_address: World) -> None:
    lock = by_address.lock()
    shutil.rmtree(by_address.places.pool)
    assert carried(by_address.fill(lock)) == {
        "key": by_address.stones.key.public.read_bytes(),
        "sand": b"sand\n",
    }


def test_what_was_changed_in_the_pool_is_fetched_again(by_address: World) -> None:
    lock = by_address.lock()
    by_address.fill(lock)
    for file in (by_address.places.pool / "files").iterdir():
        spoil(file)
    by_address.server.asked.clear()
    assert carried(by_address.fill(lock)) == {
        "key": by_address.stones.key.public.read_bytes(),
        "sand": b"sand\n",
    }
    assert sorted(by_address.server.asked) == ["/KEY", "/sand"]


def test_another_key_at_the_same_address(by_address: World, told: Told) -> None:
    lock = by_address.lock()
    shutil.rmtree(by_address.places.pool)
    (by_address.repository / "KEY").write_bytes(by_address.stones.stranger.public.read_bytes())
    told(lambda: by_address.fill(lock), "wrong-checksum", "wrong-checksum-key")


def test_a_key_that_is_gone(by_address: World, told: Told) -> None:
    lock = by_address.lock()
    shutil.rmtree(by_address.places.pool)
    (by_address.repository / "KEY").unlink()
    told(lambda: by_address.fill(lock), "not-fetched", "not-fetched-key")
    told(by_address.lock, "not-fetched", "not-fetched-key-at-lock")


def test_another_download_at_the_same_address(by_address: World, told: Told) -> None:
    lock = by_address.lock()
    shutil.rmtree(by_address.places.pool)
    (by_address.repository / "sand").write_text("gravel\n")
    told(lambda: by_address.fill(lock), "wrong-checksum", "wrong-checksum-download")
    # Without update it stays as it was; with, it is taken as it is now.
    assert by_address.lock(lock).downloads == lock.downloads
    assert by_address.lock(lock, update=True).downloads != lock.downloads


def test_a_download_that_is_gone(by_address: World, told: Told) -> None:
    lock = by_address.lock()
    shutil.rmtree(by_address.places.pool)
    (by_address.repository / "sand").unlink()
    told(lambda: by_address.fill(lock), "not-fetched", "not-fetched-download")


def test_a_key_that_nobody_has_is_no_reason_to_trust(world: World, lock: Lock) -> None:
    """A repository whose key is missing from the lock never counts as one that needs none."""
    image_set = world.fill(lock)
    site = replace(world.resolved().site, inside=True)
    without = replace(
        image_set, site=replace(site, repositories=(replace(site.repositories[0], key="/etc/KEY"),))
    )
    from buildsys.lock.pool import fill

    filled = fill(without, replace(lock, keys={}), world.places, say=lambda _: None)
    assert filled.site.repositories == ()
