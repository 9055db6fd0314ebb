"""Base images: which one a name means, what is in it, and locks of images that are made from it."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from buildsys.diagnostics import Spot
from buildsys.lock import bases
from buildsys.lock.bases import digest_of, look_at, pinned
from tests.lock.test_rebuilds import BUILDSYS, build, installed, noarch, summary
from tests.lock.test_solve import LATER
from tests.lock.world import FIRST, SITE, Told, World, rows
from tests.stores import Store, store

DIGEST = "sha256:" + "a" * 64
SPOT = Spot("demo/images/base.yaml", 2, 7)


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("docker.io/library/centos:7", "docker.io/library/centos"),
        ("127.0.0.1:5000/library/centos", "127.0.0.1:5000/library/centos"),
        ("127.0.0.1:5000/library/centos:7", "127.0.0.1:5000/library/centos"),
        (f"localhost/rock@{DIGEST}", "localhost/rock"),
        (f"localhost/rock:1@{DIGEST}", "localhost/rock"),
    ],
)
def test_by_digest(reference: str, name: str) -> None:
    assert pinned(reference, DIGEST) == f"{name}@{DIGEST}"


def test_one_that_is_named_by_digest_is_that_one() -> None:
    assert digest_of(f"docker.io/library/centos@{DIGEST}", SPOT, "") == DIGEST


def test_a_registry_that_does_not_answer(world: World, told: Told) -> None:
    world.site(SITE.replace("bootstrap: [ground]", "image: 127.0.0.1:1/rock:1"))
    told(world.lock, "base-unreachable")


# ── out of layers ───────────────────────────────────────────────────────────────────────────────────────────


def layer(files: Mapping[str, bytes]) -> bytes:
    """A layer with these files, packed."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("var/lib/rpm/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return stream.getvalue()


