"""new: a set that builds as it is. The tutorial builds one; here is what is written, and what is refused."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from buildsys import cli
from buildsys.pipeline import Pipeline

if TYPE_CHECKING:
    from tests.cli.conftest import Fake

NEXT = "next:\n  buildsys check {0}\n  buildsys build {0}\n  buildsys test {0}\n"


@pytest.fixture(autouse=True)
def _empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def dnf_without_repositories(fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake("dnf", "exit 0")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin")


@pytest.mark.parametrize(
    ("origin", "site", "line"),
    [
        ("debian", "host", "installer: apt"),
        ("rpm", "here", "installer: dnf"),
        ("debian:12", "image", "base: {image: docker.io/library/debian:12}"),
        ("registry.example.org/base:1", "image", "base: {image: registry.example.org/base:1}"),
    ],
)
@pytest.mark.usefixtures("dnf_without_repositories")
def test_a_new_set_has_no_mistakes_and_says_what_comes_next(
    origin: str, site: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["new", "mine", "--from", origin]) == 0
    shown = capsys.readouterr()
    assert shown.out == ""
    assert re.fullmatch(r"recipes/mine: 2 images\. .*\.\n" + re.escape(NEXT.format("mine")), shown.err)
    files = sorted(str(path.relative_to("recipes/mine")) for path in Path("recipes/mine").rglob("*.*"))
    assert files == ["images/base.yaml", "images/hello.yaml", "set.yaml", f"sites/{site}.yaml"]
    assert line in Path(f"recipes/mine/sites/{site}.yaml").read_text().splitlines()
    image_set = Pipeline(Path("recipes/mine")).resolve()
    assert image_set.images["hello"].test is not None
    assert cli.run(["check", "mine"]) == 0


def test_what_is_there_stays_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    Path("recipes/mine").mkdir(parents=True)
    Path("recipes/mine/note").write_text("mine")
    assert cli.run(["new", "mine", "--from", "debian"]) == 2
    assert capsys.readouterr().err == (
        "error: recipes/mine is there already [file-exists]\n  hint: choose another name, or remove it\n"
    )
    assert [path.name for path in Path("recipes/mine").iterdir()] == ["note"]
    Path("recipes/mine/note").unlink()
    assert cli.run(["new", "mine", "--from", "debian"]) == 0  # an empty folder is a place to write to
    Path("recipes/link").symlink_to("nowhere")
    assert cli.run(["new", "link", "--from", "debian"]) == 2
    assert not Path("recipes/nowhere").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("Mine --from debian", "error: 'Mine' cannot name a set [bad-name]"),
        ("mine --from Debian", "error: 'Debian' is not a reference [bad-reference]"),
        (
            "mine --from containerfiles",
            "Error: DIR is the tree of --from containerfiles, and of nothing else",
        ),
        ("mine somewhere", "Error: DIR is the tree of --from containerfiles, and of nothing else"),
        ("mine --from containerfiles nowhere", "error: there is no folder nowhere [no-match]"),
    ],
)
def test_what_is_refused_writes_nothing(
    words: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["new", *words.split()]) == 2
    assert sentence in capsys.readouterr().err.splitlines()
    assert not Path("recipes/mine").exists()


def test_a_tree_of_containerfiles_is_taken_over(capsys: pytest.CaptureFixture[str]) -> None:
    Path("tree/web").mkdir(parents=True)
    Path("tree/web/Containerfile").write_text("FROM scratch\nCOPY page /page\n")
    Path("tree/web/page").write_text("page")
    assert cli.run(["new", "sets/mine", "--from", "containerfiles", "tree"]) == 0
    assert capsys.readouterr().err.endswith("sets/mine: 1 image of tree\n" + NEXT.format("sets/mine"))
    assert list(Pipeline(Path("sets/mine")).resolve().images) == ["web"]


def test_a_new_set_is_readable_for_its_owner_whatever_the_umask() -> None:
    before = os.umask(0o077)
    try:
        assert cli.run(["new", "mine", "--from", "debian"]) == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE(Path("recipes/mine/set.yaml").stat().st_mode) == 0o600
    assert cli.run(["check", "mine"]) == 0
