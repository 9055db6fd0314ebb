"""The guard around a command and a run of tests, on changes that are real, in namespaces of their own."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.guard.judge import EXPECT
from tests.programs import started

APART = (
    "unshare --mount --propagation private --uts --ipc --net --pid --fork --kill-child --mount-proc".split()
)
# What has no namespace of its own is covered: a change then hits the cover.
COVER = r"""
set -e
mkdir -p $1/run/home $1/tmp $1/store/overlay-images
cp /etc/passwd $1/passwd
cp /proc/sys/kernel/core_pattern $1/core_pattern
mount -t tmpfs -o mode=755 tmpfs /sys
mkdir -p /sys/class/net
mount --bind $1/run /run
mount --bind $1/passwd /etc/passwd
mount --bind $1/core_pattern /proc/sys/kernel/core_pattern
shift
exec "$@"
"""
CHANGES = {
    "mode /sys": "chmod 711 /sys",
    "hostname": "echo other >/proc/sys/kernel/hostname",
    "setting kernel.core_pattern": "echo '|/x' >/proc/sys/kernel/core_pattern",
    "setting kernel.msgmax": "echo 4096 >/proc/sys/kernel/msgmax",
    "setting net.ipv4.ip_default_ttl": "echo 65 >/proc/sys/net/ipv4/ip_default_ttl",
    "mount /mnt": "mount -t tmpfs none /mnt",
    "name /run/left": "touch /run/left",
    "name /run/home/left": "mkdir $HOME/left",
    "file /etc/passwd": "echo x:x:9:9::/:/bin/sh >>/etc/passwd",
    "store overlay-images/images.json": "echo [] >$STORE/overlay-images/images.json",
    "interface left": "ln -s /nowhere /sys/class/net/left",
    "process": "env -i setsid sleep 300 >/dev/null 2>&1 &",
}
"""Command that makes the change, by what is reported."""
NOISE = (
    "name /tmp/*,name /var/*,name /dev/*,name /etc/*,mount /tmp/*,mount /var/*,file /var/lib/*"
    ",file /etc/group,file /etc/*shadow,file /etc/sub*"
)
"""What others on this machine may do meanwhile."""


@dataclass(frozen=True)
class Apart:
    """A place to change a machine in: namespaces, and covers on what has none."""

    place: Path

    def run(self, *command: str, expect: str = NOISE) -> subprocess.CompletedProcess[str]:
        """Run a command there."""
        storage = self.place / "storage.conf"
        storage.write_text(f'[storage]\ngraphroot = "{self.place}/store"\n')
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        return subprocess.run(
            [*APART, "sh", "-c", COVER, "sh", str(self.place), *command],
            cwd=ROOT,
            env={
                **kept, EXPECT: expect, "HOME": "/run/home", "TMPDIR": f"{self.place}/tmp",
                "STORE": f"{self.place}/store", "CONTAINERS_STORAGE_CONF": str(storage),
            },
            check=False, capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    def guarded(self, script: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Run lines of shell under the guard."""
        return self.run(sys.executable, "-m", "tests.guard", *options, "--", "sh", "-c", script)

    def tested(self, text: str, *options: str, expect: str = NOISE) -> subprocess.CompletedProcess[str]:
        """Run a file of tests under the guard."""
        file = self.place / "test_it.py"
        file.write_text(f"import os, subprocess, time\nfrom pathlib import Path\n{text}")
        plugins = (
            "-p",
            "tests.guard.plugin",
            "-p",
            "no:cacheprovider",
            "-c",
            "/dev/null",
            "--rootdir",
            self.place,
        )
        command = (sys.executable, "-m", "pytest", *plugins, *options, file)
        return self.run(*map(str, command), expect=expect)


@pytest.fixture
def apart(tmp_path: Path) -> Apart:
    return Apart(tmp_path)


def lines(text: str) -> list[str]:
    return [line.removeprefix("guard: ") for line in text.splitlines() if line.startswith("guard: ")]


def only(text: str) -> str:
    """The one line of the guard, which is shown when it is not the only one."""
    found = lines(text)
    assert len(found) == 1, found
    return found[0]


def does(change: str) -> str:
    """A test that makes a change, as lines of Python."""
    name = change.split(maxsplit=1)[0].translate({ord("-"): None})
    return f"def test_{name}(): subprocess.run({change!r}, shell=True, check=True)\n"


GUILTY = "def test_guilty_{0}(): subprocess.run({1!r}, shell=True, check=True)\n"
INNOCENT = "def test_{0}(tmp_path):\n    (tmp_path / 'x').touch()\n    time.sleep({1})\n"


# ── a command ─────────────────────────────────────────────────────────────────────────────────────────────


def test_an_unchanged_machine_is_no_event(apart: Apart) -> None:
    done = apart.guarded("touch /run/x; rm /run/x; echo said; sleep 0.1 &")
    assert (done.returncode, done.stdout, done.stderr) == (0, "said\n", "")


