"""doctor: what it finds on hosts that have, and on hosts that lack, what building needs."""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from buildsys import programs
from buildsys.lock.host_repositories import host_repositories
from buildsys.packages import MANAGERS

if TYPE_CHECKING:
    from tests.cli.conftest import Fake, Run

ROOT = Path(__file__).resolve().parents[2]
Found = dict[str, tuple[str, str]]


@pytest.fixture
def host(fake: Fake, here: Path) -> Path:
    """A host that has all that is needed: buildah and dnf answer as they would, and keep to themselves."""
    store = json.dumps({"store": {"GraphDriverName": "overlay", "GraphRoot": str(here)}})
    fake(
        "buildah",
        f'echo "$*" >>{here}/buildah.calls',
        'if [ "$1" = --version ]; then echo "buildah version 1.30.0 (image-spec 1.0)"; exit; fi',
        f"echo '{store}'",
    )
    fake("dnf", 'if [ "$1" = --version ]; then echo 4.14.0; else echo "os  The system"; fi')
    fake("bwrap", "exit 0")
    fake("podman", 'if [ "$1" = --version ]; then echo podman version 4.3.1; fi')
    return here


def found(run: Run, *words: str) -> tuple[int, Found]:
    """The exit status, and what doctor says of each thing."""
    done = run("doctor", *words, "--json")
    assert done.stderr == ""
    return done.returncode, {
        item["about"]: (item["state"], item["found"]) for item in json.loads(done.stdout)
    }


def test_a_host_that_has_everything(buildsys: Run, host: Path) -> None:
    status, things = found(buildsys)
    assert status == 0
    assert {state for state, _ in things.values()} <= {"ok", "note"}
    assert things["buildah"] == ("ok", f"1.30.0, {host}/bin/buildah")
    assert things["dnf"] == ("ok", f"4.14.0, {host}/bin/dnf")
    assert things["container store"] == ("ok", f"overlay, {host}")
    assert {
        "bash",
        "make",
        "skopeo",
        "podman",
        "rpm",
        "base utilities",
        "rights",
        "free space",
    } <= things.keys()
    assert "createrepo_c" not in things


def test_findings_are_lines_of_cells(buildsys: Run, host: Path) -> None:
    done = buildsys("doctor", "tiny")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"ok\tbuildah\t1.30.0, {host}/bin/buildah" in done.stdout.splitlines()


def test_the_store_that_is_looked_at_is_the_one_that_builds_use(buildsys: Run, host: Path) -> None:
    assert buildsys("doctor", "--store", "--root /x").returncode == 0
    assert "--root /x info" in (host / "buildah.calls").read_text().splitlines()


@pytest.mark.parametrize("lines", [("exit 125",), ("echo nonsense",)])
def test_a_store_that_cannot_be_opened(buildsys: Run, host: Path, fake: Fake, lines: tuple[str, ...]) -> None:
    assert host.is_dir()
    fake("buildah", 'if [ "$1" = --version ]; then echo buildah version 1.30.0; exit; fi', *lines)
    status, things = found(buildsys)
    assert (status, things["container store"]) == (3, ("missing", "`buildah info` cannot open it"))


def test_of_two_programs_either_will_do(
    host: Path, tmp_path: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    neither = programs.look_up("dnf|dnf5")
    assert (neither.name, neither.path) == ("dnf or dnf5", "")
    monkeypatch.setenv("PATH", str(host / "bin"))
    assert programs.look_up("dnf|dnf5").name == "dnf"
    (host / "bin/dnf").unlink()
    fake("dnf5", "echo 'repo id  repo name'", "echo 'os  The system'")
    assert programs.look_up("dnf|dnf5").path == str(host / "bin/dnf5")
    assert host_repositories(MANAGERS["dnf"]) == ("os",)


@pytest.mark.parametrize(("status", "state"), [(0, "ok"), (1, "missing")])
def test_dnf5_makes_locks_by_a_package_of_its_own(
    buildsys: Run, host: Path, fake: Fake, status: int, state: str
) -> None:
    # Where dnf is dnf5 it is a link to that.
    shutil.copy("/bin/true", host / "bin/dnf5")
    (host / "bin/dnf").unlink()
    (host / "bin/dnf").symlink_to("dnf5")
    fake("python3", f"exit {status}")
    ended, things = found(buildsys)
    assert ended == (3 if status else 0)
    assert things["libdnf5"][0] == state


def test_a_program_that_is_too_old(buildsys: Run, host: Path, fake: Fake) -> None:
    fake("skopeo", "echo skopeo version 0.1.41")
    status, things = found(buildsys)
    said = "configurations are read by inspect --raw --config and put back by copy --quiet"
    assert (status, things["skopeo"]) == (
        3,
        ("old", f"0.1.41, {host}/bin/skopeo; 1.2 or newer is needed: {said}"),
    )


def test_a_program_that_is_older_than_what_is_tested(buildsys: Run, host: Path, fake: Fake) -> None:
    fake("skopeo", "echo skopeo version 1.4.1")
    status, things = found(buildsys)
    assert (status, things["skopeo"]) == (
        0,
        ("note", f"1.4.1, {host}/bin/skopeo; older than 1.9, the oldest tested"),
    )
    assert "to install" not in things


@pytest.mark.parametrize(
    ("managers", "told"),
    [
        (["apt-get", "dnf"], "apt-get install --no-install-recommends busybox-static createrepo-c skopeo"),
        (["dnf"], "dnf install busybox createrepo_c skopeo"),
        ([], None),
    ],
)
def test_what_is_missing_is_one_command_away(
    monkeypatch: pytest.MonkeyPatch, managers: list[str], told: str | None
) -> None:
    """By the names that packages have where this package manager rules."""
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}" if name in managers else None)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    missing = ["skopeo", "busybox", "createrepo_c"]
    assert programs.install_command(missing) == told
    assert programs.install_command([]) is None
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert programs.install_command(missing) == (told and f"sudo {told}")


