"""Generated steps are read by shellcheck like everything else that runs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from buildsys.plan.compile import compile_plan
from buildsys.plan.write import write_plan
from tests.plan.sets import every_kind


@pytest.mark.parametrize("under_lock", [False, True], ids=["unlocked", "locked"])
def test_generated_steps_pass_shellcheck(every: Path, tmp_path: Path, under_lock: bool) -> None:  # noqa: FBT001
    write_plan(compile_plan(every_kind(every, under_lock=under_lock)), tmp_path / "plan")
    steps = sorted((tmp_path / "plan/steps").iterdir())
    # What steps set is read by lib/step.sh; `$` and quotes within quotes are data of recipes.
    done = subprocess.run(
        ["shellcheck", "--exclude=SC1003,SC1091,SC2016,SC2034", *steps],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path / "plan",
    )
    assert (done.returncode, done.stdout) == (0, "")
