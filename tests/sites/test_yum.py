"""yum within the image: what it installs, what it is refused, what it leaves behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.sites.conftest import Ground, Outcome
from tests.sites.loopback import Web, web_server
from tests.sites.packages import make_key, make_package, make_repository
from tests.sites.sets import tree, write_set

pytestmark = pytest.mark.real

SITE = """\
site: far
installer: yum
inside: true
base: {{image: {base}}}
repositories:
  stones: {{url: "{web}/stones/", key: "{web}/key"}}
"""
BROKEN_OFF = 12
"""More answers than dnf itself asks for before it gives up."""


@dataclass(frozen=True)
class Quarry:
    """A repository, a set that takes packages from it, and its plan."""

    ground: Ground
    web: Web
    folder: Path
    set: Path

    @property
    def plan(self) -> Path:
        return self.set.with_name("plan")

    def write(self) -> None:
        """Write the plan."""
        done = self.ground.buildsys("plan", self.set, "-o", self.plan)
        assert done.status == 0, done.text

    def make(self, *goals: str, **environment: str) -> Outcome:
        """Run it."""
        return self.ground.make(self.plan, "-j4", *goals, environment=environment)

    def log(self, image: str) -> str:
        return (self.plan / f"logs/{image}.log").read_text()

    def result(self, image: str) -> dict[str, str]:
        return dict(json.loads((self.plan / f"results/{image}.json").read_text()))


@pytest.fixture(scope="module")
def quarry(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quarry]:
    place = tmp_path_factory.mktemp("yum")
    stones = place / "web/stones"
    stones.mkdir(parents=True)
    key, stranger = make_key(place / "key", "quarry"), make_key(place / "stranger", "stranger")
    good = [make_package(stones, name) for name in ("stone", "pebble", "gravel", "sand")]
    cracked = make_package(stones, "cracked", post="exit 3")
    key.sign(*good, cracked)
    stranger.sign(make_package(stones, "forged"))
    make_package(stones, "bare")
    make_repository(stones)
    (place / "web/key").write_bytes(key.public.read_bytes())
    with web_server(place / "web") as web:
        port = web.address.rpartition(":")[2]
        recipes = {
            "base": "from: site\npackages: [stone]\n",
            **{
                f"heap-{number}": f"from: base\npackages: [pebble, {other}]\n"
                for number, other in enumerate(("stone", "gravel", "sand", "pebble"))
            },
            "missing": "from: base\npackages:\n  - pebble\n  - no-such-package\n",
            "cracked": "from: base\npackages: [cracked]\n",
            "forged": "from: base\npackages: [forged]\n",
            "bare": "from: base\npackages: [bare]\n",
            "absent": "from: base\nsteps:\n  - remove-packages: [gravel]\n",
            "alone": f"from: base\nsteps:\n  - run: [bash, -c, 'exec 3<>/dev/tcp/127.0.0.1/{port}']\n",
        }
        write_set(place / "quarry", SITE.format(base=ground.base, web=web.address), recipes)
        quarry = Quarry(ground, web, stones, place / "quarry")
        quarry.write()
        yield quarry


@pytest.fixture(scope="module")
def built(quarry: Quarry) -> Outcome:
    return quarry.make()


def test_what_can_be_built_is(quarry: Quarry, built: Outcome) -> None:
    assert "quarry: 11 images: 5 built, 0 fresh, 6 failed" in built.text
    for number, other in enumerate(("stone", "gravel", "sand", "pebble")):
        files = tree(quarry.ground, f"localhost/quarry/heap-{number}:1")
        assert {"usr/share/stone/about", "usr/share/pebble/about", f"usr/share/{other}/about"} <= files


def test_builds_share_what_is_fetched(quarry: Quarry, built: Outcome) -> None:
    for name in ("stone", "pebble", "gravel", "sand"):
        assert quarry.web.count(f"/{name}-1.0-1.el7.noarch.rpm") == 1, built.text


@pytest.mark.parametrize(
    ("image", "spot", "sentence"),
    [
        ("missing", "5:5", "no repository of the site far has a package no-such-package"),
        ("cracked", "3:12", "a scriptlet of cracked-1.0-1.el7.noarch failed; see above"),
        ("forged", "3:12", "no key of the site far signs forged-1.0-1.el7.noarch; it is refused"),
        ("bare", "3:12", "no key of the site far signs bare-1.0-1.el7.noarch; it is refused"),
        ("absent", "4:5", "package gravel is not installed"),
    ],
)
def test_refuses(quarry: Quarry, built: Outcome, image: str, spot: str, sentence: str) -> None:
    where = f"{quarry.set}/images/{image}.yaml:{spot}"
    assert f"error: {where}: {sentence}\n" in quarry.log(image), quarry.log(image)
    assert f"{image} failed at {where}\n" in built.text
    assert f"localhost/quarry/{image}:1" not in quarry.ground.store.names()


def test_a_run_has_no_network(quarry: Quarry, built: Outcome) -> None:
    assert "alone failed at" in built.text
    assert "Network is unreachable" in quarry.log("alone")


def test_nothing_stays_of_what_was_lent(quarry: Quarry, built: Outcome) -> None:
    assert built.status
    before = tree(quarry.ground, quarry.ground.base)
    new = tree(quarry.ground, "localhost/quarry/base:1") - before
    assert new == {"usr/share/stone", "usr/share/stone/about"}
    assert not list(quarry.plan.glob("state/scratch*"))


def test_a_second_run_finds_all_fresh(quarry: Quarry, built: Outcome) -> None:
    assert built.status
    asked = len(quarry.web.asked)
    again = quarry.make("base", "heap-0")
    assert again.status == 0
    assert "2 images: 0 built, 2 fresh" in again.text
    assert quarry.web.asked[asked:] == ["/stones/repodata/repomd.xml"]


def test_a_repository_that_changed_rebuilds(quarry: Quarry, built: Outcome) -> None:
    assert built.status
    quarry.web.drops["repomd.xml"] = 0
    make_package(quarry.folder, "dust")
    make_repository(quarry.folder)
    done = quarry.make("base")
    assert "1 images: 1 built" in done.text or "1 image: 1 built" in done.text, done.text
    assert "repository changed (unlocked: any repository change rebuilds)" in quarry.result("base")["reason"]
