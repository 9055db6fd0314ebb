"""tests/costs.py, on tests that do work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, SLOW

TESTS = """\
import subprocess, sys, time
import pytest

WORK = "import time\\nwhile time.process_time() < 0.3: pass"

def work(): subprocess.run([sys.executable, "-c", WORK], check=True)

@pytest.fixture(scope="session")
def inner(): work()

@pytest.fixture(scope="session")
def outer(inner): pass

def test_first(outer): pass
def test_second(outer): time.sleep(0.3)
def test_works(): work()
@pytest.mark.costly(60)
def test_may_work(): work()
"""


def run(place: Path, *options: str) -> tuple[int, str, dict[tuple[str, str], float]]:
    """Exit status, output, and CPU seconds by test and what of it."""
    (place / "test_it.py").write_text(TESTS)
    words = ["-p", "tests.costs", "-p", "no:cacheprovider", "-c", "/dev/null", f"--rootdir={place}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, "--costs", place / "sub/costs", *options, place],
        cwd=ROOT, check=False, capture_output=True, text=True,
    )  # fmt: skip
    rows = (line.split("\t") for line in (place / "sub/costs").read_text().splitlines()[1:])
    found = {(test.rpartition("::")[2], what): float(cpu) for cpu, _, test, what in rows}
    return done.returncode, done.stdout, found


@pytest.mark.parametrize("options", [(), ("--numprocesses", "2")], ids=["alone", "with workers"])
def test_work_is_charged_to_the_test_or_fixture_that_did_it(tmp_path: Path, options: tuple[str, ...]) -> None:
    status, output, costs = run(tmp_path, "--limit", "10", "--dist=loadfile", *options)
    assert (status, "above the limit" in output) == (0, False), output
    large = {row for row, cpu in costs.items() if cpu > 0.25}
    assert large == {("test_first", "fixture inner"), ("test_works", "test"), ("test_may_work", "test")}
    assert costs["test_first", "fixture outer"] < 0.2
    assert next(iter(costs)) in large


def test_a_run_with_a_test_above_the_limit_fails_and_names_it(tmp_path: Path) -> None:
    status, output, _ = run(tmp_path, "--limit", "0.25", "-k", "work")
    assert status == 1
    lines = [line for line in output.splitlines() if line.startswith("costs: ")]
    assert len(lines) == 1, output
    assert "test_works" in lines[0]


def test_what_is_left_out_of_quick_exists() -> None:
    assert [path for path in SLOW if not (ROOT / "tests" / path).exists()] == []
