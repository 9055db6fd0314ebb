"""Records that come from elsewhere: what is taken, and what is not. No container and no registry."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

RUNTIME = ROOT / "buildsys/plan/runtime"
STAMP = f"{'ab' * 32}.checked"


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """An empty plan; `given` next to it is what a worker gave back."""
    for folder in ("plan", "given"):
        for name in ("state", "results", "logs"):
            (tmp_path / folder / name).mkdir(parents=True)
    return tmp_path / "plan"


def bash(plan: Path, text: str) -> str:
    """Run a text that has the functions of lib/records.sh; what it printed."""
    begin = f'set -euo pipefail; PLAN={plan} STATE={plan}/state; . "{RUNTIME}/records.sh"\n'
    done = subprocess.run(["bash", "-c", begin + text], capture_output=True, text=True, check=False, cwd=plan)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def give(plan: Path, *names: str) -> Path:
    given = plan.parent / "given"
    for name in names:
        (given / name).write_text(f"{name}\n")
    return given


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def test_only_records_of_the_image_are_taken(plan: Path) -> None:
    own = {"results/a.json", "logs/a.log", "state/a.id", "state/a.inputs", f"state/a.{STAMP}"}
    strange = {"results/b.json", "state/lock", "state/a.working", f"state/a.b.{STAMP}", "state/a.b.id"}
    given = give(plan, *own, *strange)
    bash(plan, f"place_records {given} a")
    assert names(plan) == own
    assert names(given) == strange


def test_links_are_not_taken(plan: Path) -> None:
    given = give(plan, "state/a.inputs")
    (given / "state/a.id").symlink_to("/etc/passwd")
    (given / "logs/a.log").symlink_to("/etc/passwd")
    bash(plan, f"place_records {given} a")
    assert names(plan) == {"state/a.inputs"}


def test_stamps_are_newer_than_the_ids_of_parents(plan: Path) -> None:
    given = give(plan, "state/a.id", "state/b.id", f"state/a.{STAMP}", f"state/b.{STAMP}")
    for path in given.rglob("*"):
        os.utime(path, (9, 9))
    bash(plan, f"place_records {given} b a")
    ids = [(plan / f"state/{name}.id").stat().st_mtime_ns for name in "ab"]
    stamps = [(plan / f"state/{name}.{STAMP}").stat().st_mtime_ns for name in "ab"]
    assert 9_000_000_000 < max(ids) < min(stamps)


def test_an_equal_id_keeps_its_file_and_the_promotion(plan: Path) -> None:
    given = give(plan, "state/a.id", "state/a.inputs")
    (plan / "state/a.id").write_text("state/a.id\n")
    (plan / "promoted.json").write_text("{}")
    os.utime(plan / "state/a.id", (9, 9))
    bash(plan, f"place_records {given} a")
    assert (plan / "state/a.id").stat().st_mtime == 9
    assert (plan / "promoted.json").exists()
    (given / "state/a.id").write_text("other\n")
    bash(plan, f"place_records {given} a")
    assert (plan / "state/a.id").read_text() == "other\n"
    assert not (plan / "promoted.json").exists()


def test_records_of_an_image_with_a_longer_name_are_not_listed(plan: Path) -> None:
    for name in (f"a.{STAMP}", f"a.b.{STAMP}", "a.id", "a.b.id", "a.exchanged"):
        (plan / "state" / name).write_text("x\n")
    assert bash(plan, "list_records_of a").split() == ["state/a.id", "state/a.exchanged", f"state/a.{STAMP}"]


def test_a_damaged_file_of_a_worker_is_brought_again(tmp_path: Path) -> None:
    (tmp_path / "sha256").mkdir()
    name = "0" * 64
    (tmp_path / "sha256" / name).write_text("other")
    text = (RUNTIME / "deliver.sh").read_text().removesuffix("deliver\nexit\n")
    done = subprocess.run(
        ["bash", "-c", f"{text}\ncheck_blob {tmp_path} {name}"], capture_output=True, text=True, check=False,
        env={**os.environ, "BS_WORKER": "w1"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (
        1, f"error: {tmp_path}/sha256/{name} of the worker w1 is damaged, and is brought again\n",
    )  # fmt: skip
    assert not (tmp_path / "sha256" / name).exists()
