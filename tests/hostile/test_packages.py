"""Packages that the host's rpm installs: whatever they bring and try, the host stays as it was."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

import pytest

from tests import hostile_packages as hostile
from tests.apt.debs import make_deb
from tests.hostile.ground import Ground, machine, make_ground

pytestmark = pytest.mark.real


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return make_ground(tmp_path)


@pytest.mark.parametrize("mode", [0o555, 0o755, 0o711, 0o4777])
@pytest.mark.parametrize("path", ["/sys", "/proc", "/dev"])
def test_a_mode_for_a_mount_of_the_host(ground: Ground, tmp_path: Path, path: str, mode: int) -> None:
    """`filesystem` brings these, of each distribution with another mode; it installs on every release."""
    before = machine(ground.host)
    package = hostile.directory(tmp_path / "packages", path, mode)
    done = ground.install(package)
    assert (done.returncode, done.stdout) == (0, "")
    assert ground.query("--all") == f"{package.name.removesuffix('.rpm')}\n"
    assert machine(ground.host) == before


def test_a_root_that_has_no_place_for_them_gets_what_the_package_says(ground: Ground, tmp_path: Path) -> None:
    for name in ("dev", "proc", "sys"):
        (ground.root / name).rmdir()
    assert ground.install(hostile.directory(tmp_path / "packages", "/sys", 0o711)).returncode == 0
    assert sorted(path.name for path in ground.root.iterdir() if path.name in {"dev", "proc", "sys"}) == [
        "sys"
    ]
    assert (ground.root / "sys").stat().st_mode & 0o7777 == 0o711


def test_files_below_mounts_of_the_host(ground: Ground, tmp_path: Path) -> None:
    before = machine(ground.host)
    done = ground.install(hostile.files_below(tmp_path / "packages"), hostile.device(tmp_path / "packages"))
    assert (done.returncode, done.stdout) == (0, "")
    assert [list((ground.root / name).iterdir()) for name in ("dev", "proc", "sys")] == [[], [], []]
    assert machine(ground.host) == before


@pytest.mark.parametrize("path", ["/sys", "/proc", "/dev"])
def test_a_link_in_the_place_of_a_mount(ground: Ground, tmp_path: Path, path: str) -> None:
    before = machine(ground.host)
    done = ground.install(hostile.link(tmp_path / "packages", path, str(ground.host)))
    assert (done.returncode, done.stdout) == (0, "")
    assert (ground.root / path[1:]).is_dir()
    assert not (ground.root / path[1:]).is_symlink()
    assert machine(ground.host) == before


def test_a_file_through_a_link_stays_in_the_root(ground: Ground, tmp_path: Path) -> None:
    before = machine(ground.host)
    ground.install(hostile.link_and_file(tmp_path / "packages", "/srv/way", str(ground.host), "planted"))
    assert machine(ground.host) == before


def test_a_path_that_climbs_stays_in_the_root(ground: Ground, tmp_path: Path) -> None:
    before = machine(ground.host)
    ground.install(hostile.climbing_file(tmp_path / "packages", ground.host / "planted"))
    assert machine(ground.host) == before


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the program that leaves a chroot is for x86-64")
def test_a_script_that_tries_every_road_out(ground: Ground, tmp_path: Path) -> None:
    """It runs as root, with the image's shell; tests/standins shows it succeed without a wall."""
    before = machine(ground.host)
    done = ground.install(hostile.escaping(tmp_path / "packages", ground.host / "out"))
    assert done.returncode == 0, done.stdout
    outcome = hostile.outcome(ground.root)
    assert tuple(outcome) == hostile.ATTEMPTS
    # A package may make a device, and set the mode of a /sys that is gone with it.
    assert {name for name, said in outcome.items() if said == "done"} <= {"mknod", "sys-mode"}
    assert machine(ground.host) == before


# ── a parent image that leads the installers elsewhere ──────────────────────────────────────────────────


