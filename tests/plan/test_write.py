"""Writing a plan: into our own directories only, and only what changed."""

from __future__ import annotations

import errno
import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from buildsys.diagnostics import Refused
from buildsys.plan.compile import Plan, compile_plan
from buildsys.plan.read import MARK
from buildsys.plan.write import write_plan
from buildsys.run.plan_lock import turn
from tests.plan.sets import every_kind


def snapshot(directory: Path) -> dict[str, tuple[bytes, int, int]]:
    """Each file's bytes, inode and time: a file that was written again differs in one of them."""
    return {
        str(path.relative_to(directory)): (path.read_bytes(), path.stat().st_ino, path.stat().st_mtime_ns)
        for path in directory.rglob("*")
        if path.is_file()
    }


def can_link(source: Path, folder: Path) -> bool:
    """Whether the clone and the temporary folders of the tests are on one file system."""
    (folder / "trial").unlink(missing_ok=True)
    try:
        os.link(source, folder / "trial")
    except OSError as error:
        assert error.errno == errno.EXDEV  # noqa: PT017 - other errors are no reason to copy
        return False
    return True


@pytest.fixture
def plan(every: Path) -> Plan:
    return compile_plan(every_kind(every))


def test_every_file_of_the_plan_is_there_and_steps_can_be_run(plan: Plan, tmp_path: Path) -> None:
    changed = write_plan(plan, tmp_path / "deep/plan")
    found = snapshot(tmp_path / "deep/plan")
    assert sorted(found) == sorted([*plan.texts, *plan.links, MARK])
    assert changed == len(found) - 1
    assert {name: text.encode() for name, text in plan.texts.items()} == {
        name: found[name][0] for name in plan.texts
    }
    assert all(
        os.access(tmp_path / "deep/plan" / name, os.X_OK) for name in found if name.startswith("steps/")
    )


def test_writing_it_again_changes_nothing(plan: Plan, every: Path, tmp_path: Path) -> None:
    write_plan(plan, tmp_path / "plan")
    before = snapshot(tmp_path / "plan")
    assert write_plan(compile_plan(every_kind(every)), tmp_path / "plan") == 0
    assert snapshot(tmp_path / "plan") == before


def test_only_what_changed_is_written(plan: Plan, tmp_path: Path) -> None:
    write_plan(plan, tmp_path / "plan")
    before = snapshot(tmp_path / "plan")
    texts = {**plan.texts, "steps/tools.sh": "#!/bin/bash\n"}
    assert write_plan(Plan(texts, plan.links), tmp_path / "plan") == 1
    after = snapshot(tmp_path / "plan")
    assert {name for name in after if after[name] != before[name]} == {"steps/tools.sh"}
    assert os.access(tmp_path / "plan/steps/tools.sh", os.X_OK)


def test_a_reader_sees_the_old_or_the_new_file_whole(plan: Plan, tmp_path: Path) -> None:
    write_plan(plan, tmp_path / "plan")
    with (tmp_path / "plan/steps/tools.sh").open() as running:
        write_plan(Plan({**plan.texts, "steps/tools.sh": "new\n"}, plan.links), tmp_path / "plan")
        assert running.read() == plan.texts["steps/tools.sh"]


def test_what_the_plan_no_longer_names_is_removed(plan: Plan, tmp_path: Path) -> None:
    write_plan(plan, tmp_path / "plan")
    gone = {"steps/tools.sh", "keys/tools"}
    files = {name for name in plan.links if name.startswith("context/")}
    smaller = Plan(
        {name: text for name, text in plan.texts.items() if name not in gone},
        {name: path for name, path in plan.links.items() if name not in files},
    )
    (tmp_path / "plan/steps/.half.sh.new").write_text("left by a crash")
    assert write_plan(smaller, tmp_path / "plan") == len(gone) + len(files) + 1
    assert sorted(snapshot(tmp_path / "plan")) == sorted([*smaller.texts, *smaller.links, MARK])


def test_what_a_run_leaves_is_kept(plan: Plan, tmp_path: Path) -> None:
    write_plan(plan, tmp_path / "plan")
    left = ("state/base.id", "results/base.json", "logs/base.log", "events.jsonl")
    for name in left:
        (tmp_path / "plan" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "plan" / name).write_text(name)
    assert write_plan(plan, tmp_path / "plan") == 0
    assert [(tmp_path / "plan" / name).read_text() for name in left] == list(left)


