"""A periodic build tests what it built, and its report says what came of it."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from typing import Any

import pytest

from buildsys.cli.output import CHANGED, FAILED, INTERRUPTED, MISSING
from tests.testing.conftest import Bench
from tests.testing.test_runs import BASE, SLOW, runs, without_podman

pytestmark = pytest.mark.real


def periodic(bench: Bench, *words: str, **environment: str) -> int:
    done = subprocess.run(
        bench.argv("periodic", "./tiny", *words), cwd=bench.folder, env=bench.environment(**environment),
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode


def report(bench: Bench) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((bench.plan / "report.json").read_text())
    return {key: data[key] for key in ("outcome", "tried", "unfit", "promoted")}


def test_what_passes_and_what_does_not(bench: Bench) -> None:
    bench.write({"images/base.yaml": BASE})
    assert periodic(bench) == CHANGED
    assert report(bench) == {"outcome": "changed", "tried": 1, "unfit": [], "promoted": True}
    assert periodic(bench, PATH=without_podman(bench)) == 0
    assert report(bench) == {"outcome": "unchanged", "tried": 0, "unfit": [], "promoted": True}

    bench.write({"images/base.yaml": BASE.replace("^hello$", "^goodbye$")})
    assert periodic(bench) == FAILED
    found = report(bench)
    assert (found["outcome"], found["promoted"]) == ("failed", False)
    (unfit,) = found["unfit"]
    assert (unfit["kind"], unfit["name"], unfit["log"]) == ("image", "base", "build/tiny/logs/tests/base.log")
    assert [mistake["code"] for mistake in unfit["mistakes"]] == ["wrong-output"]
    page = (bench.plan / "report.md").read_text()
    assert "0 built, 1 fresh, 1 tried, 1 unfit.\n" in page
    log = "`build/tiny/logs/tests/base.log`"
    assert f"## Unfit\n\n* the image base; the whole output is in {log}:\n\n  ```\n  tiny/" in page

    # Nothing is built where only a test changed; and it can be left at that.
    assert periodic(bench, "--no-tests") == 0
    assert report(bench) == {"outcome": "unchanged", "tried": 0, "unfit": [], "promoted": False}


def test_interrupted_while_it_tests(bench: Bench) -> None:
    bench.write({"images/base.yaml": SLOW})
    run = bench.begin("periodic", "./tiny")
    end = time.monotonic() + 60
    while not runs(bench, "-test-base-0") and time.monotonic() < end:
        time.sleep(0.1)
    run.send_signal(signal.SIGTERM)
    run.communicate(timeout=60)
    assert run.returncode == INTERRUPTED
    assert report(bench)["outcome"] == "interrupted"
    assert bench.containers() == []


def test_a_host_without_podman(bench: Bench) -> None:
    """Told before anything is built, in the report too."""
    bench.write({"images/base.yaml": BASE})
    old = bench.folder / "old"
    old.mkdir()
    (old / "podman").write_text("#!/bin/sh\necho podman version 3.4.2\n")
    (old / "podman").chmod(0o755)
    assert periodic(bench, PATH=f"{old}:{bench.environment()['PATH']}") == MISSING
    data = json.loads((bench.plan / "report.json").read_text())
    assert (data["outcome"], [item["code"] for item in data["mistakes"]]) == ("refused", ["old-tool"])
    assert not (bench.plan / "results").exists()
