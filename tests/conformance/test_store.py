"""Built images are read as they are: by real buildah and real rpm, from a store that stays as it was."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from buildsys.standins.rpm_file import File, FileFlag, dependency
from tests import rpms

from . import paths
from .model import BuiltImage, Deviation
from .store import opened

pytestmark = pytest.mark.real

TEMPLATE = "localhost/some/prefix-{name}:tag"
PACKAGE = replace(
    rpms.rpm(
        "one",
        "1.5",
        File("/etc/one.conf", stat.S_IFREG | 0o644, b"one\n", flags=FileFlag.CONFIG | FileFlag.NOREPLACE),
        File("/etc/two.conf", stat.S_IFREG | 0o644, b"two\n"),
        File("/etc/one.d", stat.S_IFDIR | 0o750, owner="daemon"),
        File("/usr/bin/three", stat.S_IFREG | 0o4755, b"three\n"),
        release="3",
    ),
    epoch=2,
    requires=(dependency("two"),),
    provides=(dependency("two"),),
)
KEY = """\
%no-protection
Key-Type: eddsa
Key-Curve: ed25519
Name-Real: nobody
%commit
"""


def run(*command: object, **options: str) -> str:
    words = [str(word) for word in command]
    return subprocess.run(words, check=True, capture_output=True, text=True, **options).stdout.strip()  # type: ignore[call-overload, no-any-return]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A store with `base`, which holds a package and a key, and `leaf`, which changes its files."""
    folder = tmp_path_factory.mktemp("store")
    buildah = ["buildah", "--root", folder / "root", "--runroot", folder / "run"]
    package = rpms.write(folder, PACKAGE)
    key = made_key(folder)

    base = run(*buildah, "from", "scratch")
    mount = Path(run(*buildah, "mount", base))
    for name in ("etc", "run", "var/lib/rpm", "home"):
        (mount / name).mkdir(parents=True)
    (mount / "etc/passwd").write_text("root:x:0:0:::\ndaemon:x:2:2:::\n")
    (mount / "etc/group").write_text("root:x:0:\ndaemon:x:2:\n")
    (mount / "var/run").symlink_to("../run")
    (mount / "etc/out").symlink_to("/../../../../../../../../etc/hostname")
    rpm = ["rpm", "--root", mount, "--dbpath", "/var/lib/rpm"]
    run(*rpm, "--install", package)
    run(*rpm, "--import", key)
    clean(mount)
    run(*buildah, "config", "--env", "A=b=c", "--cmd", "start", "--stop-signal", "SIGTERM", base)
    run(*buildah, "commit", "--format", "docker", "--rm", base, TEMPLATE.format(name="base"))

    leaf = run(*buildah, "from", TEMPLATE.format(name="base"))
    mount = Path(run(*buildah, "mount", leaf))
    (mount / "etc/one.conf").chmod(0o600)
    (mount / "etc/two.conf").unlink()
    (mount / "run/here").write_text("here")
    run(*buildah, "config", "--user", "daemon", "--label", "x=y", "--healthcheck", "CMD-SHELL /check", leaf)
    run(*buildah, "commit", "--format", "docker", "--rm", leaf, TEMPLATE.format(name="leaf"))
    yield folder
    run(*buildah, "rmi", "--all", "--force")


def made_key(folder: Path) -> Path:
    home = folder / "gnupg"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", home, "--batch", "--quiet"]
    run(*gpg, "--generate-key", input=KEY)
    (folder / "key").write_text(run(*gpg, "--armor", "--export"))
    run("gpgconf", "--homedir", home, "--kill", "all")
    return folder / "key"


def clean(mount: Path) -> None:
    """What a build leaves out of a layer: without it no reader may open the database in place."""
    for file in (mount / "var/lib/rpm").iterdir():
        if file.name != "rpmdb.sqlite":
            file.unlink()


def everything(folder: Path) -> Mapping[str, tuple[int, int]]:
    found = sorted(folder.rglob("*"))
    return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_size) for path in found if path.is_file()}


@pytest.fixture(scope="module")
def images(store: Path) -> Iterator[dict[str, BuiltImage]]:
    with opened(store / "root", store / "run", ("base", "leaf", "none"), TEMPLATE) as built:
        yield built


def test_images_that_are_not_there_are_left_out(images: dict[str, BuiltImage]) -> None:
    assert set(images) == {"base", "leaf"}


def test_configuration_and_layers(images: dict[str, BuiltImage]) -> None:
    base, leaf = images["base"].config, images["leaf"].config
    assert (base.user, base.cmd, base.env, base.stop_signal) == ("", ("start",), {"A": "b=c"}, "SIGTERM")
    assert (leaf.user, leaf.labels["x"], leaf.volumes, leaf.entrypoint) == ("daemon", "y", (), ())
    assert leaf.healthcheck[-1] == "/check"
    assert images["leaf"].layers[:1] == images["base"].layers
    assert len(images["leaf"].layers) == 2


def test_the_tree_is_read_without_leaving_it(images: dict[str, BuiltImage]) -> None:
    tree = images["leaf"].tree
    program = tree.entry("/usr/bin/three")
    assert program is not None
    assert (program.kind, program.mode, program.user) == ("file", 0o4755, 0)
    folder = paths.look(tree, "/etc/one.d")
    assert folder is not None
    assert (folder.kind, folder.mode, folder.user, folder.group) == ("directory", 0o750, 2, 2)
    assert paths.read(tree, "/var/run/here") == b"here"
    assert tree.names("/run") == ("here",)
    link = tree.entry("/etc/out")
    assert link is not None
    assert link.kind == "link"
    assert paths.look(tree, "/etc/out") is None


def test_packages_and_keys(images: dict[str, BuiltImage]) -> None:
    package = images["leaf"].packages["one"]
    assert package is images["base"].packages["one"]
    assert package.evr == "2:1.5-3"
    assert "two" in package.requires
    assert "two" in package.provides
    owned = {file.path: file for file in package.files}
    assert (owned["/etc/one.d"].mode, owned["/etc/one.d"].user, owned["/etc/one.d"].sha256) == (
        0o750,
        "daemon",
        "",
    )
    assert len(owned["/etc/one.conf"].sha256) == 64
    assert len(images["leaf"].keys) == 1


def test_what_rpm_says_of_the_files(images: dict[str, BuiltImage]) -> None:
    assert images["base"].deviations == ()
    assert set(images["leaf"].deviations) == {
        Deviation("/etc/one.conf", "M"),
        Deviation("/etc/two.conf", "missing"),
    }
    assert images["leaf"].complaints == ()


def test_the_store_stays_as_it_was(store: Path) -> None:
    before = everything(store / "root" / "overlay") or everything(store / "root" / "vfs")
    with opened(store / "root", store / "run", ("base", "leaf"), TEMPLATE) as built:
        for image in built.values():
            for path in paths.walk(image.tree, "/"):
                image.tree.entry(path)
    assert (everything(store / "root" / "overlay") or everything(store / "root" / "vfs")) == before


def test_an_image_without_packages_has_none(store: Path) -> None:
    buildah = ["buildah", "--root", store / "root", "--runroot", store / "run"]
    empty = run(*buildah, "from", "scratch")
    run(*buildah, "commit", "--rm", empty, TEMPLATE.format(name="empty"))
    with opened(store / "root", store / "run", ("empty",), TEMPLATE) as built:
        assert built["empty"].packages == {}
        assert built["empty"].deviations == ()
