"""Where exports are written: only what changed, only into what is ours, and nothing of a person's is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from buildsys.diagnostics import Refused
from buildsys.exporters.request import Export
from buildsys.exporters.write import MARK, write_export


def test_only_what_changed_is_written(tmp_path: Path) -> None:
    top = tmp_path / "out"
    assert write_export(Export({"a": "1", "deep/b": "2"}), "images", top) == 2
    before = (top / "a").stat().st_ino
    assert write_export(Export({"a": "1", "deep/b": "3"}), "images", top) == 1
    assert (top / "a").stat().st_ino == before
    assert (top / "deep/b").read_text() == "3"


def test_what_is_exported_no_more_is_removed_and_what_a_person_added_stays(tmp_path: Path) -> None:
    top = tmp_path / "out"
    write_export(Export({"deep/a": "1", "other/b": "2"}), "images", top)
    (top / "deep/mine").write_text("mine")
    write_export(Export({"c": "3"}), "images", top)
    found = {path.relative_to(top).as_posix() for path in top.rglob("*")}
    assert found == {MARK, "c", "deep", "deep/mine"}


def test_programs_and_carried_files_have_the_mode_of_a_checkout(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("x")
    source.chmod(0o600)
    made = Export({"run": "1"}, {"plain": source, "tool": source}, programs=frozenset({"run", "tool"}))
    write_export(made, "images", tmp_path / "out")
    modes = {name: (tmp_path / "out" / name).stat().st_mode & 0o777 for name in ("run", "plain", "tool")}
    assert modes == {"run": 0o755, "plain": 0o644, "tool": 0o755}


def test_a_killed_write_is_finished_by_the_next(tmp_path: Path) -> None:
    top = tmp_path / "out"
    gone = Export({"a": "1"}, {"b": tmp_path / "missing"})
    with pytest.raises(FileNotFoundError):
        write_export(gone, "images", top)
    write_export(Export({"c": "2"}), "images", top)
    assert {path.name for path in top.iterdir()} == {MARK, "c"}


def test_a_link_in_the_place_of_a_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    top = tmp_path / "out"
    write_export(Export({"a": "1"}), "images", top)
    (top / "a").unlink()
    (top / "a").symlink_to(tmp_path / "precious")
    write_export(Export({"a": "2"}), "images", top)
    assert (tmp_path / "precious").read_text() == "precious"
    assert (top / "a").read_text() == "2"


def test_a_list_of_files_that_leads_out_removes_nothing_there(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    top = tmp_path / "out"
    write_export(Export({"a": "1"}), "images", top)
    (top / MARK).write_text(f"images\na\n../precious\n{tmp_path}/precious\n")
    write_export(Export({}), "images", top)
    assert (tmp_path / "precious").exists()


def test_a_file_may_become_a_folder_and_a_folder_a_file(tmp_path: Path) -> None:
    top = tmp_path / "out"
    (tmp_path / "b").write_text("carried")
    for _ in range(2):
        for made in (Export({"conf": "1"}, {"deep/a/b": tmp_path / "b"}),
                     Export({"conf/a/b": "2", "deep": "3"}),
                     Export({"conf": "1"}, {"missing": tmp_path / "missing"})):  # fmt: skip
            with suppress(FileNotFoundError):
                write_export(made, "images", top)
            for name, text in made.texts.items():
                assert (top / name).read_text() == text
    found = {path.relative_to(top).as_posix() for path in top.rglob("*") if path.is_file()}
    assert found == {MARK, "conf"}


@pytest.mark.parametrize("name", ["../outside.yaml", "/outside.yaml", "a/../../b", "a//b", "a\nb", ""])
def test_a_path_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    top = tmp_path / "out"
    with pytest.raises(Refused) as refused:
        write_export(Export({name: "1", "a": "1"}), "images", top)
    assert refused.value.text() == f"error: '{name}' is not a valid path in an export [export-bad-path]"
    assert not list(tmp_path.iterdir())


def test_what_is_not_ours_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(Refused) as refused:
        write_export(Export({"a": "1"}), "images", tmp_path)
    assert refused.value.text() == (
        f"error: {tmp_path} is not empty and is not an export: nothing was written [export-directory-taken]\n"
        "  hint: give -o an empty or missing directory, or one with an export"
    )
    assert {path.name for path in tmp_path.iterdir()} == {"mine"}


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(Refused) as refused:
        write_export(Export({"a": "1"}), "images", tmp_path / "mine")
    assert {item.code for item in refused.value.diagnostics} == {"export-directory-taken"}
    assert (tmp_path / "mine").read_text() == "mine"


def test_two_exports_into_one_directory_take_turns(tmp_path: Path) -> None:
    top = tmp_path / "out"
    exports = [Export({f"{number}/{name}": "x" * 9999 for name in range(40)}) for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda made: write_export(made, "images", top), exports))
    found = {path.parent.name for path in top.rglob("*") if path.is_file() and path.name != MARK}
    assert len(found) == 1
    assert len((top / MARK).read_text().splitlines()) == 41


def test_two_formats_do_not_share_a_directory(tmp_path: Path) -> None:
    top = tmp_path / "out"
    write_export(Export({"a": "1"}), "tripleo", top)
    with pytest.raises(Refused) as refused:
        write_export(Export({"b": "1"}), "images", top)
    assert refused.value.text() == (
        f"error: {top} has an export of another format: tripleo [export-other-format]\n"
        "  hint: give -o another directory, or remove this one"
    )
    assert not (top / "b").exists()
