"""tools: versions are asked for once a program, and again when it is another one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from buildsys import programs
from buildsys.diagnostics import Refused

if TYPE_CHECKING:
    from tests.cli.conftest import Fake


@pytest.fixture(autouse=True)
def path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("buildah version 1.28.2 (image-spec 1.1.0-rc2, runtime-spec 1.0.2-dev)", (1, 28, 2)),
        ("GNU Make 4.3\\nBuilt for x86_64-pc-linux-gnu", (4, 3)),
        ("GNU bash, version 5.2.15(1)-release (x86_64-pc-linux-gnu)", (5, 2, 15)),
        ("podman version 5.0.0-dev", (5, 0, 0)),
        ("no number here, 7 alone is none", ()),
    ],
)
def test_versions(fake: Fake, said: str, version: tuple[int, ...]) -> None:
    assert programs.version_of(str(fake("thing", f'printf "{said}\\n"'))) == version


@pytest.mark.parametrize("lines", [("exit 1",), ("kill -9 $$",)])
def test_a_program_that_fails_has_no_version(fake: Fake, lines: tuple[str, ...]) -> None:
    assert programs.version_of(str(fake("thing", *lines))) == ()


def test_a_version_is_asked_for_again_when_the_program_changes(fake: Fake, tmp_path: Path) -> None:
    asked, notebook = tmp_path / "asked", tmp_path / "new" / "tools.json"
    fake("buildah", f"echo >>{asked}", "echo 1.30.0")
    programs.require(["buildah"], notebook)
    programs.require(["buildah", "buildah"], notebook)
    assert asked.read_text() == "\n"
    fake("buildah", f"echo >>{asked}", "echo 1.30.10")
    programs.require(["buildah"], notebook)
    assert asked.read_text() == "\n\n"
    fake("buildah", "echo 1.3.0")
    with pytest.raises(Refused, match=r"1\.27 or newer is needed, .*/bin/buildah is version 1\.3\.0"):
        programs.require(["buildah"], notebook)


def test_an_old_program_stays_old_the_second_time(fake: Fake, tmp_path: Path) -> None:
    fake("skopeo", "echo 0.1")
    for _ in range(2):
        with pytest.raises(Refused, match=r"skopeo 1\.2 or newer is needed"):
            programs.require(["skopeo"], tmp_path / "tools.json")


@pytest.mark.parametrize("content", ["", "[]", "{"])
def test_a_notebook_that_cannot_be_read_is_written_anew(fake: Fake, tmp_path: Path, content: str) -> None:
    notebook = tmp_path / "tools.json"
    notebook.write_text(content)
    program = fake("buildah", "echo 1.30.0")
    programs.require(["buildah"], notebook)
    ((key, version),) = json.loads(notebook.read_text()).items()
    assert (key.split()[0], version) == (str(program), [1, 30, 0])


def test_without_a_place_for_the_notebook_versions_are_asked_for_each_time(
    fake: Fake, tmp_path: Path
) -> None:
    asked = tmp_path / "asked"
    fake("buildah", f"echo >>{asked}", "echo 1.30.0")
    (tmp_path / "file").write_text("in the way")
    for _ in range(2):
        programs.require(["buildah"], tmp_path / "file" / "tools.json")
    assert asked.read_text() == "\n\n"


def test_programs_whose_version_does_not_matter_are_only_looked_for(fake: Fake, tmp_path: Path) -> None:
    fake("flock", f"echo >>{tmp_path / 'asked'}")
    programs.require(["flock"], tmp_path / "tools.json")
    assert not (tmp_path / "asked").exists()
    assert not (tmp_path / "tools.json").exists()
