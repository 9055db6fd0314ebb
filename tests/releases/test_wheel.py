"""The wheel and the sdist: what they hold, and that what is installed from them is the same buildsys."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT, BuiltPike


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and with the wheel that is made from it."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prefix that the wheel is installed into; our libraries serve it."""
    prefix = tmp_path_factory.mktemp("prefix")
    (wheel,) = built.glob("*.whl")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*command, "--prefix", str(prefix), "--ignore-installed", str(wheel)], check=True)
    return prefix


def run(prefix: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command in a folder, without what this clone brings."""
    (packages,) = prefix.glob("lib/python*/site-packages")
    environment = {**os.environ, "PYTHONPATH": str(packages), "HOME": str(folder), "XDG_DATA_DIRS": "/none"}
    return subprocess.run(
        [str(prefix / "bin/buildsys"), *words], cwd=folder, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def test_the_wheel_has_all_that_the_clone_has(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        data = f"{wheel.name.removesuffix('-py3-none-any.whl')}.data/data/share"
        for path in tracked("recipes"):
            assert archive.read(f"{data}/buildsys/{path}") == (ROOT / path).read_bytes()
    assert names >= tracked("buildsys")
    for name in ("bash-completion/completions/buildsys", "zsh/site-functions/_buildsys"):
        assert f"{data}/{name}" in names
    assert f"{data}/fish/vendor_completions.d/buildsys.fish" in names
    assert f"{data}/man/man1/buildsys-build.1" in names


def test_the_sdist_has_what_packages_are_built_from(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    folders = ("buildsys", "docs", "packaging", "recipes", "tools")
    assert names >= tracked(*folders) | {"CHANGELOG.md", "LICENSE", "README.md", "pyproject.toml"}


def test_an_installed_buildsys_finds_its_sets_from_any_folder(installed: Path, tmp_path: Path) -> None:
    done = run(installed, tmp_path, "sets")
    share = installed / "share/buildsys/recipes"
    assert done.stdout == f"stable-pike\t108\t{share}/stable-pike\t\nstable-zed\t33\t{share}/stable-zed\t\n"
    done = run(installed, tmp_path, "--version")
    assert (done.returncode, done.stdout) == (0, "buildsys 0.1.0\n")


def test_installers_compile_no_module_that_goes_into_an_image_by_copy() -> None:
    """They compile each module of a wheel; stand-ins leave bytecode out, a copied folder would not."""
    assert not [path for path in tracked("recipes") if path.endswith(".py") and "/standins/" not in path]


@pytest.mark.real
def test_an_installed_buildsys_writes_the_same_plan(
    installed: Path, tmp_path: Path, built_pike: BuiltPike
) -> None:
    # The clone's stand-in packages are taken as they are: the installed recipes are the same to them.
    made = tmp_path / "plan"
    words = ("plan", "stable-pike", "--build-dir", str(built_pike.build), "-o", str(made))
    done = run(installed, tmp_path, *words)
    assert done.returncode == 0, done.stderr
    for path in sorted(path for path in made.rglob("*") if path.is_file()):
        name = path.relative_to(made)
        if name.parts[0] != "state":
            assert path.read_bytes() == (built_pike.plan / name).read_bytes(), name


def tracked(*folders: str) -> set[str]:
    """Files of these folders that git has."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *folders], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return {name for name in listed.stdout.split("\0") if name}
