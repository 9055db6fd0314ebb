"""Set-up by itself: what tools/setup.sh does on machines that lack something, and when make runs it.

Machines are folders here: a PATH of base utilities, and a package manager and a Python that keep a diary.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

BASE_UTILITIES = "bash cmp cp dirname flock ldd mkdir mv rm sort tail".split()
TO_BUILD = "buildah busybox bwrap catatonit createrepo_c crun curl dnf fuse-overlayfs".split()
TO_BUILD += "newuidmap podman rpm setfattr skopeo".split()
TO_TEST = "docker-registry faketime fish git gpg groff locale-gen mandoc mmdebstrap openssl pgrep".split()
TO_TEST += "chromedriver chromium munged rpmbuild runc setcap shellcheck slurmctld slurmd srun zsh".split()

DEBIAN_PACKAGES = "attr bubblewrap buildah busybox-static catatonit createrepo-c curl dnf fuse-overlayfs"
DEBIAN_PACKAGES += " podman python3-venv rpm runc skopeo uidmap"

AS_ROOT, AS_SOMEBODY = "0", "1000"

APT = """
case "$*" in
  *--simulate*) [[ -e lists ]]; exit ;;
  update) echo update >>diary; : >lists; exit ;;
esac
echo "install ${*: -2}" >>diary
[[ -e lists && ! -e broken ]] || { echo "E: what went wrong"; exit 100; }
cp packages/* "$BIN"
"""

PYTHON = """
case "$*" in
  -c*) [[ ! -e too-old ]] ;;
  --version) echo "Python 3.99" ;;
  "-m venv --clear .venv")
    echo "new environment" >>diary
    rm -rf .venv
    mkdir -p .venv/bin
    cp "$0" .venv/bin/python ;;
  "-m pip install"*) echo "pip ${*: -1}" >>diary; [[ ! -e offline ]] ;;
esac
"""


@dataclass
class Machine:
    clone: Path
    programs: Path

    def add(self, *names: str, script: str = "", packaged: bool = False) -> None:
        """Put programs on the PATH, or into the packages that the package manager can install."""
        for name in names:
            program = (self.clone / "packages" if packaged else self.programs) / name
            program.write_text(f"#!{self.programs}/bash\n{script}\n")
            program.chmod(0o755)

    def set_up(self, scope: str, *, user: str) -> subprocess.CompletedProcess[str]:
        """Run the script as `user`, who is whom this machine's `id` says."""
        self.add("id", script=f"echo {user}")
        command = [f"{self.programs}/bash", "tools/setup.sh", scope]
        environment = {"PATH": f"{self.programs}", "BIN": f"{self.programs}"}
        return subprocess.run(
            command, cwd=self.clone, env=environment, capture_output=True, text=True, check=False
        )

    def diary(self) -> list[str]:
        """What was done since the last look."""
        written = self.clone / "diary"
        lines = written.read_text().splitlines() if written.exists() else []
        written.unlink(missing_ok=True)
        return lines


@pytest.fixture
def bare(tmp_path: Path) -> Machine:
    """A machine with base utilities and a clone, cut off from the programs of the machine it stands on."""
    machine = Machine(tmp_path / "clone", tmp_path / "bin")
    machine.programs.mkdir()
    for name in BASE_UTILITIES:
        found = shutil.which(name)
        assert found, name
        (machine.programs / name).symlink_to(found)
    (machine.clone / "tools").mkdir(parents=True)
    (machine.clone / "packages").mkdir()
    script = (ROOT / "tools/setup.sh").read_text()
    assert "PATH=$PATH:/usr/sbin:/sbin " in script
    (machine.clone / "tools/setup.sh").write_text(script.replace("PATH=$PATH:/usr/sbin:/sbin ", ": "))
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, machine.clone)
    return machine


@pytest.fixture
def debian(bare: Machine) -> Machine:
    """A bare machine whose package manager has all there is, and knows no lists yet."""
    bare.add("dpkg")
    bare.add("apt-get", script=APT)
    bare.add(*TO_BUILD, *TO_TEST, packaged=True)
    bare.add("python3", script=PYTHON, packaged=True)
    return bare


@pytest.fixture
def complete(debian: Machine) -> Machine:
    """A machine where every package is installed."""
    debian.add(*TO_BUILD, *TO_TEST)
    debian.add("python3", script=PYTHON)
    return debian


def test_other_scopes_are_refused(bare: Machine) -> None:
    answer = bare.set_up("everything", user=AS_SOMEBODY)
    assert (answer.returncode, answer.stderr) == (2, "buildsys: usage: tools/setup.sh build|test\n")


def test_without_root_the_command_is_printed(debian: Machine) -> None:
    answer = debian.set_up("build", user=AS_SOMEBODY)
    assert answer.returncode == 3
    assert answer.stderr.splitlines() == [
        "buildsys: these packages are missing; install them, then run make again:",
        f"buildsys:     sudo apt-get install --no-install-recommends {DEBIAN_PACKAGES}",
    ]
    assert debian.diary() == []


def test_only_what_is_missing_is_named(complete: Machine) -> None:
    for name in ("rpm", "shellcheck"):
        (complete.programs / name).unlink()
    assert complete.set_up("build", user=AS_SOMEBODY).stderr.endswith("--no-install-recommends rpm\n")
    assert complete.set_up("test", user=AS_SOMEBODY).stderr.endswith(
        "--no-install-recommends rpm shellcheck\n"
    )


def test_one_oci_runtime_is_enough(complete: Machine) -> None:
    (complete.programs / "crun").unlink()
    assert complete.set_up("build", user=AS_SOMEBODY).returncode == 0
    (complete.programs / "runc").unlink()
    assert complete.set_up("build", user=AS_SOMEBODY).stderr.endswith("--no-install-recommends runc\n")


def test_root_installs_after_saying_what(debian: Machine) -> None:
    answer = debian.set_up("build", user=AS_ROOT)
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr.startswith(f"buildsys: installing packages: {DEBIAN_PACKAGES} (")
    assert debian.diary() == ["update", "install skopeo uidmap", "new environment", "pip flit-core", "pip ."]


def test_package_lists_are_fetched_only_when_needed(debian: Machine) -> None:
    (debian.clone / "lists").touch()
    assert debian.set_up("build", user=AS_ROOT).returncode == 0
    assert debian.diary()[0] == "install skopeo uidmap"


def test_a_failed_installation_is_shown(debian: Machine) -> None:
    (debian.clone / "broken").touch()
    answer = debian.set_up("build", user=AS_ROOT)
    assert answer.returncode == 3
    assert "E: what went wrong\nbuildsys: installing failed; " in answer.stderr
    assert debian.diary() == ["update", "install skopeo uidmap"]


def test_an_installation_that_brings_nothing_is_named(debian: Machine) -> None:
    (debian.clone / "packages/skopeo").unlink()
    answer = debian.set_up("build", user=AS_ROOT)
    assert answer.returncode == 3
    assert answer.stderr.endswith("buildsys: still not usable after installing: skopeo\n")


def test_without_a_known_package_manager_the_names_are_printed(bare: Machine) -> None:
    answer = bare.set_up("build", user=AS_ROOT)
    assert answer.returncode == 3
    assert f"missing, by their Debian names: {DEBIAN_PACKAGES}\n" in answer.stderr
    assert "neither apt-get nor dnf" in answer.stderr


def test_dnf_is_asked_by_its_own_names(complete: Machine) -> None:
    for name in ("apt-get", "gpg", "shellcheck"):
        (complete.programs / name).unlink()
    answer = complete.set_up("test", user=AS_SOMEBODY)
    assert answer.returncode == 3
    assert answer.stderr.endswith("sudo dnf install ShellCheck gnupg2\n")


def test_dnf5_is_as_good(complete: Machine) -> None:
    (complete.programs / "dnf").unlink()
    (complete.programs / "dnf5").write_bytes(b"\x7fELF\x02 no script")
    (complete.programs / "dnf5").chmod(0o755)
    assert complete.set_up("build", user=AS_SOMEBODY).returncode == 0
    for name in ("apt-get", "createrepo_c"):
        (complete.programs / name).unlink()
    assert complete.set_up("build", user=AS_SOMEBODY).stderr.endswith("sudo dnf5 install createrepo_c\n")


def test_dnf5_without_its_modules_for_python_is_not_enough(complete: Machine) -> None:
    # Where dnf is dnf5 it is a link to that.
    (complete.programs / "dnf").unlink()
    (complete.programs / "dnf5").write_bytes(b"\x7fELF\x02 no script")
    (complete.programs / "dnf5").chmod(0o755)
    (complete.programs / "dnf").symlink_to("dnf5")
    complete.add("python3", script=f"[[ $* != *libdnf5* ]] || exit 1\n{PYTHON}")
    answer = complete.set_up("build", user=AS_SOMEBODY)
    assert answer.stderr.endswith("--no-install-recommends python3-libdnf5\n")


def test_what_serves_apt_alone_is_not_asked_of_dnf(complete: Machine) -> None:
    for name in ("apt-get", "createrepo_c", "mmdebstrap"):
        (complete.programs / name).unlink()
    assert complete.set_up("build", user=AS_SOMEBODY).stderr.endswith("sudo dnf install createrepo_c\n")


def test_an_old_python_is_refused(complete: Machine) -> None:
    (complete.clone / "too-old").touch()
    (complete.clone / "lists").touch()
    answer = complete.set_up("build", user=AS_ROOT)
    assert answer.returncode == 3
    assert "buildsys: needs Python 3.11 or newer with its venv module" in answer.stderr


def test_a_whole_environment_is_kept(complete: Machine) -> None:
    assert complete.set_up("test", user=AS_ROOT).returncode == 0
    assert complete.diary() == ["new environment", "pip flit-core", "pip .[dev]"]
    assert complete.set_up("build", user=AS_ROOT).returncode == 0
    assert complete.diary() == ["pip flit-core", "pip ."]


@pytest.mark.parametrize("earlier", [False, True])
def test_an_environment_that_was_not_finished_is_made_anew(complete: Machine, *, earlier: bool) -> None:
    if earlier:
        assert complete.set_up("test", user=AS_ROOT).returncode == 0
    (complete.clone / "offline").touch()
    answer = complete.set_up("build", user=AS_ROOT)
    assert answer.returncode == 3
    assert answer.stderr.endswith(
        "pip could not install into .venv; what it says stands above. The next make tries again\n"
    )
    assert list((complete.clone / ".venv").glob("set-up-for-*")) == []
    (complete.clone / "offline").unlink()
    complete.diary()
    assert complete.set_up("build", user=AS_ROOT).returncode == 0
    assert complete.diary()[0] == "new environment"


@pytest.mark.parametrize("change", ["pins", "folder", "python"])
def test_an_environment_for_another_clone_is_made_anew(complete: Machine, change: str) -> None:
    assert complete.set_up("build", user=AS_ROOT).returncode == 0
    complete.diary()
    if change == "pins":
        (complete.clone / "requirements.lock").write_text("another==1\n")
    elif change == "folder":
        complete.clone = complete.clone.rename(complete.clone.with_name("moved"))
    else:
        (complete.clone / ".venv/bin/python").unlink()
    assert complete.set_up("build", user=AS_ROOT).returncode == 0
    assert complete.diary()[0] == "new environment"


def make(clone: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run make as a person does, whatever make runs the tests."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", *words], cwd=clone, env=environment, check=False, capture_output=True, text=True
    )


def planned(clone: Path) -> str:
    """What `make setup` would do."""
    return make(clone, "--dry-run", "setup").stdout


@pytest.fixture
def ready(bare: Machine) -> Path:
    """A clone that was set up a while ago."""
    (bare.clone / ".venv/bin").mkdir(parents=True)
    (bare.clone / ".venv/bin/python").symlink_to(sys.executable)
    for path in bare.clone.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)
    for scope in ("build", "test"):
        (bare.clone / f".venv/set-up-for-{scope}").write_text(f"{bare.clone}\n")
    return bare.clone


def test_a_clone_that_is_set_up_costs_nothing(ready: Path) -> None:
    assert planned(ready) == "make: Nothing to be done for 'setup'.\n"


@pytest.mark.parametrize("newer", ["requirements.lock", "pyproject.toml", "tools/setup.sh"])
def test_make_sets_up_again_after_a_change(ready: Path, newer: str) -> None:
    os.utime(ready / newer, (1 << 32, 1 << 32))
    assert planned(ready) == "tools/setup.sh test\n"


def test_make_sets_up_again_without_a_marker(ready: Path) -> None:
    (ready / ".venv/set-up-for-test").unlink()
    assert planned(ready) == "tools/setup.sh test\n"


def test_make_sets_up_a_moved_clone_again(ready: Path) -> None:
    assert planned(ready.rename(ready.with_name("moved"))) == "tools/setup.sh test\n"


def test_make_sets_up_again_when_python_is_gone(ready: Path) -> None:
    (ready / ".venv/bin/python").unlink()
    (ready / ".venv/bin/python").symlink_to("/nonexistent")
    assert planned(ready) == "tools/setup.sh test\n"


def test_make_shows_the_exit_status_of_set_up(ready: Path) -> None:
    """Make itself always exits 2; the status of what failed stands in its last line."""
    (ready / ".venv/set-up-for-test").unlink()
    (ready / "tools/setup.sh").write_text(f"#!{shutil.which('bash')}\nexit 3\n")
    (ready / "tools/setup.sh").chmod(0o755)
    answer = make(ready, "setup")
    assert answer.returncode == 2
    assert answer.stderr.endswith(" .venv/set-up-for-test] Error 3\n")


def test_a_clone_in_a_path_with_a_colon_is_refused(complete: Machine) -> None:
    """It would hold a virtual environment, which Python refuses, after all packages were installed."""
    moved = Machine(complete.clone.rename(complete.clone.with_name("a:b")), complete.programs)
    answer = moved.set_up("build", user=AS_ROOT)
    said = "Python makes no virtual environment in a path with a colon; move it"
    assert (answer.returncode, answer.stderr) == (
        3,
        f"buildsys: a clone cannot lie in {moved.clone}: {said}\n",
    )
    assert moved.diary() == []
