"""What a Containerfile's build gets to see: all that lies beside it, but for what an ignore file names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildsys.diagnostics import Refused
from buildsys.image.ignore import context
from buildsys.resolve.context import Context
from tests.acl import give

FILES = (
    "Containerfile",
    "a.log",
    "deep/a.log",
    "deep/er/b.txt",
    "deep/er/keep.log",
    "src/main.c",
    "src/x[1].o",
)


def seen(folder: Path, ignored: str = "", name: str = ".containerignore") -> set[str]:
    for file in FILES:
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    if ignored:
        (folder / name).write_text(ignored)
    return {path.as_posix() for path in context(str(folder))} - {name}


def test_files_links_and_empty_folders_in_order(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/out").symlink_to("/etc")
    (tmp_path / "gone").symlink_to("nowhere")
    assert seen(tmp_path) == {*FILES, "empty", "deep/out", "gone"}
    found = [path.as_posix() for path in context(str(tmp_path))]
    assert found == [
        "Containerfile", "a.log", "gone", "deep/a.log", "deep/out", "deep/er/b.txt", "deep/er/keep.log",
        "empty", "src/main.c", "src/x[1].o",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("ignored", "gone"),
    [
        ("*.log\n", {"a.log"}),
        ("# *.log\n\n", set()),
        ("**/*.log\n", {"a.log", "deep/a.log", "deep/er/keep.log"}),
        ("/deep/\n", {"deep/a.log", "deep/er/b.txt", "deep/er/keep.log"}),
        ("deep\n!deep/er/keep.log\n", {"deep/a.log", "deep/er/b.txt"}),
        ("!a.log\n*.log\n", {"a.log"}),
        ("deep/*/b.txt\n", {"deep/er/b.txt"}),
        ("deep/*.txt\n", set()),
        ("deep/?.log\nsrc/[mn]ain.c\n", {"deep/a.log", "src/main.c"}),
        ("src/x\\[1\\].o\n", {"src/x[1].o"}),
        ("src/\\main.c\nsrc/\\d\nsrc/\\1\n", {"src/main.c"}),
        ("src/[\\w]ain.c\ndee[\\p]/a.log\n", {"deep/a.log"}),
        (".\n", set()),
        ("src/[[:lower:]]ain.c\nsrc/[^[:alpha:]]*\n", {"src/main.c"}),
        ("src/x[[]1[]].o\n", {"src/x[1].o"}),
        ("src/[a-n]ain.c\n[^b-z].log\n", {"src/main.c", "a.log"}),
        ("src/[x&&m]ain.c\ndeep/[a||b].log\n[a~~b].log\n", {"src/main.c", "deep/a.log", "a.log"}),
        ("[!b].log\n", set()),
    ],
)
def test_ignore_files(tmp_path: Path, ignored: str, gone: set[str]) -> None:
    assert set(FILES) - seen(tmp_path, ignored) == gone


def test_of_a_folder_whose_content_is_ignored_the_folder_stays(tmp_path: Path) -> None:
    assert seen(tmp_path, "deep/*\n") == {"Containerfile", "a.log", "deep", "src/main.c", "src/x[1].o"}
    (tmp_path / "deep/er/still/deeper").mkdir(parents=True)
    assert "deep/er" not in seen(tmp_path, "deep/*\n")
    assert seen(tmp_path, "deep\nsrc/*.?\n") == {"Containerfile", "a.log", "src"}
    assert seen(tmp_path, "**/*.*\n") - {"Containerfile"} == {"deep/er/still/deeper", "src"}


@pytest.fixture
def closed_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two folders of the working directory that the user may not read; root may read everything."""
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    folders = Path("top/closed"), Path("top/ignored")
    for folder in folders:
        folder.mkdir(parents=True)
        folder.chmod(0o111)
    Path("top/.containerignore").write_text("ignored\n")
    user = os.geteuid()
    os.seteuid(user or 65534)
    yield
    os.seteuid(user)
    for folder in folders:
        folder.chmod(0o755)


@pytest.mark.usefixtures("closed_folders")
def test_a_folder_that_cannot_be_read_is_a_mistake() -> None:
    with pytest.raises(Refused) as refused:
        list(context("top"))
    assert refused.value.text() == (
        "top/closed:1:1: error: cannot read this folder: permission denied [unreadable-file]\n"
        "  hint: let yourself read it, or name it in .containerignore"
    )
    with pytest.raises(Refused):
        list(context("top/closed"))
    assert Context(Path(), ["top.yaml"]).problem("closed", "top") == (
        "unreadable-file", "cannot read top/closed: permission denied", "let yourself read it",
    )  # fmt: skip


def test_the_first_ignore_file_counts(tmp_path: Path) -> None:
    (tmp_path / ".containerignore").write_text("src\n")
    found = seen(tmp_path, "deep\n", ".dockerignore")
    assert "deep/a.log" in found
    assert "src/main.c" not in found


def test_an_acl_that_a_folder_gives_to_all_is_the_checkouts(tmp_path: Path) -> None:
    """Any file of it has one, then; as its mode, it says nothing of the image."""
    folder = tmp_path / "files/shared"
    folder.mkdir(parents=True)
    give(folder, default=True)
    (folder / "file").write_text("x")
    (folder / "deep").mkdir()
    (folder / "deep/file").write_text("x")
    assert "system.posix_acl_access" in os.listxattr(folder / "deep/file")
    assert Context(tmp_path).problem("shared", "") is None
    give(folder)
    problem = Context(tmp_path).problem("shared", "")
    assert problem is not None
    assert problem[1] == f"{folder} has an ACL, and layers of images hold none"
