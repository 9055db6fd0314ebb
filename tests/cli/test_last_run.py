"""The verbs status and log, on plans that were run with a fake store."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest

from buildsys import cli
from tests.plan.sets import BASE, image, image_set
from tests.runtime.faked import Faked, does, make_fake
from tests.terminal import Terminal

FAILED = """\
tiny: the last run began TIME, took TIME and failed with status 1
3 images: 1 built, 1 failed, 1 blocked
"""
GOES_ON = """\
tiny: a run goes on since TIME: process N of USER, building all since TIME
2 images: 1 running, 1 waiting
"""
PRINTS = pytest.CaptureFixture[str]
DRAW = """\
import sys
from pathlib import Path
from secrets import token_hex
from buildsys.cli.screen import Screen
from buildsys.run import foreground
from buildsys.run.make import RunOptions
plan, run = Path(sys.argv[1]), token_hex(8)
sys.exit(foreground.run(plan, [], RunOptions(sys.argv[2]), Screen(plan, run), run))
"""


@pytest.fixture
def bad(tmp_path: Path) -> Faked:
    """A plan of which `broken` fails and blocks `below`; it was not run."""
    faked = Faked(tmp_path / "plan", make_fake(tmp_path / "fake"))
    images = [
        image("base", BASE, does("one")),
        image("broken", "base", does("host echo the cause; exit 7")),
        image("below", "broken"),
    ]
    faked.compile(image_set(tmp_path, images))
    return faked


@pytest.fixture
def slow(tmp_path: Path) -> Faked:
    """A plan whose image is built until `go` exists, and prints meanwhile."""
    faked = Faked(tmp_path / "plan", make_fake(tmp_path / "fake"))
    wait = f"until [[ -e {tmp_path}/go ]]; do /bin/sleep 0.02; done"
    text = f"host echo begins; touch {tmp_path}/begun; {wait}; echo ends"
    faked.compile(image_set(tmp_path, [image("base", BASE, does(text)), image("child", "base")]))
    return faked


def until_begun(tmp_path: Path) -> None:
    end = time.monotonic() + 30
    while not (tmp_path / "begun").exists():
        assert time.monotonic() < end
        time.sleep(0.02)


def says(capsys: PRINTS, *words: str) -> tuple[int, str, str]:
    """Run a verb: exit status, stdout, stderr with all times and numbers of processes alike."""
    capsys.readouterr()
    status = cli.run(words)
    out, err = capsys.readouterr()
    err = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|\d\d:\d\d:\d\d|\d+\.\d s", "TIME", err)
    return (
        status,
        re.sub(r"\t\d+\.\d\t", "\tSECONDS\t", out),
        re.sub(r"process \d+ of \S+,", "process N of USER,", err),
    )


def test_status_of_a_run_that_failed(bad: Faked, capsys: PRINTS) -> None:
    bad.run()
    status, out, err = says(capsys, "status", "tiny", "-o", str(bad.plan))
    assert (status, err) == (0, FAILED)
    assert out.splitlines() == [
        "broken\tfailed\tSECONDS\trecipes/tiny/images/broken.yaml:4:5",
        "below\tblocked\t\tby broken",
        "base\tbuilt\tSECONDS\tnever built here",
    ]
    _, out, _ = says(capsys, "status", "tiny", "-o", str(bad.plan), "--json")
    data = json.loads(out)
    assert (data["version"], data["set"], data["status"], data["is_going_on"]) == (1, "tiny", 1, False)
    assert data["counts"]["failed"] == 1
    assert [end["image"] for end in data["ends"]] == ["base", "broken", "below"]
    bad.run("base")
    assert says(capsys, "status", "tiny", "-o", str(bad.plan)) == (
        0, "", "tiny: the last run began TIME, took TIME and succeeded\n1 image: 1 fresh\n",
    )  # fmt: skip


def test_status_before_any_run(bad: Faked, capsys: PRINTS, tmp_path: Path) -> None:
    status, out, err = says(capsys, "status", "tiny", "-o", str(bad.plan))
    assert (status, out) == (1, "")
    assert err == f"error: {bad.plan} has no record of a run: nothing was built here yet\n"
    status, out, err = says(capsys, "status", "tiny", "-o", str(tmp_path / "none"))
    assert (status, out) == (2, "")
    hint = "`buildsys build tiny` writes one and runs it"
    assert err == f"error: {tmp_path}/none holds no plan [no-plan]\n  hint: {hint}\n"


def test_status_and_log_of_a_run_that_goes_on(slow: Faked, capsys: PRINTS, tmp_path: Path) -> None:
    run = slow.start()
    until_begun(tmp_path)
    status, out, err = says(capsys, "status", "tiny", "-o", str(slow.plan))
    assert (status, out) == (0, "base\trunning\t\t\n")
    assert err == GOES_ON
    words = [sys.executable, "-m", "buildsys", "log", "tiny", "base", "--follow", "-o", str(slow.plan)]
    with Terminal(words, cwd=tmp_path, env=dict(os.environ)) as terminal:
        terminal.shows("begins")
        (tmp_path / "go").touch()
        assert terminal.end() == 0
        assert "\nends" in terminal.text
    run.communicate(timeout=30)
    assert run.returncode == 0


@pytest.mark.parametrize(
    ("number", "how"), [(signal.SIGINT, "took TIME and was interrupted"), (signal.SIGKILL, "and was killed")]
)
def test_status_of_a_run_that_was_ended(
    slow: Faked, capsys: PRINTS, tmp_path: Path, number: signal.Signals, how: str
) -> None:
    run = slow.start()
    until_begun(tmp_path)
    os.killpg(run.pid, number)
    run.communicate(timeout=30)
    _, out, err = says(capsys, "status", "tiny", "-o", str(slow.plan))
    assert out == ""
    assert err.startswith("tiny: the last run began TIME")
    assert err.endswith(f"{how}\n2 images: 2 stopped\n")


def test_logs(bad: Faked, capsys: PRINTS, monkeypatch: pytest.MonkeyPatch) -> None:
    where = ("-o", str(bad.plan))
    assert (
        says(capsys, "log", "tiny", *where)[2]
        == f"error: {bad.plan} has no log: nothing was built here yet\n"
    )
    bad.run()
    status, out, _ = says(capsys, "log", "tiny", *where)
    assert status == 0
    assert [line.split("\t")[:2] for line in out.splitlines()] == [["base", "built"], ["broken", "failed"]]
    log = (bad.plan / "logs/broken.log").read_text()
    assert "the cause" in log
    assert says(capsys, "log", "tiny", "broken", *where)[:2] == (0, log)
    assert says(capsys, "log", "tiny", "--failed", *where)[:2] == (0, log)
    _, out, _ = says(capsys, "log", "tiny", "base", "broken", *where)
    assert out.startswith("==> base <==\n")
    assert out.endswith(f"==> broken <==\n{log}")
    status, _, err = says(capsys, "log", "tiny", "brokn", *where)
    assert (status, err) == (1, f"error: {bad.plan} has no image 'brokn'; did you mean 'broken'?\n")
    status, _, err = says(capsys, "log", "tiny", "below", *where)
    assert (status, err) == (1, "error: below has no log: it was not built here\n")
    assert says(capsys, "log", "tiny", "--follow", *where)[0] == 2
    monkeypatch.setenv("PAGER", "no-such-pager -x")
    status, _, err = says(capsys, "log", "tiny", "broken", "--open", *where)
    assert (status, err) == (
        3,
        "error: no-such-pager is not installed; set PAGER to a program that shows files\n",
    )
    called: list[list[str]] = []
    monkeypatch.setattr(os, "execvp", lambda _, argv: called.append(argv))
    monkeypatch.setenv("PAGER", "cat -n")
    says(capsys, "log", "tiny", "broken", "--open", *where)
    assert called == [["cat", "-n", str(bad.plan / "logs/broken.log")]]


def test_a_real_run_is_drawn_and_interrupted(slow: Faked, tmp_path: Path) -> None:
    argv = [sys.executable, "-c", DRAW, str(slow.plan), f"--root {slow.fake}/root --runroot {slow.fake}/run"]
    with Terminal(argv, cwd=Path.cwd(), env=slow.environment(TERM="xterm", BS_UNICODE="yes")) as terminal:
        terminal.shows("run base.yaml:4")
        terminal.press("\x03")
        assert terminal.end() == 130
        assert terminal.text.splitlines()[-1] == "tiny: 2 images: 0 built, 0 fresh, 2 not reached"
        assert not terminal.screen.cursor.hidden
    assert slow.containers() == []
    (tmp_path / "go").touch()
    with Terminal(argv, cwd=Path.cwd(), env=slow.environment(TERM="xterm", BS_UNICODE="yes")) as terminal:
        assert terminal.end() == 0
        assert [re.sub(r"\d+\.\d", "0.0", line) for line in terminal.text.splitlines()] == [
            "[1/2] base      0.0 s", "[2/2] child     0.0 s", "tiny: 2 images: 2 built, 0 fresh",
        ]  # fmt: skip
