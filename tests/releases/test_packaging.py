"""What packages say of buildsys: the same version, the same libraries, the programs that plans call."""

from __future__ import annotations

import re
import subprocess
import tomllib

import pytest

from buildsys import __version__
from buildsys.plan.compile import TOOLS
from tests.conftest import ROOT

SPEC = (ROOT / "packaging/buildsys.spec").read_text()
CONTROL = (ROOT / "packaging/debian/control").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BRINGS = {
    "attr": "setfattr", "bash": "bash", "bubblewrap": "bwrap", "buildah": "buildah", "curl": "curl",
    "diffutils": "diff", "findutils": "find", "gawk": "awk", "make": "make", "rpm": "rpm", "sed": "sed",
    "skopeo": "skopeo", "tar": "tar",
}  # fmt: skip
"""Package -> the program that plans want of it, where only one is wanted."""
UTILITIES = {
    "coreutils": {"sha256sum", "sync"},
    "glibc-common": {"ldd"},
    "util-linux": {"flock", "unshare"},
}


def test_all_packages_have_the_version_of_the_code() -> None:
    changelog = (ROOT / "packaging/debian/changelog").read_text()
    assert re.search(r"^Version: (.*)$", SPEC, re.MULTILINE) is not None
    assert re.findall(r"^Version: (.*)$", SPEC, re.MULTILINE) == [__version__]
    assert re.findall(r"^buildsys \((.*)-\d+\)", changelog, re.MULTILINE)[0] == __version__
    assert re.search(rf"^\* .* - {re.escape(__version__)}-1$", SPEC, re.MULTILINE)


@pytest.mark.parametrize("requirement", PROJECT["dependencies"])
def test_the_rpm_requires_each_library_by_its_name_in_fedora(requirement: str) -> None:
    name, bound = requirement.split(">=")
    assert f"\nRequires: python3-{name} >= {bound}\n" in SPEC


def test_the_runtime_requires_the_programs_that_plans_call() -> None:
    required = set(re.findall(r"^Requires: ([\w-]+)", SPEC.partition("%package runtime")[2], re.MULTILINE))
    brought = {BRINGS[name] for name in required if name in BRINGS}
    for name in required & UTILITIES.keys():
        brought |= UTILITIES[name]
    assert set(TOOLS) <= brought
    debian = CONTROL.partition("Package: buildsys-runtime")[2].partition("\nPackage:")[0]
    for name in ("bubblewrap", "buildah (>= 1.28)", "make", "rpm", "skopeo", "uidmap"):
        assert f" {name},\n" in debian


def test_rpm_reads_the_spec_without_the_macros_of_fedora() -> None:
    command = [
        "rpmspec",
        "--query",
        "--requires",
        "--define",
        f"_sourcedir {ROOT}",
        "packaging/buildsys.spec",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "python3-click >= 8.1\n" in done.stdout
    assert f"buildsys-runtime = {__version__}-1" in done.stdout


def test_the_unit_of_packages_knows_no_clone() -> None:
    units = ROOT / "packaging/systemd"
    done = subprocess.run(
        ["sed", "-f", str(units / "packaged.sed"), str(units / "buildsys-periodic@.service")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "ExecStart=/usr/bin/buildsys periodic %i $OPTIONS\n" in done.stdout
    assert "StateDirectory=buildsys\nWorkingDirectory=/var/lib/buildsys\n" in done.stdout
    assert "/opt/" not in done.stdout
