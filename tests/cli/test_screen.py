"""A build at a terminal: what a person sees, at every size, in every language, and however it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.cli.conftest import Fake, Run
from tests.cli.picture import PICTURE, picture
from tests.terminal import Terminal

SCREENS = Path(__file__).parent / "screens"
RUN = """\
if [ "$1" = --version ]; then echo "GNU bash, version 5.2.15(1)-release"; exit; fi
plan=build/tiny
event() { printf '{"time": %s, "event": "%s", %s}\\n' "$(date +%s.%N)" "$1" "$2" >>$plan/events.jsonl; }
wait_for() { until [ -e "$1" ]; do sleep 0.02; done; }
doing() {
    event doing "\\"image\\": \\"$1\\", \\"what\\": \\"$2\\", \\"count\\": ${3:-0}, \\"at\\": \\"${4-}\\""
}
ended() { event "$2" "\\"image\\": \\"$1\\", \\"seconds\\": $3"; }
rm -f $plan/events.jsonl
event run "\\"run\\": \\"$BS_RUN\\", \\"version\\": 2"
"""
"""The beginning of a plan's run that only records; in POSIX shell."""
FOUR = """\
event planned '"images": ["base", "alone", "side-door", "app"], "fresh": [], "jobs": 2'
event started '"image": "base"'
doing base packages 124 ''
wait_for one
ended base built 85.8
event started '"image": "alone"'
doing alone run 0 recipes/tiny/images/alone.yaml:7:5
event started '"image": "side-door"'
doing side-door files 0 ''
wait_for two
ended side-door failed 0.4
printf '\\nside-door failed at recipes/tiny/images/side-door.yaml:4:5\\n    no such file\\n' >&2
printf '  hint: make one\\n' >&2
wait_for three
ended alone built 3.1
event ended '"status": 1'
printf '\\nfailed: side-door\\ntiny: 4 images: 2 built, 0 fresh, 1 failed, 1 blocked\\n' >&2
exit 1
"""
"""A run of four images: one fails, and blocks another."""

ONE = """\
event planned '"images": ["base"]'
event started '"image": "base"'
"""

Build = Callable[..., Terminal]


@pytest.fixture
def build(here: Path, environment: dict[str, str], fake: Fake) -> Build:
    """`buildsys build tiny` on a terminal, with a plan that does what a script says."""

    def begin(script: str, *words: str, env: Mapping[str, str] | None = None, **size: int) -> Terminal:
        fake("bash", RUN + script)
        locale = {"LANG": "C.UTF-8", "LC_ALL": "", "LC_CTYPE": "", "TERM": "xterm-256color"}
        argv = [sys.executable, "-m", "buildsys", "build", "tiny", *words]
        return Terminal(argv, cwd=here, env={**environment, **locale, **(env or {})}, **size)

    return begin


@pytest.fixture
def is_screen(request: pytest.FixtureRequest) -> Callable[[str, Terminal], None]:
    """Compare a screen with a recorded one, all times alike; `--rewrite` records it."""

    def compare(name: str, terminal: Terminal) -> None:
        path, text = SCREENS / f"{name}.txt", terminal.steady + "\n"
        if request.config.getoption("--rewrite"):
            path.write_text(text, "utf-8")
        assert text == path.read_text("utf-8"), f"see {path}; pytest --rewrite takes it over"

    return compare


def cursor_is_shown(terminal: Terminal) -> bool:
    return not terminal.screen.cursor.hidden


SIZES: dict[str, tuple[int, dict[str, str]]] = {
    "wide": (100, {}),
    "narrow": (40, {}),
    "ascii": (80, {"LANG": "C"}),
    "no-locale": (80, {"LANG": ""}),
}


