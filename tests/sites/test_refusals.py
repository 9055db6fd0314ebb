"""What installers on the host are refused: dnf against a root, and rpm with the exact files of a lock."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from buildsys.image import (
    BaseImage,
    Bootstrap,
    EmptyRoot,
    Image,
    Install,
    LockedPackage,
    PackageName,
    Repository,
    Transaction,
)
from tests.plan.sets import image, image_set, package, site
from tests.runtime.builds import Build
from tests.sites.packages import make_key, make_package, make_repository
from tests.stores import Store, store

pytestmark = pytest.mark.real

NAMES = ("ground", "good", "cracked", "forged", "bare", "nosy")
SEE = """\
-p <lua>
local file = io.open('/seen', 'w')
for _, name in ipairs({'http_proxy', 'HOSTNAME'}) do file:write(tostring(os.getenv(name))) end
"""
SCRIPTLETS = {"cracked": "-p <lua>\nerror('it does not fit')", "nosy": SEE}


@dataclass(frozen=True)
class Quarry:
    """A repository in a folder."""

    folder: Path
    key: Path

    @property
    def repository(self) -> Repository:
        return Repository("stones", str(self.folder), "", str(self.key), "0" * 64)

    def locked(self, name: str) -> LockedPackage:
        """A package of it as a lock names it."""
        file = self.folder / f"{name}-1.0-1.el7.noarch.rpm"
        checksum = hashlib.sha256(file.read_bytes()).hexdigest()
        return LockedPackage(name, "0", "1.0", "1.el7", "noarch", "stones", f"sha256:{checksum}", file.name)


@pytest.fixture(scope="module")
def quarry(tmp_path_factory: pytest.TempPathFactory) -> Quarry:
    place = tmp_path_factory.mktemp("quarry")
    folder = place / "stones"
    folder.mkdir()
    key, stranger = make_key(place / "key", "quarry"), make_key(place / "stranger", "stranger")
    made = {name: make_package(folder, name, post=SCRIPTLETS.get(name, "")) for name in NAMES}
    key.sign(*(made[name] for name in ("ground", "good", "cracked", "nosy")))
    stranger.sign(made["forged"])
    make_repository(folder)
    return Quarry(folder, key.public)


@pytest.fixture
def stone_store(tmp_path: Path) -> Iterator[Store]:
    with store(tmp_path / "store") as made:
        yield made


def recipes(quarry: Quarry, names: tuple[str, ...], *, locked: bool) -> list[Image]:
    """A base from nothing, and an image for each package that asks for it, and for another that is good."""

    def install(*asked: PackageName) -> Install | Transaction:
        files = tuple(quarry.locked(item.name) for item in asked) if locked else ()
        return Transaction(packages=files, requested=asked) if locked else Install(packages=asked)

    ground = package("ground", "base", 3)
    first = install(ground) if locked else Bootstrap(packages=(ground,))
    return [image("base", EmptyRoot(), first)] + [
        image(name, "base", install(package("good", name, 4), package(name, name, 5))) for name in names
    ]


def build(
    quarry: Quarry, made: Store, place: Path, images: list[Image], *, locked: bool
) -> tuple[Build, str]:
    """Run the plan of these images; it must fail."""
    done_by = Build(place / "plan", made)
    done_by.compile(image_set(place, images, at=site(repositories=(quarry.repository,), locked=locked)))
    done = done_by.run("JOBS=4")
    assert done.returncode == 2
    return done_by, done.stderr


@pytest.mark.parametrize("locked", [False, True], ids=["dnf", "rpm"])
def test_signatures_and_scriptlets(quarry: Quarry, stone_store: Store, tmp_path: Path, locked: bool) -> None:  # noqa: FBT001 - a parameter of pytest
    names = ("cracked", "forged", "bare", "good")
    build_, said = build(quarry, stone_store, tmp_path, recipes(quarry, names, locked=locked), locked=locked)
    for name, sentence in {
        "cracked": "a scriptlet of cracked-1.0-1.el7.noarch failed; see above",
        "forged": "no key of the site none signs forged-1.0-1.el7.noarch; it is not installed",
        "bare": "no key of the site none signs bare-1.0-1.el7.noarch; it is not installed",
    }.items():
        log = (build_.plan / f"logs/{name}.log").read_text()
        where = f"recipes/tiny/images/{name}.yaml:5:12"
        assert f"error: {where}: {sentence}\n" in log, log
        assert f"{name} failed at {where}\n" in said
    assert ": 5 images: 2 built, 0 fresh, 3 failed" in said
    assert {name for name in stone_store.names() if "/tests/" in name} == {
        "localhost/tests/t-base:1",
        "localhost/tests/t-good:1",
    }


def test_a_package_that_does_not_exist(quarry: Quarry, stone_store: Store, tmp_path: Path) -> None:
    build_, said = build(
        quarry, stone_store, tmp_path, recipes(quarry, ("dust",), locked=False), locked=False
    )
    where = "recipes/tiny/images/dust.yaml:5:12"
    log = (build_.plan / "logs/dust.log").read_text()
    assert f"error: {where}: no repository of the site none has a package dust\n" in log
    assert f"dust failed at {where}\n" in said


def test_a_file_that_is_not_the_locked_one(quarry: Quarry, stone_store: Store, tmp_path: Path) -> None:
    own = tmp_path / "stones"
    shutil.copytree(quarry.folder, own)
    images = recipes(quarry, ("good",), locked=True)
    shutil.copy(own / "ground-1.0-1.el7.noarch.rpm", own / "good-1.0-1.el7.noarch.rpm")
    build_, _ = build(Quarry(own, quarry.key), stone_store, tmp_path, images, locked=True)
    assert (
        "error: a package of the pool differs from the lock: good-1.0-1.el7.noarch.rpm\n"
        in (build_.plan / "logs/good.log").read_text()
    )


@pytest.mark.parametrize("locked", [False, True], ids=["dnf", "rpm"])
def test_scriptlets_know_nothing_of_the_host(
    quarry: Quarry,
    stone_store: Store,
    tmp_path: Path,
    locked: bool,  # noqa: FBT001 - a parameter of pytest
) -> None:
    done_by = Build(tmp_path / "plan", stone_store)
    images = recipes(quarry, ("nosy",), locked=locked)
    done_by.compile(image_set(tmp_path, images, at=site(repositories=(quarry.repository,), locked=locked)))
    done_by.built(http_proxy="http://secret.example", HOSTNAME="somewhere")
    with done_by.mounted("localhost/tests/t-nosy:1") as root:
        assert (root / "seen").read_text() == "nilnil"


@pytest.mark.parametrize("locked", [False, True], ids=["dnf", "rpm"])
def test_a_root_whose_logs_lead_out_of_it(
    quarry: Quarry,
    stone_store: Store,
    tmp_path: Path,
    locked: bool,  # noqa: FBT001 - a parameter of pytest
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    container = stone_store.buildah("from", "scratch").strip()
    root = Path(stone_store.buildah("mount", container).strip())
    (root / "var").mkdir()
    (root / "var/log").symlink_to(outside)
    stone_store.buildah("commit", "--quiet", "--rm", container, "localhost/trap:1")
    asked = package("good", "base", 4)
    step = (
        Transaction(packages=(quarry.locked("good"),), requested=(asked,))
        if locked
        else Install(packages=(asked,))
    )
    images = [image("base", BaseImage("localhost/trap:1"), step)]
    done_by = Build(tmp_path / "plan", stone_store)
    done_by.compile(image_set(tmp_path, images, at=site(repositories=(quarry.repository,), locked=locked)))
    done = done_by.run()
    assert list(outside.iterdir()) == []
    assert done.returncode == 0, done.stderr
