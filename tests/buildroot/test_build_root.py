"""rpmbuild builds a carried plan in a root without Python, dnf and network: `export rpm-spec`, end to end."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from tests.buildroot.root import APART, Root, make_root
from tests.conftest import ROOT
from tests.stores import store
from tests.users import DriverStore

pytestmark = [
    pytest.mark.real,
    pytest.mark.costly(400),
    # The root is made of files of Debian's packages.
    pytest.mark.skipif(shutil.which("dpkg-query") is None, reason="no dpkg-query"),
]
BUILDSYS = str(ROOT / ".venv/bin/buildsys")
NAMES = ("cron", "written")
SPEC = "stable-pike-images"
STORE = "--root /builddir/plan/store/root --runroot /builddir/plan/store/run --storage-driver overlay"
WRITTEN = {
    "images/written.yaml": "image: written\ncontainerfile: ../containerfiles/written/Containerfile\n",
    "containerfiles/written/Containerfile": "FROM base\nCOPY text /\nRUN echo made >/made\n",
    "containerfiles/written/text": "text\n",
}
"""An image with a Containerfile, whose RUN has no OCI runtime in the root."""


@dataclass(frozen=True)
class Exported:
    """What `buildsys export rpm-spec` wrote, and the ids of the usual build by storage driver."""

    folder: Path
    usual: dict[str, dict[str, str]]

    def put(self, root: Root) -> None:
        """Give the files to mockbuild, as `mock --buildsrpm` does."""
        for path in self.folder.glob("stable-pike-*"):
            place = "SPECS" if path.suffix == ".spec" else "SOURCES"
            copied = root.place / "builddir/build" / place / path.name
            shutil.copy(path, copied)
            os.chown(copied, 1000, 135)

    def unpack(self, root: Root) -> None:
        """Lay the plan out as `/builddir/plan`."""
        there = root.place / "builddir"
        subprocess.run(["tar", "-xzf", self.folder / "stable-pike-plan.tar.gz", "-C", there], check=True)
        (there / "stable-pike-plan").rename(there / "plan")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Two images of stable-pike and their parent; one of them has a Containerfile."""
    place = tmp_path_factory.mktemp("exported")
    recipes = place / "stable-pike"
    shutil.copytree(ROOT / "recipes/stable-pike", recipes)
    for name, text in WRITTEN.items():
        path = recipes / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    command = [BUILDSYS, "export", "rpm-spec", str(recipes), *NAMES, "-o", str(place / "spec")]
    command += [
        "--build-dir",
        str(place / "build"),
        "--license",
        "Apache-2.0 AND 100%",
        "--archive",
        "docker",
    ]
    subprocess.run(command, check=True, capture_output=True)
    usual = {}
    subprocess.run(["tar", "-xzf", place / "spec/stable-pike-plan.tar.gz", "-C", place], check=True)
    for driver in ("overlay", "vfs"):
        with store(place / driver):
            options = DriverStore(place / driver, driver).options
            make = ["make", "--no-print-directory", "-j2", "-C", str(place / "stable-pike-plan"), *NAMES]
            environment = {"PATH": os.environ["PATH"], "BS_STORE": options}
            done = subprocess.run(make, env=environment, check=False, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            usual[driver] = plan_results(place / "stable-pike-plan")
    return Exported(place / "spec", usual)


@pytest.fixture(scope="module")
def plain_root(tmp_path_factory: pytest.TempPathFactory) -> Root:
    return make_root(tmp_path_factory.mktemp("root") / "root")


@pytest.fixture
def root(plain_root: Root, exported: Exported) -> Iterator[Root]:
    """The root for one test: a copy by overlay would forbid overlays in it, so its home is made again."""
    exported.put(plain_root)
    yield plain_root
    home = plain_root.place / "builddir"
    shutil.rmtree(home / "plan", ignore_errors=True)
    for folder in ("BUILD", "BUILDROOT", "RPMS", "SRPMS"):
        shutil.rmtree(home / "build" / folder, ignore_errors=True)


@pytest.fixture
def overlaid(plain_root: Root, exported: Exported, tmp_path: Path) -> Iterator[Root]:
    """A root that is an overlay itself, which takes no other overlay."""
    exported.put(plain_root)
    for name in ("upper", "work", "merged"):
        (tmp_path / name).mkdir()
    options = f"lowerdir={plain_root.place},upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    merged = tmp_path / "merged"
    subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", str(merged)], check=True)
    try:
        yield Root(merged)
    finally:
        subprocess.run(["umount", str(merged)], check=True)


def test_the_root_has_nothing_but_what_is_named(plain_root: Root) -> None:
    absent = "python3 dnf dnf5 yum apt-get dpkg mmdebstrap crun runc podman perl curl jq"
    done = plain_root.run("sh", "-c", f"for name in {absent}; do command -v $name; done; cat /proc/net/dev")
    assert [line.split(":")[0].strip() for line in done.stdout.splitlines()[2:]] == ["lo"]
    assert done.stdout.startswith("Inter-|")


@pytest.mark.parametrize("user", ["root", "mockbuild"])
def test_rpmbuild_packs_the_images_of_the_usual_build(root: Root, exported: Exported, user: str) -> None:
    done = rpmbuild(root, user)
    assert done.returncode == 0, done.stdout
    assert "stable-pike: 3 images: 3 built, 0 fresh" in done.stdout
    found = packed_images(root, "stable-pike.tar")
    usual = dict(exported.usual["overlay"])
    if user == "mockbuild":
        # Older builders take notes of the user's overlays into layers of Containerfiles.
        assert set(found) == set(NAMES)
        del found["written"]
    assert found == {name: usual[name] for name in found}
    # Nothing is left that rpmbuild could not remove, and no mount.
    assert not list((root.place / "builddir/build/BUILD").iterdir())


def test_vfs_where_the_root_allows_nothing_else(overlaid: Root, exported: Exported) -> None:
    refused = rpmbuild(overlaid, "mockbuild")
    assert refused.returncode == 1
    assert (
        "error: the container store cannot be opened\n  hint: see the message of buildah above"
        in refused.stdout
    )
    assert "--storage-driver vfs" in refused.stdout
    done = rpmbuild(overlaid, "mockbuild", "--define", "store_driver vfs")
    assert done.returncode == 0, done.stdout
    assert packed_images(overlaid, "stable-pike.tar") == {name: exported.usual["vfs"][name] for name in NAMES}


def test_a_user_without_subordinate_ids_reads_the_command_for_root(root: Root) -> None:
    for kind in ("uid", "gid"):
        (root.place / f"etc/sub{kind}").rename(root.place / f"etc/sub{kind}.away")
    try:
        done = rpmbuild(root, "mockbuild")
    finally:
        for kind in ("uid", "gid"):
            (root.place / f"etc/sub{kind}.away").rename(root.place / f"etc/sub{kind}")
    assert done.returncode == 1
    ids = "--add-subuids 100000-165535 --add-subgids 100000-165535"
    assert (
        "error: an ordinary user builds in a user namespace, and mockbuild has no subordinate ids "
        "in /etc/subuid\n"
        f"  hint: root gives some: usermod {ids} mockbuild\n"
    ) in done.stdout


# ── a plain chroot ──────────────────────────────────────────────────────────────────────────────────────────


def test_root_in_a_chroot_whose_root_is_not_a_mount(root: Root, exported: Exported) -> None:
    exported.unpack(root)
    # Where mounts are shared, as with systemd, one more could reach the host.
    shared = [word if word != "private" else "shared" for word in APART]
    script = (
        "make -C plan -j2 cron && bash plan/lib/why.sh cron && bash plan/lib/archive.sh oci cron.tar cron; "
        "status=$?; bash plan/lib/discard.sh && cat /proc/self/mountinfo; exit $status"
    )
    done = root.run("sh", "-c", script, how="chroot", settings={"BS_STORE": STORE}, apart=shared)
    assert done.returncode == 0, done.stdout
    assert "cron\tfresh\tnothing changed" in done.stdout
    assert "/builddir/plan" not in done.stdout.rpartition("1 of 109 images in")[2].partition("\n")[2]
    results = plan_results(root.place / "builddir/plan")
    assert results == {name: exported.usual["overlay"][name] for name in results}
    with tarfile.open(root.place / "builddir/cron.tar") as archive:
        index = json.load(_file(archive, "./index.json"))
    (entry,) = index["manifests"]
    assert entry["annotations"]["org.opencontainers.image.ref.name"].endswith("-cron:current-tripleo")


def test_an_ordinary_user_in_a_chroot_learns_what_to_do(root: Root, exported: Exported) -> None:
    exported.unpack(root)
    done = root.run(
        "make", "-C", "plan", "cron", user="mockbuild", how="chroot", settings={"BS_STORE": STORE}
    )
    assert done.returncode == 2
    assert (
        "error: an ordinary user builds in a user namespace, and no user may create one in a chroot\n"
        "  hint: enter the root as / of its mount namespace, as mock and systemd-nspawn do by default; "
        "or build as root\n"
    ) in done.stdout


@pytest.mark.parametrize("how", ["pivot", "chroot"])
def test_root_that_may_not_mount(root: Root, exported: Exported, how: str) -> None:
    exported.unpack(root)
    weak = ("setpriv", "--bounding-set", "-sys_admin")
    done = root.run(*weak, "bash", "plan/lib/run.sh", "cron", how=how, settings={"BS_STORE": STORE})
    assert done.returncode == 3
    assert done.stdout == (
        "error: root may not mount or create namespaces here: that takes CAP_SYS_ADMIN\n"
        "  hint: give it to the container; or build as an ordinary user with subordinate ids\n"
    )


def test_a_root_without_proc(root: Root, exported: Exported) -> None:
    exported.unpack(root)
    done = root.run("sh", "-c", "umount -l /proc; bash plan/lib/run.sh cron", settings={"BS_STORE": STORE})
    assert done.returncode == 3
    assert (
        done.stdout
        == "error: /proc is not mounted in this root\n  hint: mount it before: mount -t proc proc /proc\n"
    )


def test_only_a_store_below_the_plan_is_discarded(root: Root, exported: Exported) -> None:
    exported.unpack(root)
    elsewhere = "--root /builddir/other/root --runroot /builddir/other/run --storage-driver vfs"
    done = root.run("bash", "plan/lib/discard.sh", settings={"BS_STORE": elsewhere})
    assert done.returncode == 2
    assert "error: the store /builddir/other/root is not below the plan's directory" in done.stdout
    assert (root.place / "builddir/other/root").is_dir()
    shutil.rmtree(root.place / "builddir/other")


def test_what_is_not_built_is_not_archived(root: Root, exported: Exported) -> None:
    exported.unpack(root)
    done = root.run("bash", "plan/lib/archive.sh", "docker", "x.tar", "cron", settings={"BS_STORE": STORE})
    assert done.returncode == 1
    assert "error: not built from the current plan: cron\n  hint: build them first: make -C " in done.stdout
    assert not list((root.place / "builddir").glob("x.tar*"))


# ── the spec ────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_spec_says_what_the_package_is(exported: Exported, golden: Callable[[str, Path], None]) -> None:
    text = (exported.folder / f"{SPEC}.spec").read_text()
    text = re.sub("locked: [0-9a-f]{12}[.]", "locked: 0123456789ab.", text)
    golden(text, Path(__file__).parent / "expected.spec")


def test_equal_sets_give_equal_bytes(exported: Exported) -> None:
    with (
        gzip.open(exported.folder / "stable-pike-plan.tar.gz") as packed,
        tarfile.open(fileobj=packed) as tar,
    ):
        members = tar.getmembers()
    assert {item.mtime for item in members} == {1517443200}
    assert [item.name for item in members] == sorted(item.name for item in members)
    assert {(item.uid, item.gid, item.uname) for item in members} == {(0, 0, "")}


def rpmbuild(root: Root, user: str, *words: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run rpmbuild on the exported spec, as mock does."""
    home = {"HOME": "/builddir"}
    spec = f"build/SPECS/{SPEC}.spec"
    # Debian's programs did not come as RPMs.
    return root.run("rpmbuild", "-bb", "--nodeps", *words, spec, user=user, settings=home, timeout=timeout)


def packed_images(root: Root, name: str) -> dict[str, str]:
    """Ids of the images in the package, as the archive says, each layer held against its configuration."""
    (package,) = (root.place / "builddir/build/RPMS").rglob("*.rpm")
    out = root.place / "builddir/build/RPMS"
    subprocess.run(["rpm2archive", package], check=True)
    found = {}
    with tarfile.open(f"{package}.tgz") as files:
        files.extract(f"./usr/share/{SPEC}/{name}", out)
    with tarfile.open(out / "usr/share" / SPEC / name) as archive:
        for entry in json.load(_file(archive, "./manifest.json")):
            config = _file(archive, f"./{entry['Config']}").read()
            identity = hashlib.sha256(config).hexdigest()
            assert entry["Config"] == f"{identity}.json"
            for layer, digest in zip(entry["Layers"], json.loads(config)["rootfs"]["diff_ids"], strict=True):
                data = _file(archive, f"./{layer}").read()
                data = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
                assert f"sha256:{hashlib.sha256(data).hexdigest()}" == digest
            (reference,) = entry["RepoTags"]
            found[reference.partition("centos-binary-")[2].partition(":")[0]] = identity
    return found


def _file(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    file = archive.extractfile(name)
    assert file is not None
    return file


def plan_results(plan: Path) -> dict[str, str]:
    """Ids of the images that a plan built."""
    found = (json.loads(path.read_text()) for path in (plan / "results").glob("*.json"))
    return {result["image"]: result["image_id"] for result in found}