def test_what_was_damaged_is_repaired(plan: Plan, tmp_path: Path) -> None:
    write_plan(plan, tmp_path / "plan")
    (tmp_path / "plan/steps/base.sh").chmod(0o644)
    (tmp_path / "plan/keys/base").write_text("half of")
    (tmp_path / "plan/lib/run.sh").unlink()
    carried = next(name for name in plan.links if name.startswith("context/"))
    (tmp_path / "plan" / carried).write_text("x")
    assert write_plan(plan, tmp_path / "plan") == 4
    assert os.access(tmp_path / "plan/steps/base.sh", os.X_OK)
    assert (tmp_path / "plan" / carried).read_bytes() == plan.links[carried].read_bytes()


def test_the_sets_own_files_are_copies_and_packages_are_links(
    plan: Plan, every: Path, tmp_path: Path
) -> None:
    """A person edits files in place; a link would change under a name that says what it holds."""
    write_plan(plan, tmp_path / "plan")
    for name, source in plan.links.items():
        same = (tmp_path / "plan" / name).stat().st_ino == source.stat().st_ino
        assert same == (not name.startswith("context/") and can_link(source, tmp_path)), name
    assert any(can_link(source, tmp_path) for source in plan.links.values())
    (every / "files/one.conf").write_text("edited in place")
    assert not any(path.read_text() == "edited in place" for path in (tmp_path / "plan/context").iterdir())


def test_packages_on_another_file_system_are_copied(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    write_plan(plan, tmp_path / "plan")
    assert all(
        (tmp_path / "plan" / name).read_bytes() == path.read_bytes() for name, path in plan.links.items()
    )
    assert write_plan(plan, tmp_path / "plan") == 0


@pytest.mark.parametrize("what", ["folder", "file", "dangling"])
def test_what_is_not_ours_is_refused_and_left_alone(plan: Plan, tmp_path: Path, what: str) -> None:
    taken = tmp_path / "taken"
    if what == "folder":
        taken.mkdir()
        (taken / "Makefile").write_text("mine")
    elif what == "file":
        taken.write_text("mine")
    else:
        taken.symlink_to("Makefile")
        (tmp_path / "Makefile").write_text("mine")
    before = snapshot(tmp_path)
    with pytest.raises(Refused) as refused:
        write_plan(plan, taken)
    (diagnostic,) = refused.value.diagnostics
    assert (diagnostic.code, str(taken) in diagnostic.message) == ("plan-directory-taken", True)
    assert diagnostic.hint
    assert snapshot(tmp_path) == before


def test_another_version_of_the_layout_is_refused(plan: Plan, tmp_path: Path) -> None:
    write_plan(plan, tmp_path / "plan")
    (tmp_path / "plan" / MARK).write_text("2\n")
    before = snapshot(tmp_path / "plan")
    with pytest.raises(Refused) as refused:
        write_plan(plan, tmp_path / "plan")
    assert [item.code for item in refused.value.diagnostics] == ["plan-directory-version"]
    assert snapshot(tmp_path / "plan") == before


def test_an_empty_directory_becomes_a_plan(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "plan").mkdir()
    (tmp_path / "link").symlink_to("plan")
    write_plan(plan, tmp_path / "link")
    assert (tmp_path / "plan" / MARK).is_file()


def test_who_has_something_to_write_has_the_directory_alone(plan: Plan, tmp_path: Path) -> None:
    asked: list[bool] = []

    @contextmanager
    def alone() -> Iterator[None]:
        asked.append((tmp_path / "plan/steps").exists())
        yield

    assert write_plan(plan, tmp_path / "plan", alone) > 0
    assert asked == [False]
    assert write_plan(plan, tmp_path / "plan", alone) == 0
    assert asked == [False]
    for what in (
        "steps/base.sh",
        "keys/extra",
        next(name for name in plan.links if name.startswith("context/")),
    ):
        (tmp_path / "plan" / what).write_text("not so")
        assert write_plan(plan, tmp_path / "plan", alone) == 1
    assert asked == [False, True, True, True]


def test_many_that_write_at_once(plan: Plan, tmp_path: Path) -> None:
    """Each writes another plan; in the end it is one of them, whole."""
    place = tmp_path / "plan"
    plans = [Plan({**plan.texts, "steps/tools.sh": f"{number}\n"}, plan.links) for number in range(4)]

    def write(one: Plan) -> None:
        for _ in range(10):
            write_plan(one, place, lambda: turn(place, "writing", lambda _: None))

    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=write, args=(one,)) for one in plans]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    written = {**plan.texts, "steps/tools.sh": (place / "steps/tools.sh").read_text()}
    assert written in [one.texts for one in plans]
    found = snapshot(place)
    assert sorted(found) == sorted([*plan.texts, *plan.links, MARK, "state/lock"])
    assert all(found[name][0] == text.encode() for name, text in written.items())
