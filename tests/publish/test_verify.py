"""`verify` reads everything back, and tells what was changed behind its back."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.publish.conftest import Bench, Running, only
from tests.stores import store

pytestmark = pytest.mark.real


def digest_of(bench: Bench, image: str) -> str:
    """What was recorded of an image."""
    (file,) = (bench.plan / "state/publish").glob("*.json")
    found: str = json.loads(file.read_text())["published"][image]["digest"]
    return found


def test_a_registry_is_as_it_was_published_until_somebody_changes_it(bench: Bench, registry: Running) -> None:
    only(bench.publish(registry.destination, tags=("2020",)))
    done = bench.run("verify", "--at", registry.destination)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"{registry.destination}: 5 images, 10 tags, 11 blobs: as they were published\n"

    # A layer that rots on the registry's disk: large, and only `two` has it.
    data = registry.place / "data/docker/registry/v2"
    large = max((data / "blobs").rglob("data"), key=lambda path: path.stat().st_size)
    kept = large.read_bytes()
    large.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    done = bench.run("verify", "--at", registry.destination)
    assert done.returncode == 1
    (row,) = done.stdout.splitlines()
    image, reference, wrong = row.split("\t")
    assert (image, reference) == ("two", "tests/t-two")
    assert wrong.startswith(f"sha256:{large.parent.name} is sha256:")
    assert done.stderr == f"{registry.destination}: 5 images, 10 tags, 11 blobs: 1 wrong\n"
    # What it says that it has it is not sent again; what it has lost comes with the next publish.
    large.unlink()
    assert "is missing" in bench.run("verify", "--at", registry.destination).stdout
    again = only(bench.publish(registry.destination, tags=("2020",)))
    assert (again.images, again.blobs, again.tags) == (1, 1, 0)
    assert large.read_bytes() == kept
    assert bench.run("verify", "--at", registry.destination).returncode == 0

    # A tag that somebody else moved, a tag that is gone.
    tags = data / "repositories/tests"
    (tags / "t-one/_manifests/tags/1/current/link").write_text(digest_of(bench, "two"))
    (tags / "t-two/_manifests/tags/2020/current/link").unlink()
    done = bench.run("verify", "--at", registry.destination)
    assert done.returncode == 1
    assert [row.split("\t")[:2] for row in done.stdout.splitlines()] == [
        ["one", "tests/t-one:1"],
        ["two", "tests/t-two:2020"],
    ]
    assert "there is no such tag" in done.stdout


def test_a_registry_that_is_located_elsewhere(
    bench: Bench, registry: Running, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    conf = tmp_path / "elsewhere.conf"
    conf.write_text(
        f'[[registry]]\nprefix = "pub.example/a"\nlocation = "{registry.host}/x/y"\ninsecure = true\n'
    )
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(conf))
    only(bench.publish("docker://pub.example/a"))
    assert len(registry.tags("x/y")) == 5
    done = bench.run("verify", "--at", "docker://pub.example/a")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    again = only(bench.publish("docker://pub.example/a"))
    assert (again.images, again.blobs, again.tags) == (0, 0, 0)


def turn_a_byte(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


@pytest.mark.parametrize("kind", ["oci", "dir", "oci-archive", "docker-archive"])
def test_files_are_as_they_were_published_until_somebody_changes_them(
    bench: Bench, tmp_path: Path, kind: str
) -> None:
    place = f"{kind}:{tmp_path}/out"
    only(bench.publish(place))
    done = bench.run("verify", "--at", place)
    assert (done.returncode, done.stdout) == (0, "")
    large = [
        path for path in (tmp_path / "out").rglob("*") if path.is_file() and path.stat().st_size > 2 << 20
    ]
    file = next(path for path in large if not path.is_symlink())
    kept = file.read_bytes()
    for change in (turn_a_byte, Path.unlink):
        change(file)
        done = bench.run("verify", "--at", place)
        assert done.returncode == 1
        assert done.stdout.startswith("two\t")
        # What is found wrong the next publish brings anew.
        only(bench.publish(place))
        assert file.read_bytes() == kept
        done = bench.run("verify", "--at", place)
        assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("kind", ["oci", "dir"])
def test_what_all_images_share_is_mended_for_all_of_them(bench: Bench, tmp_path: Path, kind: str) -> None:
    place = f"{kind}:{tmp_path}/out"
    only(bench.publish(place))
    base = max(
        (path for path in (tmp_path / "out").rglob("*") if path.is_file() and "t-two" not in str(path)),
        key=lambda path: (path.stat().st_size < 3 << 20, path.stat().st_size),
    )
    base.write_bytes(bytes(base.stat().st_size))
    assert bench.run("verify", "--at", place).returncode == 1
    only(bench.publish(place))
    done = bench.run("verify", "--at", place)
    assert (done.returncode, done.stdout) == (0, "")
    for file in (tmp_path / "out").rglob(base.name):
        assert any(file.read_bytes())
    # A file that is gone is seen without being looked for.
    base.unlink()
    only(bench.publish(place))
    assert bench.run("verify", "--at", place).returncode == 0


def rewritten(file: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    """An archive with other files in it, and the sum of that."""
    with tarfile.open(file) as archive:
        files = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]
    change(files)
    with tarfile.open(file, "w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    sums = file.with_name("SHA256SUMS")
    mine = hashlib.sha256(file.read_bytes()).hexdigest()
    lines = [line for line in sums.read_text().splitlines() if not line.endswith(f"  {file.name}")]
    sums.write_text("".join(f"{line}\n" for line in [*lines, f"{mine}  {file.name}"]))


def without_blobs(files: dict[str, bytes]) -> None:
    for name in [name for name in files if name.startswith("blobs/") or name.endswith(".tar")]:
        del files[name]


def other_layers(files: dict[str, bytes]) -> None:
    row = json.loads(files["manifest.json"])[0]
    row["Layers"].reverse()
    files["manifest.json"] = json.dumps([row]).encode()


@pytest.mark.parametrize(
    ("kind", "change", "wrong"),
    [
        ("oci-archive", without_blobs, "is missing"),
        ("docker-archive", without_blobs, "is missing"),
        ("docker-archive", other_layers, "holds sha256:"),
        ("oci-archive", dict.clear, "is not an archive of an image: filename 'manifest.json' not found"),
    ],
)
def test_an_archive_is_more_than_its_sum(
    bench: Bench, tmp_path: Path, kind: str, change: Callable[[dict[str, bytes]], None], wrong: str
) -> None:
    place = f"{kind}:{tmp_path}/out"
    only(bench.publish(place))
    assert bench.run("verify", "--at", place).returncode == 0
    rewritten(tmp_path / "out/one.tar", change)
    done = bench.run("verify", "--at", place)
    assert done.returncode == 1
    assert done.stdout.startswith("one\tone.tar\t")
    assert wrong in done.stdout
    only(bench.publish(place))
    assert bench.run("verify", "--at", place).returncode == 0


def test_a_store_is_as_it_was_published_until_somebody_changes_it(bench: Bench) -> None:
    with TemporaryDirectory(prefix="bs-'") as short, store(Path(short)) as other:
        place = f"containers-storage:[overlay@{other.root}+{other.runroot}]"
        only(bench.publish(place))
        done = bench.run("verify", "--at", place)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        other.buildah("tag", "localhost/tests/t-one:1", "localhost/tests/t-two:1")
        other.buildah("rmi", "localhost/tests/t-other:1")
        done = bench.run("verify", "--at", place)
        assert done.returncode == 1
        ids = {name: (bench.plan / f"state/{name}.id").read_text().strip() for name in ("one", "two")}
        assert sorted(done.stdout.splitlines(), reverse=True) == [
            f"two\tlocalhost/tests/t-two:1\tleads to sha256:{ids['one']}, not sha256:{ids['two']}",
            "other\tlocalhost/tests/t-other:1\tthere is no such tag",
        ]


def test_what_was_never_published_cannot_be_verified(bench: Bench, tmp_path: Path) -> None:
    done = bench.run("verify", "--at", f"oci:{tmp_path}/none")
    assert done.returncode == 2
    assert done.stderr == (
        f"error: plan was not published to oci:{tmp_path}/none from this plan [not-published]\n"
        f"  hint: `buildsys publish plan --to oci:{tmp_path}/none` publishes it\n"
    )