def test_changes_fail_the_command_and_are_named(apart: Apart) -> None:
    done = apart.guarded("\n".join(CHANGES.values()))
    found = lines(done.stderr)
    assert [what for what in CHANGES if not any(line.startswith(what) for line in found)] == []
    assert len(found) == len(CHANGES), found
    assert all(re.fullmatch(r"\S.*: was '.*', is '.*'", line) for line in found), found
    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.parametrize("what", ["mode /sys", "process"])
def test_one_change_is_enough(apart: Apart, what: str) -> None:
    done = apart.guarded(CHANGES[what])
    assert only(done.stderr).startswith(what)
    assert done.returncode == 1


def test_a_process_that_hides_is_found_although_the_guard_is_not_the_first_process(apart: Apart) -> None:
    guard = (sys.executable, "-m", "tests.guard", "sh", "-c", CHANGES["process"])
    done = apart.run("sh", "-c", '"$@"; exit $?', "sh", *guard)
    assert only(done.stderr).endswith("is 'sleep 300'")
    assert done.returncode == 1


def test_every_difference_has_its_line(apart: Apart) -> None:
    done = apart.guarded("chmod 711 /sys; touch /run/left; exit 7")
    assert lines(done.stderr) == [
        "mode /sys: was 'drwxr-xr-x 0:0', is 'drwx--x--x 0:0'",
        "name /run/left: was 'missing', is 'there'",
    ]
    assert done.returncode == 7, "the command's own failure comes first"


def test_what_is_expected_may_differ(apart: Apart) -> None:
    made = "$HOME/.config $HOME/.local/share/containers /run/containers"
    done = apart.guarded(
        f"touch /run/left $STORE/overlay-images/new; mkdir -p {made}", "--store", "--expect", "name /run/l*"
    )
    assert lines(done.stderr) == ["name /run/home/.config: was 'missing', is 'there'"]


def test_a_command_that_is_not_there(apart: Apart) -> None:
    done = apart.run(sys.executable, "-m", "tests.guard", "no-such-command")
    assert (done.returncode, done.stderr) == (127, "guard: no-such-command: No such file or directory\n")


def test_a_signal_reaches_the_command_and_the_machine_is_compared_all_the_same(tmp_path: Path) -> None:
    script = f"trap 'echo ended; exit 5' TERM; touch {tmp_path}/begun; while :; do sleep 0.05; done"
    command = [sys.executable, "-m", "tests.guard", "sh", "-c", script]
    with started(command, cwd=ROOT, env={**os.environ, EXPECT: "*"}, stdout=subprocess.PIPE) as running:
        end = time.monotonic() + 60
        while not (tmp_path / "begun").exists() and time.monotonic() < end:
            time.sleep(0.05)
        running.send_signal(signal.SIGTERM)
        assert running.communicate(timeout=30)[0] == "ended\n"
        assert running.returncode == 5