def test_doctor_says_how_to_install_what_is_missing_or_too_old(buildsys: Run, host: Path, fake: Fake) -> None:
    assert host.is_dir()
    fake("skopeo", "echo skopeo version 0.1.41")
    fake("apt-get")
    _, things = found(buildsys)
    state, command = things["to install"]
    assert (state, command.removeprefix("sudo ")) == (
        "note",
        "apt-get install --no-install-recommends skopeo",
    )


def test_doctor_and_set_up_name_the_same_packages() -> None:
    table = re.findall(
        r"^(?:build|test) +(?:command|static):(\S+) +(\S+) +(\S+)$",
        (ROOT / "tools/setup.sh").read_text(),
        re.MULTILINE,
    )
    assert len(table) > 10
    for program, *packages in table:
        for index, package in enumerate(packages):
            if package != "-" and program in {*programs.PACKAGES, "buildah", "podman", "skopeo"}:
                assert programs.PACKAGES.get(program, (program, program))[index] == package


def test_a_program_that_does_not_say_its_version(buildsys: Run, host: Path, fake: Fake) -> None:
    fake("podman", "exit 1")
    status, things = found(buildsys)
    assert status == 3
    assert things["podman"][0] == "old"
    assert things["podman"][1].startswith(f"{host}/bin/podman; 4.0 or newer is needed: ")


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        # podman's status for a program that the image lacks: it could make everything else.
        (("exit 127",), ("ok", "podman runs them: as this host has it")),
        (
            ('grep -qs runc "$CONTAINERS_CONF" && exit 127', "exit 126"),
            ("ok", "podman runs them: few open files and processes, cgroupfs, runc"),
        ),
        (
            ("echo 'Error: no cgroups' >&2", "exit 126"),
            ("note", "podman runs none, so nothing can be tested: no cgroups"),
        ),
    ],
)
def test_how_podman_runs_containers(
    buildsys: Run, host: Path, fake: Fake, lines: tuple[str, ...], told: tuple[str, str]
) -> None:
    assert host.is_dir()
    version, images = "echo podman version 4.3.1; exit", "echo sha256:0c956a19; exit"
    answers = f"case $* in --version) {version} ;; *images*) {images} ;; esac"
    fake("podman", answers, *lines)
    status, things = found(buildsys)
    assert (status, things["containers"]) == (0, told)


def test_without_an_image_nothing_is_tried(buildsys: Run, host: Path) -> None:
    assert host.is_dir()
    assert found(buildsys)[1]["containers"] == ("note", "not tried: the store has no image")


def test_rights_that_are_missing(buildsys: Run, host: Path, fake: Fake) -> None:
    assert host.is_dir()
    fake("bwrap", "echo 'bwrap: Creating new namespace failed' >&2", "exit 1")
    status, things = found(buildsys)
    said = "root may not make namespaces here, or mount in them: that takes CAP_SYS_ADMIN"
    said += " (bwrap: Creating new namespace failed)"
    assert (status, things["rights"]) == (3, ("missing", said))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--root '/a", "a quote or a backslash in it has no end: --root '/a"),
        ("--root /a:b", "a container store cannot lie in /a:b: its path must hold no"),
        ("--runroot='/a b,c'", "a container store cannot lie in /a b,c: its path must hold no"),
    ],
)
def test_a_store_that_cannot_be_named(buildsys: Run, host: Path, options: str, said: str) -> None:
    assert host.is_dir()
    for done in (
        buildsys("doctor", "--store", options),
        buildsys("build", "tiny", env={"BS_STORE": options}),
    ):
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr
        assert "--store" in done.stderr