@pytest.mark.parametrize("name", SIZES)
def test_a_build_as_it_goes_on(
    build: Build, here: Path, is_screen: Callable[[str, Terminal], None], name: str
) -> None:
    columns, env = SIZES[name]
    with build(FOUR, env=env, columns=columns) as terminal:
        terminal.shows("124 packages")
        is_screen(f"{name}-1", terminal)
        assert not cursor_is_shown(terminal)
        (here / "one").touch()
        terminal.until(lambda: "alone" in terminal.text and "files" in terminal.text)
        is_screen(f"{name}-2", terminal)
        (here / "two").touch()
        terminal.until(lambda: "hint: make one" in terminal.text and "1 failed" in terminal.text)
        is_screen(f"{name}-3", terminal)
        (here / "three").touch()
        assert terminal.end() == 1
        is_screen(f"{name}-4", terminal)
        assert cursor_is_shown(terminal)
        if "LANG" in env:
            assert terminal.written.isascii()


def test_a_size_that_changes_leaves_nothing_behind(build: Build, here: Path) -> None:
    with build(FOUR, columns=100) as terminal:
        terminal.shows("124 packages")
        for columns, rows in ((40, 24), (120, 24), (25, 24), (80, 24)):
            terminal.resize(columns, rows)
            terminal.until(lambda: "0/4" in terminal.text)
        (here / "one").touch()
        terminal.until(lambda: "alone" in terminal.text and "files" in terminal.text)
        terminal.resize(50, 24)
        (here / "two").touch()
        terminal.until(lambda: "hint: make one" in terminal.text and "1 failed" in terminal.text)
        assert terminal.text.count("1 blocked") == 1
        (here / "three").touch()
        assert terminal.end() == 1
        lines = terminal.text.splitlines()
        assert [line for line in lines if re.match(r"\[\d/4\]", line)] == [
            "[1/4] base         85.8 s",
            "[2/4] side-door     0.4 s  FAILED",
            "[3/4] alone         3.1 s",
        ]
        assert not [line for line in lines if line.startswith(" " * 6) or "━" in line or "─" in line]


def test_two_hundred_images_on_a_small_terminal(build: Build, here: Path) -> None:
    script = """\
    names=; i=0
    while [ $i -lt 200 ]; do names="$names, \\"image-$i\\""; i=$((i + 1)); done
    event planned "\\"images\\": [${names#, }], \\"fresh\\": [], \\"jobs\\": 60"
    i=0
    while [ $i -lt 60 ]; do event started "\\"image\\": \\"image-$i\\""; i=$((i + 1)); done
    wait_for one
    i=0
    while [ $i -lt 200 ]; do
        [ $i -lt 60 ] || event started "\\"image\\": \\"image-$i\\""
        ended image-$i built 1.$((i % 10))
        i=$((i + 1))
    done
    event ended '"status": 0'
    printf 'tiny: 200 images: 200 built, 0 fresh\\n' >&2
    """
    with build(script, rows=24) as terminal:
        terminal.shows("and 41 more")
        assert len(terminal.text.splitlines()) == 21
        assert terminal.text.splitlines()[-1].endswith("0/200, 0:00") or "0/200, " in terminal.text
        (here / "one").touch()
        assert terminal.end() == 0
        lines = terminal.all_text.splitlines()
        ended = [line for line in lines if line.startswith("[")]
        assert ended == [f"[{i + 1:>3}/200] {f'image-{i}':<9}     1.{i % 10} s" for i in range(200)]
        assert lines[-1] == "tiny: 200 images: 200 built, 0 fresh"
        assert len(lines) == 201


