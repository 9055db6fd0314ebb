"""yum within the image: what it installs, what it is refused, what it leaves behind."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.sites.ground import Ground, Outcome, push
from tests.sites.loopback import Web, free_port, web_server
from tests.sites.packages import make_key, make_package, make_repository
from tests.sites.quarry import Quarry, open_quarry
from tests.sites.sets import found, tree, unpacked

pytestmark = pytest.mark.real

SITE = """\
site: far
installer: yum
inside: true
base: {{image: {base}}}
repositories:
  stones: {{url: "{web}/stones/", key: "{web}/key"}}
"""
BROKEN_OFF = 5
"""More answers than an installer itself asks for before it gives up."""


@dataclass(frozen=True)
class Stones:
    """A repository over the web."""

    folder: Path
    web: Web


@pytest.fixture(scope="module")
def stones(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stones]:
    place = tmp_path_factory.mktemp("stones")
    folder = place / "web/stones"
    folder.mkdir(parents=True)
    key, stranger = make_key(place / "key", "quarry"), make_key(place / "stranger", "stranger")
    good = [make_package(folder, name) for name in ("stone", "pebble", "gravel", "sand")]
    cracked = make_package(folder, "cracked", post="exit 3")
    key.sign(*good, cracked)
    stranger.sign(make_package(folder, "forged"))
    make_package(folder, "bare")
    make_repository(folder)
    (place / "web/key").write_bytes(key.public.read_bytes())
    (place / "web/program").write_text("#!/bin/sh\n")
    with web_server(place / "web") as web:
        yield Stones(folder, web)


@pytest.fixture(scope="module")
def quarry(ground: Ground, stones: Stones, tmp_path_factory: pytest.TempPathFactory) -> Quarry:
    port = stones.web.address.rpartition(":")[2]
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
    site = SITE.format(base=ground.base, web=stones.web.address)
    return open_quarry(ground, tmp_path_factory.mktemp("yum") / "quarry", site, recipes)


@pytest.fixture(scope="module")
def built(quarry: Quarry) -> Outcome:
    return quarry.make()


def test_what_can_be_built_is(quarry: Quarry, built: Outcome) -> None:
    assert "quarry: 11 images: 5 built, 0 fresh, 6 failed" in built.text
    for number, other in enumerate(("stone", "gravel", "sand", "pebble")):
        files = tree(quarry.ground.store, f"localhost/quarry/heap-{number}:1")
        assert {"usr/share/stone/about", "usr/share/pebble/about", f"usr/share/{other}/about"} <= files


def test_builds_share_what_is_fetched(stones: Stones, built: Outcome) -> None:
    for name in ("stone", "pebble", "gravel", "sand"):
        assert stones.web.count(f"/{name}-1.0-1.el7.noarch.rpm") == 1, built.text


@pytest.mark.parametrize(
    ("image", "spot", "sentence"),
    [
        ("missing", "5:5", "no repository of the site far has a package no-such-package"),
        ("cracked", "3:12", "a scriptlet of cracked-1.0-1.el7.noarch failed; see above"),
        ("forged", "3:12", "no key of the site far signs forged-1.0-1.el7.noarch; it is not installed"),
        ("bare", "3:12", "no key of the site far signs bare-1.0-1.el7.noarch; it is not installed"),
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
    # A server listens there, on the loopback of the host.
    assert "Connection refused" in quarry.log("alone")


def test_nothing_stays_of_what_was_lent(quarry: Quarry, built: Outcome) -> None:
    assert built.status
    before = tree(quarry.ground.store, quarry.ground.base)
    new = tree(quarry.ground.store, "localhost/quarry/base:1") - before
    assert new == {"usr/share/stone", "usr/share/stone/about"}
    assert not list(quarry.plan.glob("state/scratch*"))


def test_a_second_run_finds_all_fresh(quarry: Quarry, stones: Stones, built: Outcome) -> None:
    assert built.status
    asked = len(stones.web.asked)
    again = quarry.make("base", "heap-0")
    assert again.status == 0
    assert "2 images: 0 built, 2 fresh" in again.text
    assert stones.web.asked[asked:] == ["/stones/repodata/repomd.xml"]


def test_a_repository_out_of_reach_is_taken_as_unchanged(
    quarry: Quarry, stones: Stones, built: Outcome
) -> None:
    assert built.status
    stones.web.drops["repomd.xml"] = 1
    again = quarry.make("base")
    assert again.status == 0
    assert "note: the repository stones cannot be reached; it counts as unchanged\n" in again.text
    assert "0 built, 1 fresh" in again.text


def test_a_repository_that_changed_rebuilds(quarry: Quarry, stones: Stones, built: Outcome) -> None:
    assert built.status
    make_package(stones.folder, "dust")
    make_repository(stones.folder)
    done = quarry.make("base")
    assert "1 built, 0 fresh" in done.text, done.text
    assert quarry.result("base")["reason"] == "repository changed (unlocked: any repository change rebuilds)"


def test_a_base_that_changed_rebuilds_when_asked(quarry: Quarry, ground: Ground) -> None:
    built = quarry.make("base")
    assert built.status == 0
    container = ground.store.buildah("from", "--pull-never", ground.base).strip()
    ground.store.buildah("config", "--label", "newer=yes", container)
    push(ground, ground.store.buildah("commit", "--quiet", "--rm", container).strip(), ground.base)
    assert "0 built, 1 fresh" in quarry.make("base").text
    done = quarry.make("base", BS_PULL="1")
    assert "1 built, 0 fresh" in done.text, done.text
    assert quarry.result("base")["reason"] == f"parent changed: {ground.base}"


def test_a_broken_connection_is_tried_again(ground: Ground, stones: Stones, tmp_path: Path) -> None:
    site = SITE.format(base=ground.base, web=stones.web.address)
    quarry = open_quarry(ground, tmp_path / "broken", site, {"base": "from: site\npackages: [sand]\n"})
    stones.web.drops["/sand-1.0-1.el7.noarch.rpm"] = BROKEN_OFF
    done = quarry.make()
    assert done.status == 0, done.text
    assert "base: attempt 1 failed, trying again in 1 s\n" in quarry.log("base")


def test_a_repository_that_cannot_be_read(ground: Ground, stones: Stones, tmp_path: Path) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    site = SITE.format(base=ground.base, web=stones.web.address).replace(
        f"{stones.web.address}/stones/", nobody
    )
    quarry = open_quarry(ground, tmp_path / "nobody", site, {"base": "from: site\npackages: [sand]\n"})
    done = quarry.make(BS_PAUSE="0")
    assert done.status
    # What make prints of a failed step is kept apart.
    assert "] Error 75\n" in (quarry.plan / "state/make.errors").read_text()
    place = re.escape(f"error: {quarry.set}/images/base.yaml:3:12: the repository stones cannot be read: ")
    hint = re.escape(f"  hint: is {nobody} in reach from here?\n")
    # The cause is curl's sentence, which differs between its versions.
    assert re.search(rf"{place}[^\n]*connect[^\n]*\n{hint}", quarry.log("base")), quarry.log("base")


def test_a_proxy_stays_outside(ground: Ground, stones: Stones, tmp_path: Path) -> None:
    site = SITE.format(base=ground.base, web="http://stones.example")
    recipes = {"base": "from: site\npackages: [sand]\nsteps:\n  - run: env >/environment\n"}
    quarry = open_quarry(ground, tmp_path / "proxied", site, recipes)
    proxy = stones.web.address.replace("//", "//proxy-user:proxy-password@")
    done = quarry.make(http_proxy=proxy, no_proxy="127.0.0.1")
    assert done.status == 0, done.text
    assert "http://stones.example/stones/repodata/repomd.xml" in stones.web.asked
    image = unpacked(ground.store, "localhost/proxied/base:1", tmp_path / "image")
    assert (image / "environment").is_file()
    for folder in (quarry.plan, image):
        assert found(folder, "proxy-user", "proxy-password") == []


def test_downloads_are_fetched_once_and_held_to_their_checksum(
    ground: Ground, stones: Stones, tmp_path: Path
) -> None:
    address = f"{stones.web.address}/program"
    right, wrong = hashlib.sha256(b"#!/bin/sh\n").hexdigest(), "0" * 64
    site = SITE.format(base=ground.base, web=stones.web.address) + (
        "downloads:\n"
        f'  https://example.org/mirrored: {{url: {address}, sha256: "{right}"}}\n'
        f'  https://example.org/changed: {{url: {address}, sha256: "{wrong}"}}\n'
        f"  {address}: {{unverified: true}}\n"
    )
    recipes = {
        name: f"from: site\nsteps:\n  - download: {url}\n    to: /usr/bin/program\n    mode: '755'\n"
        for name, url in {
            "mirrored": "https://example.org/mirrored",
            "again": "https://example.org/mirrored",
            "changed": "https://example.org/changed",
            "unverified": address,
        }.items()
    }
    quarry = open_quarry(ground, tmp_path / "downloads", site, recipes)
    done = quarry.make()
    assert "4 images: 3 built, 0 fresh, 1 failed" in done.text, done.text
    assert stones.web.asked.count("/program") == 3
    assert f"note: the download {address} is not verified\n" in done.text
    assert (
        f"error: {quarry.set}/images/changed.yaml:4:5: the checksum of {address} is wrong: "
        f"its sha256 is {right}, not {wrong}\n"
    ) in quarry.log("changed")
    assert f"fetched {address}, sha256 {right}\n" in quarry.log("unverified")
    image = unpacked(ground.store, "localhost/downloads/mirrored:1", tmp_path / "image")
    assert (image / "usr/bin/program").read_text() == "#!/bin/sh\n"
    assert (image / "usr/bin/program").stat().st_mode & 0o7777 == 0o755