def image(folder: Path, *layers: bytes) -> None:
    """An image of these layers, as skopeo keeps one in a folder."""
    folder.mkdir()

    def blob(content: bytes, kind: str) -> dict[str, object]:
        name = hashlib.sha256(content).hexdigest()
        (folder / name).write_bytes(content)
        media = f"application/vnd.oci.image.{kind}"
        return {"mediaType": media, "digest": f"sha256:{name}", "size": len(content)}

    config = blob(
        json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {}}).encode(), "config.v1+json"
    )
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config,
        "layers": [blob(content, "layer.v1.tar+gzip") for content in layers],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "version").write_text("Directory Transport Version: 1.1\n")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the image lies that every reference means."""
    monkeypatch.setattr(bases, "_source", lambda *_: f"dir:{tmp_path}/image")
    return tmp_path / "image"


def test_upper_layers_win_and_take_away(folder: Path, tmp_path: Path) -> None:
    image(
        folder,
        layer(
            {
                "./var/lib/rpm/Packages": b"old",
                "var/lib/rpm/Name": b"gone",
                "var/lib/rpm/sub/file": b"gone",
                "usr/lib/sysimage/rpm/rpmdb.sqlite": b"gone",
                "etc/pki/rpm-gpg/KEY": b"key",
                "etc/shadow": b"secret",
                "var/lib/rpm/../../../../escaped": b"no",
            }
        ),
        layer(
            {
                "var/lib/rpm/Packages": b"new",
                "var/lib/rpm/.wh.Name": b"",
                "var/lib/rpm/.wh.sub": b"",
                "usr/lib/.wh.sysimage": b"",
            }
        ),
    )
    base = look_at("example.org/rock:1", DIGEST, SPOT, "", tmp_path / "bases")
    found = {
        str(path.relative_to(base.root)): path.read_bytes() for path in base.root.rglob("*") if path.is_file()
    }
    assert found == {"var/lib/rpm/Packages": b"new", "etc/pki/rpm-gpg/KEY": b"key"}
    assert base.database == "var/lib/rpm"
    assert base.file("/etc/pki/rpm-gpg/KEY") == base.root / "etc/pki/rpm-gpg/KEY"
    assert base.file("/etc/pki/rpm-gpg/NONE") is None


def test_it_is_fetched_once(folder: Path, tmp_path: Path) -> None:
    image(folder, layer({"var/lib/rpm/.wh..wh..opq": b"", "usr/lib/sysimage/rpm/rpmdb.sqlite": b"db"}))
    first = look_at("example.org/rock:1", DIGEST, SPOT, "", tmp_path / "bases")
    (folder / "manifest.json").unlink()
    assert look_at("example.org/rock:1", DIGEST, SPOT, "", tmp_path / "bases") == first
    assert first.database == "usr/lib/sysimage/rpm"
    assert [path.name for path in (tmp_path / "bases").iterdir()] == [DIGEST.replace(":", "-")]


def test_a_base_without_packages_has_no_database(folder: Path, tmp_path: Path) -> None:
    image(folder, layer({"bin/sh": b""}))
    assert look_at("example.org/rock:1", DIGEST, SPOT, "", tmp_path / "bases").database == ""


def test_a_layer_that_cannot_be_read(
    folder: Path, tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(SPOT.file).parent.mkdir(parents=True)
    Path(SPOT.file).write_text("image: base\nfrom: site\n")
    image(folder, b"\x28\xb5\x2f\xfd packed in some other way")
    told(lambda: look_at("example.org/rock:1", DIGEST, SPOT, "", tmp_path / "bases"), "base-unreadable")


# ── images made from a base ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def rock(world: World) -> Iterator[Store]:
    """The store of a world whose base is an image with packages in it, built by another set."""
    with store(world.place / "store") as made:
        world.recipe("middle", "from: base\npackages: [libmid, old-name]\n")
        assert world.buildsys("lock", "demo/").returncode == 0
        done = build(world, "middle")
        assert done.returncode == 0, done.stderr
        made.buildah("tag", "localhost/demo/middle:1", "localhost/rock:1")
        world.lock_file.unlink()
        world.site(SITE.replace("bootstrap: [ground]", "image: localhost/rock:1"))
        for name, text in {"base": "from: site\n", "middle": "from: base\npackages: [mid]\n"}.items():
            world.recipe(name, text)
        yield made


@pytest.mark.real
def test_what_the_base_holds_is_installed(world: World, rock: Store) -> None:
    assert world.buildsys("lock", "demo/").returncode == 0
    lock = world.lock()
    assert rows(lock) == {
        "base": [],
        "middle": ["mid-1.0-1.noarch"],
        "tip": ["leaf-1.0-1.noarch"],
        "side": ["other-1.0-1.noarch"],
    }
    assert lock.bases["localhost/rock:1"].startswith("sha256:")
    done = build(world)
    assert (done.returncode, summary(done)) == (0, "demo: 4 images: 4 built, 0 fresh"), done.stderr
    names = ("ground-1.0-1", "leaf-1.0-1", "libmid-1.0-1", "mid-1.0-1", "old-name-1.0-1")
    assert installed(rock, "tip") == noarch(*names)
    step = (world.place / "build/demo/steps/base.sh").read_text()
    assert f"BASE=localhost/rock@{lock.bases['localhost/rock:1']}\n" in step
    assert summary(build(world)) == "demo: 4 images: 0 built, 4 fresh"


@pytest.mark.real
def test_updates_and_removals_of_what_the_base_holds(world: World, rock: Store) -> None:
    world.packages(*FIRST, "libmid-1.1", "new-name-1.1", "wants-new-1.1", time=LATER)
    world.recipe("base", "from: site\nsteps:\n  - remove-packages: [old-name]\n")
    world.recipe("middle", "from: base\npackages: [wants-new]\n")
    world.recipe("tip", "from: middle\npackages: [libmid]\n")
    world.recipe("side", "from: site\nsteps:\n  - update: true\n")
    assert world.buildsys("lock", "demo/").returncode == 0
    # new-name obsoletes old-name, so it is an update of that.
    assert rows(world.lock()) == {
        "base": [],
        "middle": ["libmid-1.1-1.noarch", "wants-new-1.1-1.noarch"],
        "tip": [],
        "side": ["libmid-1.1-1.noarch", "new-name-1.1-1.noarch"],
    }
    done = world.command(BUILDSYS, "build", "demo/")
    assert done.returncode == 0, done.stderr
    assert installed(rock, "tip") == noarch("ground-1.0-1", "libmid-1.1-1", "wants-new-1.1-1")
    assert installed(rock, "side") == noarch("ground-1.0-1", "libmid-1.1-1", "new-name-1.1-1")


@pytest.mark.real
def test_a_base_that_moved(world: World, rock: Store) -> None:
    assert world.buildsys("lock", "demo/").returncode == 0
    assert world.buildsys("lock", "demo/", "--check").returncode == 0
    container = rock.buildah("from", "localhost/rock:1").strip()
    rock.buildah("config", "--label", "moved=yes", container)
    rock.buildah("commit", "--quiet", "--rm", container, "localhost/rock:1")
    done = world.buildsys("lock", "demo/", "--check")
    assert done.returncode == 1
    (row,) = done.stdout.splitlines()
    image_name, name, old, arrow, new = row.split("\t")
    assert (image_name, name, arrow) == ("(base image)", "localhost/rock:1", "->")
    assert old != new
    # It stays what it was until it is told to move.
    assert world.buildsys("lock", "demo/").stdout == ""
    assert world.buildsys("lock", "demo/", "side", "--update").stdout == ""
    assert world.buildsys("lock", "demo/", "base", "--update").stdout == done.stdout


def test_a_database_that_rpm_cannot_read(
    world: World, folder: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    image(folder, layer({"var/lib/rpm/rpmdb.sqlite": b"this is no database"}))
    monkeypatch.setattr("buildsys.lock.contents.digest_of", lambda *_: DIGEST)
    world.site(SITE.replace("bootstrap: [ground]", "image: example.org/rock:1"))
    told(world.lock, "base-unreadable", "base-unreadable-database")