@pytest.mark.parametrize("key", ["\x03", None])
def test_interrupted(build: Build, here: Path, key: str | None) -> None:
    """By Ctrl-C, which reaches the run, too; or by a signal to this process alone, which it passes on."""
    script = """\
    trap 'echo heard >>heard; echo "tiny: 1 image: 0 built, 0 fresh, 1 not reached" >&2; exit 130' INT TERM
    event planned '"images": ["base"], "fresh": [], "jobs": 2'
    event started '"image": "base"'
    wait_for never
    """
    with build(script) as terminal:
        terminal.shows("base")
        terminal.shows("0/1")
        if key:
            terminal.press(key)
        else:
            os.kill(terminal.process.pid, signal.SIGTERM)
        assert terminal.end() == 130
        assert terminal.text.splitlines()[-1] == "tiny: 1 image: 0 built, 0 fresh, 1 not reached"
        assert cursor_is_shown(terminal)
        assert (here / "heard").read_text() == "heard\n"


def test_a_run_that_is_killed(build: Build) -> None:
    with build(f"{ONE}kill -9 $$") as terminal:
        assert terminal.end() == 128 + 9
        assert cursor_is_shown(terminal)
        assert "base  " not in terminal.text


def test_a_build_that_is_killed_takes_the_run_along(
    here: Path, environment: dict[str, str], fake: Fake
) -> None:
    fake("bash", f"{RUN}trap 'touch ended; exit 130' TERM\n{ONE}wait_for never")
    env = {**environment, "TERM": "xterm"}
    patience = "until [ -e ended ]; do sleep 0.02; done"
    command = f"{sys.executable} -m buildsys build tiny & echo $! >process; wait; {patience}"
    with Terminal(["/bin/bash", "-c", command], cwd=here, env=env) as terminal:
        terminal.shows("0/1")
        os.kill(int((here / "process").read_text()), signal.SIGKILL)
        assert terminal.end() == 0


def test_stopped_and_continued_by_the_keys_of_a_shell(
    here: Path, environment: dict[str, str], fake: Fake
) -> None:
    fake("bash", f"{RUN}{ONE}wait_for one")
    env = {**environment, "PS1": "$ ", "TERM": "xterm", "LC_ALL": "C.UTF-8", "HISTFILE": ""}
    with Terminal(["/bin/bash", "--norc", "--noprofile", "-i"], cwd=here, env=env) as terminal:
        terminal.shows("$")
        terminal.press(f"{sys.executable} -m buildsys build tiny\n")
        terminal.shows("0/1")
        terminal.press("\x1a")
        terminal.shows("Stopped")
        assert cursor_is_shown(terminal)
        assert "0/1" not in terminal.text
        terminal.press("fg; echo status $?\n")
        terminal.until(lambda: "0/1" in terminal.text and not cursor_is_shown(terminal))
        (here / "one").touch()
        terminal.shows("status 0")
        assert cursor_is_shown(terminal)


@pytest.mark.parametrize(
    ("words", "env", "shown"),
    [
        (["--plain"], {}, ""),
        ([], {"TERM": "dumb"}, ""),
        (["--quiet"], {}, "failures"),
        (["-q", "--plain"], {}, "failures"),
    ],
)
def test_plain_lines(build: Build, words: list[str], env: dict[str, str], shown: str) -> None:
    script = 'echo "shows <${BS_SHOW-}> run <${BS_RUN-}> process $$"'
    with build(script, *words, env=env) as terminal:
        assert terminal.end() == 0
        # The run is this very process: nothing stands between it and its caller.
        assert terminal.text == f"shows <{shown}> run <> process {terminal.process.pid}"
        assert b"\x1b" not in terminal.written


def test_no_colour(build: Build, here: Path) -> None:
    for name in ("one", "two", "three"):
        (here / name).touch()
    with build(FOUR) as terminal:
        terminal.end()
        assert b"\x1b[1;31m" in terminal.written
    with build(FOUR, env={"NO_COLOR": "1"}) as terminal:
        terminal.end()
        assert re.findall(rb"\x1b\[[0-9;]*m", terminal.written) == []
        assert "FAILED" in terminal.text


