"""How files are written whole, locked and claimed."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from buildsys import files


def test_a_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "new/folder/file"
    files.write(path, "old\n", durable=True)
    with path.open() as reader:
        files.write(path, b"new\n", mode=0o640)
        assert reader.read() == "old\n"
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new\n", 0o640)
    assert os.listdir(path.parent) == ["file"]  # noqa: PTH208


def test_a_failed_write_leaves_the_old_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def full(_descriptor: int, _content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "write_all", full)
    with pytest.raises(OSError, match="No space"):
        files.write(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]  # noqa: PTH208


def test_a_part_of_a_write_is_followed_by_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:3]))
    files.write(tmp_path / "file", "ten letters")
    assert (tmp_path / "file").read_text() == "ten letters"


def test_an_update_writes_only_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert files.update(path, "text", mode=0o644)
    before = path.stat().st_ino
    assert not files.update(path, b"text", mode=0o644)
    assert path.stat().st_ino == before
    assert files.update(path, "text", mode=0o755)
    path.rename(tmp_path / "target")
    path.symlink_to("target")
    assert files.update(path, "text", mode=0o755)
    assert not path.is_symlink()


def test_a_record_takes_the_place_of_whatever_is_there(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    (path / "below").mkdir(parents=True)
    files.write_record(path, {"a": 1}, indent=None)
    assert path.read_text() == '{"a": 1}\n'
    files.write_record(path, "text")
    assert path.read_text() == "text"


def test_a_link_shares_the_file_and_a_copy_does_not(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("text")
    for name in ("linked", "copied"):
        (tmp_path / name).write_text("old")
    files.link(source, tmp_path / "linked")
    files.copy(source, tmp_path / "copied", mode=0o600)
    assert (tmp_path / "linked").samefile(source)
    assert not (tmp_path / "copied").samefile(source)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["text"] * 3


def test_a_lock_has_one_holder_or_several_that_share_it(tmp_path: Path) -> None:
    def refuse() -> None:
        raise BlockingIOError

    for path in (tmp_path / "lock", tmp_path):
        with files.locked(path):
            for shared in (False, True):
                with pytest.raises(BlockingIOError), files.locked(path, shared=shared, busy=refuse):
                    pass
        with files.locked(path, shared=True), files.locked(path, shared=True, busy=refuse):
            pass


def test_a_lock_is_not_that_of_a_file_which_its_holder_removed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    waits = threading.Event()
    taken: list[int] = []

    def second() -> None:
        with files.locked(path, busy=waits.set) as descriptor:
            taken.append(os.fstat(descriptor).st_ino)

    with files.locked(path):
        thread = threading.Thread(target=second)
        thread.start()
        assert waits.wait(10)
        path.rename(tmp_path / "moved")
    thread.join(10)
    assert taken == [path.stat().st_ino]


def test_an_existing_lock_is_neither_made_nor_a_link(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files.lock(tmp_path / "none", existing=True)
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(OSError, match=r"symbolic|directory"):
        files.lock(tmp_path / "link", existing=True)


def test_a_directory_is_claimed_once(tmp_path: Path) -> None:
    place = tmp_path / "place"
    assert files.claim(place, ".mark", "mine\n") == "mine\n"
    (place / "file").touch()
    assert files.claim(place, ".mark", "another's\n") == "mine\n"


def test_a_directory_that_holds_something_else_is_not_claimed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    for place in (tmp_path, tmp_path / "file"):
        with pytest.raises(files.ForeignDirectory):
            files.claim(place, ".mark", "mine\n")
    assert os.listdir(tmp_path) == ["file"]  # noqa: PTH208


def test_a_claim_that_was_killed_is_made_again(tmp_path: Path) -> None:
    (tmp_path / f".0123abcd{files.ASIDE}").touch()
    assert files.claim(tmp_path, ".mark", "mine\n") == "mine\n"
