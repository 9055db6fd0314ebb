"""`compare` on images of a real container store: how they are named, what is said, how it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from buildsys import cli
from tests.stores import Store, store

pytestmark = pytest.mark.real


@dataclass(frozen=True)
class Pair:
    """A store with two images that differ in one file of the second layer."""

    store: Store
    ids: tuple[str, str]

    def compare(self, *words: str) -> int:
        """Run `buildsys compare` on the store; the exit status."""
        return cli.run(["compare", "--store", self.store.options, *words])


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    place = tmp_path_factory.mktemp("compare")
    with store(place / "store") as made:
        made.buildah("from", "--name", "base", "scratch")
        (place / "base").write_text("below")
        made.buildah("copy", "--quiet", "base", str(place / "base"), "/base")
        made.buildah("commit", "--quiet", "--timestamp", "0", "--rm", "base", "localhost/demo/base:1")
        ids = []
        for name in ("a", "b"):
            made.buildah("from", "--pull-never", "--name", name, "localhost/demo/base:1")
            (place / name).write_text(f"image {name}")
            made.buildah("copy", "--quiet", name, str(place / name), "/etc/motd")
            made.buildah(
                "commit",
                "--quiet",
                "--timestamp",
                "0",
                "--omit-history",
                "--rm",
                name,
                f"localhost/demo/{name}:1",
            )
            ids.append(made.names()[f"localhost/demo/{name}:1"].removeprefix("sha256:"))
        yield Pair(made, (ids[0], ids[1]))


def test_text(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    assert pair.compare("localhost/demo/a:1", "localhost/demo/b:1") == 1
    said = capsys.readouterr()
    (row,) = said.out.splitlines()
    assert row.split("\t")[:3] == ["layer 2", "/etc/motd", "content"]
    assert row.split("\t")[3].startswith("7 bytes, sha256 ")
    assert said.err == ""


def test_equal(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    pair.store.buildah("tag", "localhost/demo/a:1", "localhost/demo/again:1")
    assert pair.compare("demo/a:1", "localhost/demo/again:1") == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", f"equal: both are {pair.ids[0]}\n")


def test_ids_and_other_places(pair: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pair.store.buildah("push", "--quiet", pair.ids[0], f"oci:{tmp_path}/copy")
    assert pair.compare(pair.ids[0][:12], f"oci:{tmp_path}/copy") == 0
    assert pair.compare(pair.ids[0], pair.ids[1], "--json") == 1
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["where"], row["path"], row["what"]) == ("layer 2", "/etc/motd", "content")


def test_limit(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    names = ("localhost/demo/base:1", "localhost/demo/b:1")
    assert pair.compare(*names, "--limit", "0") == 1
    every = capsys.readouterr().out.splitlines()
    assert len(every) > 1
    assert every[-1].split("\t") == ["layer 2", "", "only one has it", "of 1", "of 2"]
    assert pair.compare(*names, "--limit", "1") == 1
    said = capsys.readouterr()
    assert said.out.splitlines() == every[:1]
    assert said.err == "there is more: --limit 0 names all\n"
    assert pair.compare(*names, "--limit", str(len(every))) == 1
    assert capsys.readouterr().err == ""


def test_the_store_is_left_as_it_was(pair: Pair) -> None:
    before = pair.store.buildah("images", "--all"), pair.store.buildah("containers", "--all")
    assert pair.compare("localhost/demo/a:1", "localhost/demo/b:1") == 1
    assert (pair.store.buildah("images", "--all"), pair.store.buildah("containers", "--all")) == before


def test_an_image_that_is_not_there(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    assert pair.compare("localhost/demo/a:1", "localhost/demo/c:1") == 2
    assert capsys.readouterr().err == (
        "error: the container store has no image 'localhost/demo/c:1' [missing-image]\n"
        f"  hint: `buildah {pair.store.options} images` lists its images; "
        "for another place write TRANSPORT:NAME\n"
    )


def test_a_place_that_is_not_there(pair: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert pair.compare("localhost/demo/a:1", f"dir:{tmp_path}/nothing") == 2
    assert capsys.readouterr().err.startswith(f"error: 'dir:{tmp_path}/nothing' cannot be read: ")
