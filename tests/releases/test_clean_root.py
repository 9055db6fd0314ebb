"""tools/clean-root: what a root is made of, what a command finds in it, and that nothing stays of either.

The roots are of busybox; mmdebstrap and apt are scripts that keep a diary. With the host's /usr lent to it, a
root has the host's programs.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from buildsys.standins.tools import find_busybox

pytestmark = pytest.mark.real

ROOT = Path(__file__).resolve().parents[2]
MIRROR = "http://mirror.example.org/debian"
FOLDERS = "bin dev etc mnt proc root run sys tmp usr var/cache/apt/archives"

APT_GET = f"""
release=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
echo "'http://other.example.org/debian/dists/nodistro/InRelease' other 0"
[[ -e {{place}}/no-source ]] || echo "'{MIRROR}/dists/$release/InRelease' mirror 0"
"""
APT_CONFIG = """
echo 'Acquire::Check-Valid-Until "false";'
echo 'Acquire::Changelogs::URI "http://elsewhere.example.org";'
"""
MMDEBSTRAP = """
echo "${*: -3:1} ${*: -1}" >>{place}/made
for option; do [[ $option != --aptopt=* ]] || cp "${option#--aptopt=}" {place}/apt.conf; done
cp -a {place}/template "${*: -2:1}"
[[ ! -e {place}/slow ]] || { touch {place}/slow.begun; sleep 60; }
[[ ! -e {place}/broken ]]
"""


@dataclass
class Host:
    """A clone with the tool in it, the programs it calls, and a folder for roots."""

    place: Path
    clone: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def roots(self) -> Path:
        return self.place / "roots"

    def command(self, *words: str) -> list[str]:
        return [str(self.clone / "tools/clean-root"), "--roots", str(self.roots), *words]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the tool; the folder for roots is given already."""
        environment = {**os.environ, "PATH": f"{self.place}/bin:{os.environ['PATH']}", **self.environment}
        return subprocess.run(
            self.command(*words), env=environment, check=False, capture_output=True, text=True, timeout=60
        )

    def start(self, *words: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "PATH": f"{self.place}/bin:{os.environ['PATH']}", **self.environment}
        return subprocess.Popen(
            self.command(*words), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def says(self, *command: str) -> str:
        """What a command prints in the root of `suite`; it must not fail."""
        done = self.run("suite", *command)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout

    def made(self) -> list[str]:
        """The roots that were made: suite and source, a line each."""
        diary = self.place / "made"
        return diary.read_text().splitlines() if diary.exists() else []


def busybox_root(root: Path) -> None:
    for folder in FOLDERS.split():
        (root / folder).mkdir(parents=True)
    shutil.copy(find_busybox(), root / "bin/busybox")
    applets = subprocess.run([find_busybox(), "--list"], check=True, capture_output=True, text=True).stdout
    for applet in {*applets.split()} - {"busybox"}:
        (root / "bin" / applet).symlink_to("busybox")
    for folder in ("lib", "lib64"):
        (root / folder).symlink_to(f"usr/{folder}")


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host whose roots are not made yet."""
    host = Host(tmp_path, tmp_path / "clone")
    (host.clone / "tools").mkdir(parents=True)
    shutil.copy(ROOT / "tools/clean-root", host.clone / "tools")
    git(host.clone, "init", "--quiet")
    git(host.clone, "add", ".")
    git(host.clone, "commit", "--quiet", "-m", "All")
    (tmp_path / "bin").mkdir()
    for name, script in (("apt-get", APT_GET), ("apt-config", APT_CONFIG), ("mmdebstrap", MMDEBSTRAP)):
        program = tmp_path / "bin" / name
        program.write_text(f"#!/bin/bash\n{script.replace('{place}', str(tmp_path))}\n")
        program.chmod(0o755)
    busybox_root(tmp_path / "template")
    return host


@pytest.fixture
def made(host: Host) -> Host:
    """A host with a root of `suite`."""
    shutil.copytree(host.place / "template", host.roots / "suite", symlinks=True)
    return host


# ── the command line ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "give a suite and a command"),
        (["suite"], "give a suite and a command"),
        (["--roots"], "--roots needs a value"),
        (["--clean", "suite", "true"], "there is no option --clean"),
        (["../suite", "true"], "'../suite' is not the name of a suite"),
        (["packages", "true"], "'packages' is not the name of a suite"),
        (["--lend", "/nowhere", "suite", "true"], "there is no /nowhere"),
        (["--lend", "/usr:usr", "suite", "true"], "a place in the root begins with /: 'usr'"),
    ],
)
def test_mistakes_in_the_call(host: Host, words: list[str], said: str) -> None:
    done = host.run(*words)
    assert done.returncode == 2
    assert done.stderr.startswith(f"clean-root: {said}\ntools/clean-root [OPTION]... SUITE COMMAND")
    assert host.made() == []


def test_only_root_may(host: Host) -> None:
    (host.place / "bin/id").write_text("#!/bin/bash\necho 1000\n")
    (host.place / "bin/id").chmod(0o755)
    done = host.run("suite", "true")
    assert (done.returncode, done.stderr) == (3, "clean-root: only root can make and enter a root\n")


# ── making a root ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_root_comes_from_where_the_host_comes_from(host: Host) -> None:
    done = host.run("suite", "true")
    assert (done.returncode, done.stderr) == (
        0,
        f"clean-root: making a root of suite in {host.roots}/suite\n",
    )
    assert host.made() == [f"suite deb {MIRROR} suite main"]
    assert (host.place / "apt.conf").read_text() == 'Acquire::Check-Valid-Until "false";\n'


def test_a_root_is_made_once_and_anew_when_asked(host: Host) -> None:
    assert host.run("suite", "touch", "/seen").returncode == 0
    assert host.says("ls", "/seen") == "/seen\n"
    assert host.run("--fresh", "suite", "ls", "/seen").returncode == 1
    assert len(host.made()) == 2


def test_without_a_source_no_root_is_made(host: Host) -> None:
    (host.place / "no-source").touch()
    done = host.run("suite", "true")
    said = "clean-root: apt has no source for this host's own release, so nothing says where suite is\n"
    assert (done.returncode, done.stderr) == (3, said)


def test_a_root_that_cannot_be_made_leaves_the_one_there_was(made: Host) -> None:
    (made.roots / "suite/seen").touch()
    (made.place / "broken").touch()
    done = made.run("--fresh", "suite", "true")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        3,
        "clean-root: mmdebstrap could not make a root of suite",
    )
    assert made.says("ls", "/seen") == "/seen\n"


def test_a_root_that_was_killed_while_it_was_made_is_none(host: Host) -> None:
    (host.place / "slow").touch()
    with host.start("suite", "true") as process:
        waited_for((host.place / "slow.begun").exists)
        process.kill()
    assert not (host.roots / "suite").exists()
    (host.place / "slow").unlink()
    assert host.run("suite", "true").returncode == 0


def test_a_root_in_use_is_not_made_anew(made: Host) -> None:
    with made.start("suite", "sh", "-c", "touch /begun; read -r _ < /dev/zero") as process:
        waited_for((made.roots / "suite/begun").exists)
        with made.start("--fresh", "suite", "true") as other:
            assert other.stderr is not None
            assert other.stderr.readline() == "clean-root: suite is in use; waiting\n"
            assert made.made() == []
            process.kill()
            assert other.wait(timeout=60) == 0
    assert len(made.made()) == 1


# ── what a command finds ────────────────────────────────────────────────────────────────────────────────────


def test_words_and_status_are_handed_on(made: Host) -> None:
    words = ["a b", "'", "$HOME", "*", ""]
    assert made.says("printf", "<%s>", *words) == "".join(f"<{word}>" for word in words)
    assert made.run("suite", "sh", "-c", "exit 7").returncode == 7


def test_of_the_environment_only_the_way_to_a_network_is_handed_on(made: Host) -> None:
    made.environment = {"http_proxy": "http://proxy.example.org", "PIP_RETRIES": "9", "BS_STORE": "--root /x"}
    found = dict(line.split("=", 1) for line in made.says("env").splitlines())
    assert (found["http_proxy"], found["PIP_RETRIES"]) == ("http://proxy.example.org", "9")
    assert (found["HOME"], found["PIP_CACHE_DIR"]) == ("/root", "/var/cache/pip")
    assert not {"BS_STORE", "USER", "PYTEST_CURRENT_TEST"} & found.keys()


def test_pip_is_configured_as_here(made: Host, tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels/a.whl").touch()
    (tmp_path / "config/pip").mkdir(parents=True)
    text = f"[global]\nfind-links = {tmp_path}/wheels\n"
    (tmp_path / "config/pip/pip.conf").write_text(text)
    made.environment = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    assert made.says("cat", "/root/.config/pip/pip.conf") == text
    assert made.says("ls", str(tmp_path / "wheels")) == "a.whl\n"
    assert made.run("suite", "touch", str(tmp_path / "wheels/b.whl")).returncode != 0


def test_the_hosts_files_are_not_there(made: Host) -> None:
    assert made.says("ls", "/mnt") == ""
    assert not {"boot", "home", "lost+found", "srv"} & {*made.says("ls", "-a", "/").split()}
    assert not {"fstab", "os-release", "passwd"} & {*made.says("ls", "/etc").split()}
    assert len(made.says("sh", "-c", "echo /proc/[0-9]*").split()) == 2


def test_settings_of_the_kernel_can_only_be_read(made: Host) -> None:
    for path in ("/proc/sys/kernel/hostname", "/proc/sys/kernel/core_pattern", "/sys/kernel/uevent_helper"):
        before = Path(path).read_text() if Path(path).exists() else None
        assert made.run("suite", "sh", "-c", f"echo changed >{path}").returncode != 0
        assert before == (Path(path).read_text() if Path(path).exists() else None)
    mode = Path("/sys").stat().st_mode
    assert made.run("suite", "chmod", "700", "/sys").returncode != 0
    assert Path("/sys").stat().st_mode == mode


def test_devices_are_its_own(made: Host) -> None:
    mode = Path("/dev/null").stat().st_mode
    assert made.says("sh", "-c", "chmod 600 /dev/null /dev && echo x >/dev/shm/x && echo x >/dev/null") == ""
    assert Path("/dev/null").stat().st_mode == mode
    assert not Path("/dev/shm/x").exists()


def test_an_ordinary_user_can_mount_a_proc_of_his_own(made: Host) -> None:
    """As rootless builds do; the kernel allows it where a whole proc can be seen."""
    command = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "ls", "/proc/1"]
    assert "mounts" in made.says("/bin/busybox", *command)


def test_what_is_lent_can_be_read_and_what_is_shared_written(made: Host, tmp_path: Path) -> None:
    for name in ("lent", "shared folder"):
        (tmp_path / name).mkdir()
    options = ["--lend", f"{tmp_path}/lent:/in", "--share", f"{tmp_path}/shared folder:/out"]
    assert made.run(*options, "suite", "touch", "/in/x").returncode != 0
    assert made.run(*options, "suite", "touch", "/out/x").returncode == 0
    assert [path.name for path in tmp_path.glob("*/x")] == ["x"]


# ── cloning the clone ───────────────────────────────────────────────────────────────────────────────────────


def as_it_is(host: Host) -> Path:
    return host.clone


def worktree(host: Host) -> Path:
    git(host.clone, "worktree", "add", "--quiet", str(host.place / "tree"), "-b", "side")
    return host.place / "tree"


def shallow(host: Host) -> Path:
    git(host.clone, "commit", "--quiet", "--allow-empty", "-m", "More")
    git(host.place, "clone", "--quiet", "--depth", "1", f"file://{host.clone}", "shallow")
    git(host.place / "shallow", "checkout", "--quiet", "--detach")
    return host.place / "shallow"


def borrowing(host: Host) -> Path:
    git(host.place, "clone", "--quiet", "--shared", str(host.clone), "borrowing")
    return host.place / "borrowing"


@pytest.mark.parametrize("kind", [as_it_is, worktree, shallow, borrowing])
def test_the_clone_can_be_cloned(made: Host, kind: Callable[[Host], Path]) -> None:
    made.clone = kind(made)
    (made.roots / "suite/etc/gitconfig").write_text("[safe]\n\tdirectory = *\n")
    done = made.run("--lend", "/usr", "suite", "git", "clone", "--quiet", "/project", "p")
    assert done.returncode == 0, done.stderr
    assert made.says("ls", "p/tools") == "clean-root\n"
    assert made.run("suite", "touch", "/project/x").returncode != 0


# ── what stays ──────────────────────────────────────────────────────────────────────────────────────────────


def waited_for(there: Callable[[], bool]) -> None:
    for _ in range(600):
        if there():
            return
        time.sleep(0.1)
    pytest.fail("it did not come")


def naming(text: str) -> list[str]:
    """Command lines and mounts of this machine that have this text."""
    lines = Path("/proc/self/mounts").read_text().splitlines()
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:  # ended meanwhile
            continue
    return [line for line in lines if text in line]


@pytest.mark.parametrize("number", [None, signal.SIGKILL])
def test_neither_mounts_nor_processes_stay(made: Host, number: signal.Signals | None) -> None:
    mark = f"mark-{os.getpid()}"
    words = ["sh", "-c", "touch /begun; sleep 1000 & sleep 1000 & [ $1 = None ] || wait", mark, str(number)]
    with made.start("suite", *words) as process:
        waited_for((made.roots / "suite/begun").exists)
        if number is not None:
            process.send_signal(number)
        assert process.wait(timeout=60) == (0 if number is None else -number)
    waited_for(lambda: naming(mark) == [])
    assert [line for line in naming(str(made.roots)) if "pytest" not in line] == []
