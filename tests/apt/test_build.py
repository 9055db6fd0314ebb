"""Images built by dpkg from packages made here: equal, clean; failures that are told."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.apt.test_solve import LATER
from tests.apt.world import SET, SITE, World
from tests.buildroot.root import make_root
from tests.conftest import ROOT
from tests.stores import Store, store

pytestmark = pytest.mark.real

EXPECTED = Path(__file__).parent / "expected"


@dataclass(frozen=True)
class Site:
    """A world, and a store to build in."""

    world: World
    store: Store

    def build(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `buildsys build demo`, as a process of its own."""
        return self._run((str(ROOT / ".venv/bin/buildsys"), "build", "demo/", *words), environment)

    def periodic(self) -> subprocess.CompletedProcess[str]:
        """Run `buildsys periodic demo`."""
        return self._run((str(ROOT / ".venv/bin/buildsys"), "periodic", "demo/"), {})

    def make(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the plan without buildsys, where no network and no source is."""
        command = ("unshare", "--net", "--", "make", "--no-print-directory", "-C", "build/demo", *words)
        return self._run(command, {"APT_CONFIG": "/nowhere"})

    def _run(self, command: tuple[str, ...], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        settings = {"BS_STORE": self.store.options, "BS_SPACE_MIB": "100", **environment}
        return subprocess.run(
            command,
            cwd=self.world.place,
            env={**kept, **settings},
            check=False,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=300,
        )

    def ids(self) -> dict[str, str]:
        """Id of each image, from its result."""
        results = map(
            json.loads, (path.read_text() for path in self.world.place.glob("build/demo/results/*.json"))
        )
        return {result["image"]: result["image_id"] for result in results}

    def log(self, image: str) -> str:
        """What the build of an image said."""
        return (self.world.place / f"build/demo/logs/{image}.log").read_text()

    def config(self, image: str) -> dict[str, Any]:
        """The configuration of an image."""
        found = self.store.buildah("inspect", "--type", "image", f"localhost/demo/{image}:latest")
        config: dict[str, Any] = json.loads(json.loads(found)["Config"])
        return config

    def paths(self, image: str) -> dict[str, Path]:
        """All files of an image, by their path in it."""
        container = self.store.buildah("from", "--pull-never", f"localhost/demo/{image}:latest").strip()
        root = Path(self.store.buildah("mount", container).strip())
        return {f"/{path.relative_to(root)}": path for path in root.rglob("*")}


@pytest.fixture
def site(world: World) -> Iterator[Site]:
    with store(world.place / "store") as made:
        yield Site(world, made)


def test_a_set_from_nothing_and_again_without_network(site: Site) -> None:
    done = site.build()
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("build/locks/demo/here.yaml: asking what the site here has now\n")
    first = site.ids()
    assert sorted(first) == ["base", "middle", "side", "tip"]
    steps = sorted((site.world.place / "build/demo/steps").iterdir())
    # As in tests/plan/test_shellcheck.py; and commas are data.
    read = subprocess.run(
        ["shellcheck", "--exclude=SC1003,SC1091,SC2016,SC2034,SC2054", *steps],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (read.returncode, read.stdout) == (0, "")
    again = site.build()
    assert again.stdout.endswith("demo: 4 images: 0 built, 4 fresh\n"), again.stdout
    # Elsewhere: another store, another directory, no network, no apt that knows any source.
    with store(site.world.place / "other") as other:
        (site.world.place / "build/demo/state").rename(site.world.place / "state-before")
        elsewhere = Site(site.world, other)
        forced = elsewhere.make()
        assert forced.returncode == 0, forced.stdout
        assert elsewhere.ids() == first


def test_a_plan_that_carries_its_packages_needs_neither_apt_nor_a_bootstrap_tool(
    site: Site, tmp_path: Path
) -> None:
    done = site.build()
    assert done.returncode == 0, done.stdout
    root = make_root(tmp_path / "root", "dpkg")
    shutil.copytree(
        site.world.place / "build/demo",
        root.place / "builddir/plan",
        ignore=shutil.ignore_patterns("state", "results"),
    )
    absent = root.run(
        "sh", "-c", "for name in apt-get mmdebstrap debootstrap python3; do command -v $name; done"
    )
    assert absent.stdout == ""
    place = "--root /builddir/plan/store/root --runroot /builddir/plan/store/run"
    made = root.run("make", "-C", "plan", settings={"BS_STORE": place, "BS_SPACE_MIB": "100"})
    assert made.returncode == 0, made.stdout
    assert "demo: 4 images: 4 built, 0 fresh" in made.stdout
    results = (root.place / "builddir/plan/results").glob("*.json")
    found = {
        item["image"]: item["image_id"] for item in map(json.loads, (path.read_text() for path in results))
    }
    assert found == site.ids()


def test_what_is_in_an_image(site: Site) -> None:
    done = site.build()
    assert done.returncode == 0, done.stdout
    there = site.paths("tip")
    assert there["/usr/share/mid/about"].read_text() == "mid 1.0-1\n"
    # Its script came to be run, before the package that needs that was unpacked.
    assert there["/usr/share/seed/ready"].read_text() == "ready\n"
    status = there["/var/lib/dpkg/status"].read_text()
    assert re.findall(r"^Package: (.*)$", status, re.MULTILINE) == "ground leaf libmid mid plain seed".split()
    assert set(re.findall(r"^Status: (.*)$", status, re.MULTILINE)) == {"install ok installed"}
    # Nothing of the host, of the installation and of the hour.
    for path in (
        "/var/log/dpkg.log", "/etc/hostname", "/etc/resolv.conf", "/etc/apt", "/usr/sbin/policy-rc.d",
        "/var/lib/dpkg/status-old", "/var/lib/dpkg/lock", "/dev/null", "/dev/buildsys",
        "/etc/shadow-", "/etc/ssh/ssh_host_rsa_key", "/etc/ssl/certs/ssl-cert-snakeoil.pem",
        "/etc/ssl/certs/01234567.0", "/etc/ssl/private/ssl-cert-snakeoil.key",
    ):  # fmt: skip
        assert path not in there
    assert there["/etc/machine-id"].read_text() == ""
    assert there["/usr/share/mid/host"].read_text() == "localhost\n"
    newest = max(
        path.lstat().st_mtime for name, path in there.items() if name not in {"/dev", "/proc", "/sys"}
    )
    assert newest <= 1517443200
    # The package `leaf` is younger than the set's epoch.
    assert {name: site.config(name)["created"] for name in ("middle", "tip")} == {
        "middle": "2018-02-01T00:00:00Z",
        "tip": "2020-09-13T12:26:40Z",
    }
    address = site.world.server.address.partition("//")[2]
    command = ["grep", "-rlaF", address, "build/demo", "build/locks", *map(str, there.values())]
    said = subprocess.run(command, cwd=site.world.place, capture_output=True, text=True, check=False)
    assert said.stdout == ""


def failure(site: Site, image: str) -> str:
    """What the log says of the failure, from the first error on."""
    log = site.log(image)
    return re.sub(r"/\S*/overlay/\S*/merged", "…", log[log.index("error: ") :])


@pytest.mark.parametrize("package", ["broken", "greedy"])
def test_a_package_that_cannot_be_installed(
    site: Site, package: str, golden: Callable[[str, Path], None]
) -> None:
    site.world.source("ground", "plain", "libmid", "mid", "leaf", "seed", "other", package)
    site.world.recipe("tip", f"from: middle\npackages:\n  - leaf\n  - {package}\n")
    done = site.build("tip")
    assert done.returncode == 1
    golden(failure(site, "tip"), EXPECTED / f"build-{package}.txt")
    assert "no luck today" in site.log("tip") or package != "broken"


def test_a_full_disk(world: World) -> None:
    world.source("ground", "plain", "libmid", "mid", "leaf", "seed", "other", "huge")
    world.recipe("tip", "from: middle\npackages:\n  - leaf\n  - huge\n")
    disk = world.place / "store"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", disk], check=True)
    try:
        with store(disk / "it") as made:
            site = Site(world, made)
            done = site.build("tip", BS_SPACE_MIB="1")
            assert done.returncode == 1
            told = "demo/images/tip.yaml:5:5: the package huge: cannot copy extracted data for"
            assert told in done.stdout
            assert "(No space left on device); see above" in done.stdout
            # What could be built is there, and what could not has no name.
            named = {name for name in made.names() if name.endswith(":latest")}
            assert named == {"localhost/demo/base:latest", "localhost/demo/middle:latest"}
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_package_of_the_pool_that_is_another_now(site: Site) -> None:
    assert site.build("middle").returncode == 0
    (mid,) = (site.world.place / "build/demo/pool/packages").glob("mid_*.deb")
    mid.chmod(0o644)
    mid.write_bytes(mid.read_bytes()[:-1] + b"x")
    (site.world.place / "build/demo/state").rename(site.world.place / "state-before")
    done = site.make("middle", "BS_FORCE=1")
    assert done.returncode == 2
    assert "error: a package of the pool differs from the lock" in site.log("base") + site.log("middle")


def test_a_timer_moves_the_lock_and_builds_what_that_makes_stale(site: Site) -> None:
    assert site.periodic().returncode == 10
    assert site.periodic().returncode == 0
    site.world.source(*LATER, time=1700000001)
    done = site.periodic()
    assert done.returncode == 10, done.stdout
    report = json.loads((site.world.place / "build/demo/report.json").read_text())
    assert sorted(item["image"] for item in report["built"]) == ["middle", "tip"]
    assert {"image": "middle", "name": "libmid", "old": "1.0-1", "new": "1.1-1"} in report["lock"]


def test_packages_are_removed(site: Site) -> None:
    site.world.recipe("tip", "from: middle\npackages: [leaf]\nsteps: [{remove-packages: [leaf, mid]}]\n")
    done = site.build("tip")
    assert done.returncode == 0, done.stdout
    there = site.paths("tip")
    assert "/usr/share/mid/about" not in there
    assert "Package: mid" not in there["/var/lib/dpkg/status"].read_text()


def test_files_of_a_package_that_is_not_installed_and_a_key(site: Site) -> None:
    copy = "{copy: /usr/share/other/about, from: {package: other}, to: /told}"
    site.world.recipe("side", f"from: base\nsteps:\n  - {copy}\n  - {{import-key: /told}}\n")
    done = site.build("side")
    assert done.returncode == 0, done.stdout
    there = site.paths("side")
    assert there["/told"].read_text() == "other 1.0-1\n"
    assert there["/etc/apt/trusted.gpg.d/told"].read_text() == "other 1.0-1\n"
    assert "Package: other" not in there["/var/lib/dpkg/status"].read_text()


def test_modules_are_compiled_all_at_once(site: Site) -> None:
    site.world.source("ground", "plain", "libmid", "mid", "leaf", "seed", "other", "python", "snake", "worm")
    site.world.recipe("side", "from: base\npackages: [snake, worm]\n")
    done = site.build("side")
    assert done.returncode == 0, done.stdout + site.log("side")
    modules = " ".join(f"/usr/lib/python3/dist-packages/{name}.py" for name in ("snake", "worm"))
    assert site.paths("side")["/usr/share/calls"].read_text().splitlines() == [
        "-p snake /usr/share/snake",
        "-p worm /usr/share/worm",
        modules,
    ]


def test_an_account_of_the_set_that_a_package_wants_for_itself(site: Site) -> None:
    """`adduser --system` takes it for its own, whatever its number."""
    site.world.recipe("side", "from: base\npackages: [haunted]\n")
    site.world.source("ground", "plain", "libmid", "mid", "leaf", "seed", "other", "haunted", "adduser")
    done = site.build("side")
    assert done.returncode == 0, done.stdout + site.log("side")
    words = site.paths("side")["/usr/share/haunted/words"].read_text().split()
    assert words[1:] == ["--system", "ghost"]
    assert words[0] == "59999"


def test_labels_of_the_main_package_and_none_of_the_parents(site: Site) -> None:
    """As the lock, dpkg and the site have them; `side` installs no package of its name."""
    (site.world.place / "demo/set.yaml").write_text(SET + "common: {version-of: '{{ image }}'}\n")
    (site.world.place / "demo/sites/here.yaml").write_text(
        SITE + 'sources: "https://example.org/{{ source_package }}/{{ source_version }}"\n'
    )
    site.world.recipe("middle", "from: base\npackages: [mid]\nversion-of: mid\n")
    site.world.recipe("tip", "from: middle\npackages: [leaf]\nversion-of: leaf\n")
    site.world.recipe("side", "from: middle\npackages: [other]\n")
    assert (done := site.build()).returncode == 0, done.stdout
    labels = {
        name: site.config(name)["config"].get("Labels") or {} for name in ("base", "middle", "tip", "side")
    }
    prefix = "org.opencontainers.image."
    assert labels == {
        "base": {},
        "middle": {
            f"{prefix}version": "1.0",
            f"{prefix}revision": "1.0-1",
            f"{prefix}source": "https://example.org/stones/1.0-1",
        },
        "tip": {
            f"{prefix}version": "1.0",
            f"{prefix}revision": "1:1.0",
            f"{prefix}source": "https://example.org/leaf/1:1.0",
        },
        "side": {},
    }
    again = site.build()
    assert again.stdout.endswith("demo: 4 images: 0 built, 4 fresh\n"), again.stdout