@pytest.mark.parametrize("way", ["/var/lib/rpm", "/var/lib", "/var"])
def test_a_database_that_is_a_link_to_the_host(ground: Ground, tmp_path: Path, way: str) -> None:
    """An earlier image left it there; rpm opens it from inside, where it leads nowhere or into the image."""
    before = machine(ground.host)
    _replace_by_link(ground.root, way, ground.host)
    done = ground.install(hostile.directory(tmp_path / "packages", "/opt", 0o755))
    assert done.returncode != 0
    assert machine(ground.host) == before


@pytest.mark.parametrize("way", ["/var/lib/rpm", "/var"])
def test_a_key_is_not_written_to_the_host(ground: Ground, way: str) -> None:
    before = machine(ground.host)
    _replace_by_link(ground.root, way, ground.host)
    (ground.root / "etc/key").symlink_to(ground.host / "CANARY")
    assert ground.do("rpm", "rpm_import_key /etc/key").returncode != 0
    assert machine(ground.host) == before


@pytest.mark.parametrize(
    "way", ["/var", "/var/lib", "/var/log", "/var/cache", "/var/lib/dnf", "/etc/dnf", "/etc"]
)
def test_dnf_follows_no_link_of_an_image(ground: Ground, way: str) -> None:
    """It writes logs, caches, histories and states of modules; none of it into an image."""
    repository = ground.plan / "pool/repos/here"
    hostile.directory(repository, "/opt", 0o755)
    _run("createrepo_c", "--quiet", str(repository))
    (ground.plan / "pool/repositories.conf").write_text(
        f"[main]\ngpgcheck=0\nplugins=0\nreposdir=/dev/null\n[here]\nname=here\nbaseurl=file://{repository}\ngpgcheck=0\n"
    )
    before = machine(ground.host)
    _replace_by_link(ground.root, way, ground.host)
    ground.do("dnf", "dnf_install hostile-mode-opt-0755")
    assert machine(ground.host) == before


def test_what_an_image_left_in_the_place_of_its_database_is_not_opened(ground: Ground) -> None:
    """A device of the host, by its numbers, would be read and written as a database."""
    _run("mknod", str(ground.root / "var/lib/rpm/rpmdb.sqlite"), "b", "7", "0")
    (ground.root / "var/lib/rpm/rpmdb.sqlite-wal").symlink_to(ground.host / "CANARY")
    done = ground.do(
        "dnf",
        'dnf_copy_database; find "$DNF_ROOT" ! -type d ! -type f; find "$DNF_ROOT" -name "rpmdb.sqlite*"',
    )
    assert (done.returncode, done.stdout) == (0, "")


# ── packages of Debian, and files that are copied out of packages ───────────────────────────────────────


def test_a_base_of_debian_is_unpacked_within_its_root(ground: Ground, tmp_path: Path) -> None:
    """The second package writes through a link of the first; both bring what the host mounts."""
    (tmp_path / "tree/srv").mkdir(parents=True)
    (tmp_path / "tree/srv/way").symlink_to(ground.host)
    (tmp_path / "tree/sys").mkdir(mode=0o711)
    pool = ground.plan / "pool/packages"
    debs = [
        make_deb(pool, "first", files={"/proc/hostile": "x"}, tree=tmp_path / "tree"),
        make_deb(pool, "second", files={"/srv/way/planted": "x"}),
    ]
    before = machine(ground.host)
    ground.do("apt", f"apt_unpack {' '.join(deb.name for deb in debs)}")
    assert [list((ground.root / name).iterdir()) for name in ("dev", "proc", "sys")] == [[], [], []]
    assert machine(ground.host) == before


def test_the_payload_of_a_package_is_unpacked_beside_nothing(ground: Ground, tmp_path: Path) -> None:
    """`copy` from a package unpacks it on the host, in a folder of the plan."""
    through = hostile.link_and_file(tmp_path / "packages", "/srv/way", str(ground.host), "planted")
    climbing = hostile.climbing_file(tmp_path / "packages", ground.host / "planted")
    before = machine(ground.host)
    for package in (through, climbing):
        ground.do("rpm", f'. "$LIB/sources.sh"; rpm_fetch() {{ printf %s "{package}"; }}; from_payload any')
    assert machine(ground.host) == before


def _replace_by_link(root: Path, way: str, target: Path) -> None:
    place = root / way[1:]
    _run("rm", "-rf", str(place))
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
