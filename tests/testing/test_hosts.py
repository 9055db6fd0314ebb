"""What podman needs on a host is tried and written down; an ordinary user gets a user namespace first."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from buildsys.cli.surroundings import enter_user_namespace
from buildsys.interrupts import Interrupted
from buildsys.testing.podman import LONGEST, NothingWorks, Podman, configure


@pytest.fixture
def podman(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Podman:
    """A podman that makes containers only by `wanted`, a line of its configuration; it notes each attempt."""
    program = tmp_path / "bin/podman"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\n"
        f'echo "$*" >>{tmp_path}/calls\n'
        f'grep -qs "$(cat {tmp_path}/wanted)" "${{CONTAINERS_CONF:-/dev/null}}" && exit 127\n'
        "echo 'Error: operation not permitted' >&2\nexit 126\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.delenv("CONTAINERS_CONF", raising=False)
    return Podman("--root /r --runroot /rr", "buildsys-test-x", tmp_path)


def attempts(place: Path) -> int:
    calls = (place / "calls").read_text().splitlines()
    assert all(call.startswith("--root /r --runroot /rr ") for call in calls)
    return len(calls)


def test_what_works_is_written_down_and_tried_first_the_next_time(podman: Podman, tmp_path: Path) -> None:
    notebook = tmp_path / "state/containers.conf"
    (tmp_path / "wanted").write_text('runtime = "runc"')
    assert configure(podman, "image", notebook) == "few open files and processes, cgroupfs, runc"
    assert podman.configuration == notebook
    assert 'runtime = "runc"' in notebook.read_text()
    before = attempts(tmp_path)
    assert before > 1
    configure(podman, "image", notebook)
    assert attempts(tmp_path) == before + 1


def test_another_way_is_found_when_the_last_one_works_no_more(podman: Podman, tmp_path: Path) -> None:
    notebook = tmp_path / "state/containers.conf"
    (tmp_path / "wanted").write_text('runtime = "runc"')
    configure(podman, "image", notebook)
    (tmp_path / "wanted").write_text('runtime = "crun"')
    assert configure(podman, "image", notebook) == "few open files and processes, cgroupfs, crun"


def test_where_nothing_works_the_first_complaint_is_told(podman: Podman, tmp_path: Path) -> None:
    (tmp_path / "wanted").write_text("no such line")
    with pytest.raises(NothingWorks, match=r"^operation not permitted$"):
        configure(podman, "image", tmp_path / "containers.conf")


def test_an_ordinary_user_begins_again_in_a_user_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    became: list[tuple[str, ...]] = []

    monkeypatch.setattr(os, "execvp", lambda _, argv: became.append(argv))
    monkeypatch.setattr("buildsys.run.rights.lacks_namespace", lambda: None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(sys, "argv", ["buildsys", "test", "stable-pike"])
    monkeypatch.delenv("BS_USERNS", raising=False)
    enter_user_namespace()
    (argv,) = became
    assert argv[0] == "bash"
    assert argv[-5:] == (sys.executable, "-m", "buildsys", "test", "stable-pike")
    monkeypatch.setenv("BS_USERNS", "1")
    enter_user_namespace()
    monkeypatch.delenv("BS_USERNS")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    enter_user_namespace()
    assert len(became) == 1


def test_a_podman_that_hangs_is_not_waited_for(podman: Podman, tmp_path: Path) -> None:
    (tmp_path / "bin/podman").write_text("#!/bin/sh\nexec sleep 60\n")
    said = podman.call("ps", timeout=0.5)
    assert said.timed_out
    assert said.complaint.startswith("podman took longer than ")


def test_what_says_very_much_is_kept_in_part(podman: Podman, tmp_path: Path) -> None:
    (tmp_path / "bin/podman").write_text("#!/bin/sh\nyes | head -c 5000000; echo the end\n")
    said = podman.call("logs", "x")
    assert len(said.out) == LONGEST
    assert said.out.endswith("the end\n")


def test_after_the_end_nothing_is_begun(podman: Podman, tmp_path: Path) -> None:
    (tmp_path / "bin/podman").write_text("#!/bin/sh\nexec sleep 60\n")
    ended: list[BaseException] = []

    def call() -> None:
        try:
            podman.call("run")
        except Interrupted as end:
            ended.append(end)

    running = threading.Thread(target=call)
    running.start()
    time.sleep(0.5)
    podman.end()
    running.join(10)
    assert len(ended) == 1
    with pytest.raises(Interrupted):
        podman.call("run")
    with pytest.raises(Interrupted):
        podman.pause(60)
