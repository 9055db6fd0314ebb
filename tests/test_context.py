"""What a Containerfile's build gets to see: all that lies beside it, but for what an ignore file names."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildsys.image.context import context

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
        (".\n", set()),
    ],
)
def test_ignore_files(tmp_path: Path, ignored: str, gone: set[str]) -> None:
    assert set(FILES) - seen(tmp_path, ignored) == gone


def test_the_first_ignore_file_counts(tmp_path: Path) -> None:
    (tmp_path / ".containerignore").write_text("src\n")
    found = seen(tmp_path, "deep\n", ".dockerignore")
    assert "deep/a.log" in found
    assert "src/main.c" not in found