def test_makes_job_server_reaches_the_run(here: Path, environment: dict[str, str], fake: Fake) -> None:
    """Two descriptors, or the name of a pipe, by the version of make."""
    look = 'for i in 3 4 5 6 7 8 9; do [ ! -p /dev/fd/$i ] || echo "pipe $i"; done; echo "<$MAKEFLAGS>"'
    fake("bash", RUN + look)
    (here / "Makefile").write_text(f"all: ; +@{sys.executable} -m buildsys build tiny\n")
    env = {**environment, "TERM": "xterm", "LC_ALL": "C.UTF-8"}
    with Terminal(["make", "-j3"], cwd=here, env=env, columns=200) as terminal:
        assert terminal.end() == 0, terminal.text
        numbers = re.search(r"--jobserver-auth=(\d+),(\d+)", terminal.text)
        assert numbers or "--jobserver-auth=fifo:" in terminal.text, terminal.text
        if numbers:
            assert f"pipe {numbers[1]}" in terminal.text
            assert f"pipe {numbers[2]}" in terminal.text


def test_two_builds_on_one_terminal(here: Path, environment: dict[str, str], fake: Fake) -> None:
    """The second one prints lines."""
    fake("bash", RUN + 'echo "run <${BS_RUN:+drawn}>"; [ -e first ] || { touch first; wait_for one; }')
    env = {**environment, "TERM": "xterm", "LC_ALL": "C.UTF-8"}
    command = f"{sys.executable} -m buildsys build tiny"
    both = f"{command} & until [ -e first ]; do sleep 0.05; done; {command} -o build/other; touch one; wait"
    with Terminal(["/bin/bash", "-c", both], cwd=here, env=env) as terminal:
        terminal.end()
        assert sorted(re.findall("run <.*>", terminal.text)) == ["run <>", "run <drawn>"]


def test_the_estimate_is_of_the_last_times(build: Build, here: Path, buildsys: Run) -> None:
    assert buildsys("plan", "tiny").returncode == 0
    (here / "build/tiny/state").mkdir(exist_ok=True)
    for name, seconds in {"base": "100.0", "alone": "20.0", "side-door": "200.0", "app": "1400.0"}.items():
        (here / f"build/tiny/state/{name}.seconds").write_text(f"{seconds}\n")
    with build(FOUR) as terminal:
        # The chain of base, side-door and app.
        terminal.shows("0/4, 0:00, about 28 min left")


def test_the_record_is_what_is_drawn(build: Build, here: Path) -> None:
    """A torn line, a line of a newer version and one of another program are skipped."""
    script = """\
    printf '{"time": 1, "event": "built", "image": "x", "sec' >>$plan/events.jsonl
    event planned '"images": ["base"], "fresh": []'
    event sneezed '"image": "base", "loudly": true'
    echo 'something else' >>$plan/events.jsonl
    event started '"image": "base"'
    wait_for one
    """
    with build(script) as terminal:
        terminal.shows("base")
        terminal.shows("0/1")
        (here / "one").touch()
        assert terminal.end() == 0
    lines = (here / "build/tiny/events.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["event"] == "run"


def test_the_picture_of_the_documentation_is_of_today() -> None:
    assert PICTURE.read_text() == picture(), "python -m tests.cli.picture makes it"


def test_drawing_costs_little(build: Build, here: Path) -> None:
    """Seconds of processor time for three seconds of eight images in progress."""
    script = """\
    event planned '"images": ["a", "b", "c", "d", "e", "f", "g", "h"]'
    for name in a b c d e f g h; do event started "\\"image\\": \\"$name\\""; done
    wait_for one
    """
    with build(script) as terminal:
        terminal.shows("0/8")
        stat = Path(f"/proc/{terminal.process.pid}/stat")

        def used() -> float:
            words = stat.read_text().rpartition(")")[2].split()
            return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

        began, before = time.monotonic(), used()
        terminal.until(lambda: time.monotonic() - began > 3)
        spent = used() - before
        (here / "one").touch()
        assert terminal.end() == 0
    assert spent <= 0.15, f"{spent} s of 3"