# ── a run of tests ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "with workers"])
def test_a_run_that_changes_nothing_is_quiet_and_leaves_nothing(
    apart: Apart, options: tuple[str, ...]
) -> None:
    inside = (
        "def test_place(tmp_path):\n"
        "    base = os.environ['TESTS_GUARD']\n"
        "    assert os.environ['TMPDIR'].startswith(base + '/') and str(tmp_path).startswith(base + '/')\n"
        f"    Path({str(apart.place)!r}, 'base').write_text(base)\n"
    )
    done = apart.tested(f"{INNOCENT.format('a', 0)}{INNOCENT.format('b', 0)}{inside}", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "guard" not in done.stdout + done.stderr
    assert not Path((apart.place / "base").read_text()).exists()


def test_a_test_that_changes_the_machine_is_named(apart: Apart) -> None:
    tests = [INNOCENT.format("before", 0)]
    for number, change in enumerate(CHANGES.values()):
        # A process without an environment is found by the guard around the whole command.
        tests.append(GUILTY.format(number, change.replace("env -i ", "")))
        tests.append(INNOCENT.format(f"after_{number}", 0))
    done = apart.tested("".join(tests))
    found = lines(done.stdout)
    for number, what in enumerate(CHANGES):
        (line,) = (line for line in found if line.startswith(what))
        # Settings of the network are read when a file of tests ends: all its tests are named.
        one = "" if what.startswith("setting net.") else "; by "
        assert f"{one}test_it.py::test_guilty_{number}{',' if not one else ''}" in line, line
    assert len(found) == len(CHANGES), found
    assert done.returncode == 1
    assert f"{2 * len(CHANGES) + 1} passed" in done.stdout


WORKERS = """\
import pytest
HERE = Path(__file__).parent
def wait(name):
    while not (HERE / name).exists(): time.sleep(0.01)

@pytest.mark.xdist_group("a")
def test_first(): pass

@pytest.mark.xdist_group("a")
def test_guilty():
    wait("begun")
    os.chmod("/sys", 0o711)
    (HERE / "done").touch()

@pytest.mark.xdist_group("a")
def test_next(): pass

@pytest.mark.xdist_group("a")
def test_last(): time.sleep(1)

@pytest.mark.xdist_group("b")
def test_meanwhile():
    (HERE / "begun").touch()
    wait("done")

@pytest.mark.xdist_group("b")
def test_very_last(): pass
"""


def test_with_workers_only_tests_that_were_at_work_are_suspects(apart: Apart) -> None:
    done = apart.tested(WORKERS, "-n", "2", "--dist", "loadgroup")
    line = only(done.stdout)
    suspects = sorted(re.findall(r"::test_(\w+)", line))
    # The look at the machine after one test may be taken when the other worker is a test further.
    assert {"guilty", "meanwhile"} <= set(suspects) <= {"guilty", "meanwhile", "next", "very_last"}
    assert done.returncode == 1


def test_what_a_test_puts_back_was_changed_all_the_same(apart: Apart) -> None:
    text = "def test_guilty(): os.chmod('/sys', 0o711)\ndef test_back(): os.chmod('/sys', 0o755)\n"
    done = apart.tested(text)
    line = only(done.stdout)
    assert line.endswith("is 'drwx--x--x 0:0', and as before at the end; by test_it.py::test_guilty")
    assert done.returncode == 1


DECLARED = """\
import pytest
@pytest.mark.changes("file /etc/pass*")
def test_user():
    text = Path("/etc/passwd").read_text()
    Path("/etc/passwd").write_text(text + "x")
    time.sleep(0.5)
    Path("/etc/passwd").write_text(text + LEFT)
"""


def test_what_a_test_declares_it_may_change_for_its_time_and_no_longer(apart: Apart) -> None:
    meanwhile = "".join(INNOCENT.format(f"meanwhile_{number}", 0.1) for number in range(8))
    done = apart.tested(DECLARED.replace("LEFT", "''") + meanwhile, "-n", "2")
    assert done.returncode == 0, done.stdout
    done = apart.tested(DECLARED.replace("LEFT", "'y'"))
    line = only(done.stdout)
    assert line.startswith("file /etc/passwd: ")
    assert line.endswith("; by test_it.py::test_user")


def test_names_and_mounts_of_one_test_are_its_own_business(apart: Apart) -> None:
    change = "mount -t tmpfs none /mnt; touch /run/x; sleep 0.2; umount /mnt; rm /run/x"
    done = apart.tested(does(change) + INNOCENT.format("meanwhile", 0.1), "-n", "2")
    assert done.returncode == 0, done.stdout


def test_a_folder_of_tests_that_failed_stays_and_what_is_mounted_in_it_is_not_removed(apart: Apart) -> None:
    (apart.place / "mine").mkdir()
    (apart.place / "mine/file").touch()
    mount = f"mount --bind {apart.place}/mine $TESTS_GUARD/t"
    done = apart.tested(does(mount), expect=NOISE.replace(",mount /var/*", ""))
    (line,) = (line for line in lines(done.stdout) if f"mount {apart.place}" in line)
    assert line.endswith("; by test_it.py::test_mount")
    assert (apart.place / "mine/file").exists()
    (kept,) = [
        line.rpartition(" ")[2]
        for line in done.stdout.splitlines()
        if line.startswith("folders of the tests")
    ]
    assert Path(kept).is_dir()


def test_a_mount_that_is_expected_is_not_emptied_with_the_folder(apart: Apart) -> None:
    (apart.place / "mine").mkdir()
    (apart.place / "mine/file").touch()
    done = apart.tested(does(f"mount --bind {apart.place}/mine $TESTS_GUARD/t"))
    assert done.returncode == 0, done.stdout
    assert (apart.place / "mine/file").exists()


def test_folders_that_killed_runs_left_go_with_later_runs(apart: Apart) -> None:
    left = [apart.place / f"tmp/bs-left{number}" for number in range(4)]
    for number, path in enumerate(left):
        path.mkdir(parents=True)
        (path / "lock").touch()
        os.utime(path / "lock", (number, number))
    assert apart.tested(INNOCENT.format("a", 0)).returncode == 0
    assert [path.exists() for path in left] == [False, False, True, True]


# ── signals that the caller ignores ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "with workers"])
def test_what_tests_start_hears_signals_that_the_run_ignores(apart: Apart, options: tuple[str, ...]) -> None:
    text = (
        "import signal\n"
        "def test_child():\n"
        "    for number in signal.SIGINT, signal.SIGHUP, signal.SIGTERM:\n"
        "        child = subprocess.Popen(['sleep', '60'])\n"
        "        child.send_signal(number)\n"
        "        assert child.wait(10) == -number\n"
        "        os.kill(os.getpid(), number)\n"
    )
    (apart.place / "test_it.py").write_text(f"import os, subprocess\n{text}")
    words = (
        f"-p tests.signals -p no:cacheprovider -c /dev/null --rootdir {apart.place} {apart.place}/test_it.py"
    )
    command = shlex.join([sys.executable, "-m", "pytest", *words.split(), *options])
    done = subprocess.run(
        ["sh", "-c", f"trap '' INT HUP TERM; exec {command}"],
        cwd=ROOT, check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