def test_a_store_of_whole_copies_is_noted(buildsys: Run, host: Path, fake: Fake) -> None:
    store = json.dumps({"store": {"GraphDriverName": "vfs", "GraphRoot": str(host)}})
    fake("buildah", 'if [ "$1" = --version ]; then echo buildah version 1.30.0; exit; fi', f"echo '{store}'")
    fake("unshare", "exit 0")
    better = "overlays can be mounted here: choose `--storage-driver overlay`"
    told = ("note", f"vfs, {host}: each image is a whole copy; {better}")
    assert found(buildsys)[1]["container store"] == told
    fake("unshare", "exit 1")
    assert found(buildsys)[1]["container store"] == ("note", f"vfs, {host}: each image is a whole copy")


def test_a_clock_that_stands_before_the_files_of_a_set(buildsys: Run, host: Path) -> None:
    assert "clock" not in found(buildsys)[1]
    file = host / "recipes/tiny/set.yaml"
    file.write_text(re.sub("(?m)^epoch:.*$", "epoch: 4102444800", file.read_text()))
    status, things = found(buildsys)
    assert (status, things["clock"][0]) == (3, "missing")
    assert things["clock"][1].endswith(", the files of a set are from 2100-01-01")


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (("echo 'repo id  repo name'", "echo 'os  The system'"), ("ok", "of this host: os")),
        (("exit 0",), ("missing", "no repository is enabled on this host")),
        (("exit 1",), ("missing", "no repository is enabled on this host")),
    ],
)
def test_the_repositories_of_the_host(
    buildsys: Run, host: Path, fake: Fake, lines: tuple[str, ...], told: tuple[str, str]
) -> None:
    site = host / "recipes/tiny/sites/far.yaml"
    site.write_text(site.read_text() + "repositories: host\n")
    fake("dnf", *lines)
    status, things = found(buildsys)
    assert things["packages of tiny, site far"] == told
    assert status == (0 if told[0] == "ok" else 3)


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, and says nothing."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the class above calls it
        """Nothing."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The address of a web server with one repository below /good."""
    index = tmp_path / "web/good/repodata/repomd.xml"
    index.parent.mkdir(parents=True)
    index.write_text("<repomd/>")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "web"))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_the_repositories_of_a_site(buildsys: Run, host: Path, served: str) -> None:
    site = host / "recipes/tiny/sites/far.yaml"
    repositories = "repositories:\n  os: {url: %s, gpgcheck: false}\n"
    text = site.read_text()
    assert "curl" not in found(buildsys)[1]
    site.write_text(text + repositories % f"{served}/good/")
    status, things = found(buildsys)
    about = "packages of tiny, site far"
    assert (status, things[about]) == (0, ("ok", f"os: {served}/good/"))
    assert things["curl"][0] == "ok", "addresses are fetched by curl"

    site.write_text(text + repositories % f"{served}/bad/")
    status, things = found(buildsys)
    assert (status, things[about][0]) == (3, "missing")
    assert things[about][1] == f"os: {served}/bad/: status 404, File not found"

    site.write_text(text + repositories % "http://127.0.0.1:1")
    status, things = found(buildsys)
    assert (status, things[about][0]) == (3, "missing")
    assert "Connection refused" in things[about][1]


def test_a_set_whose_packages_are_made_here(buildsys: Run, host: Path) -> None:
    assert host.is_dir()
    status, things = found(buildsys, str(ROOT / "recipes/stable-pike"))
    assert status == 0
    assert things["packages of stable-pike, site embedded"] == ("ok", "stand-ins, made here")
    assert {"createrepo_c", "busybox"} <= things.keys()


def test_without_any_set_the_programs_are_looked_at(buildsys: Run, host: Path, tmp_path: Path) -> None:
    assert host.is_dir()
    away = tmp_path / "away"
    away.mkdir()
    done = buildsys("doctor", "--json", cwd=away)
    assert done.returncode == 0
    assert "make" in {item["about"] for item in json.loads(done.stdout)}


def test_a_site_that_does_not_exist(buildsys: Run, host: Path) -> None:
    assert host.is_dir()
    done = buildsys("doctor", "tiny", "--site", "fear")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: no site is called 'fear' [unknown-site]\n  hint: did you mean 'far'?\n"
