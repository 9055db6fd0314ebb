"""What the files at the top of the repository promise, held against what is there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from buildsys import programs

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
MADE = {".git", ".hypothesis", ".venv", "build", "dist"}


def make(*words: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", *words], cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    ).stdout


def targets() -> set[str]:
    """Every explicit target make knows; printing the database runs nothing."""
    return set(re.findall(r"^([\w-]+):(?!=)", make("--print-data-base", "--dry-run", "help"), re.MULTILINE))


def console_lines() -> list[str]:
    blocks = re.findall(r"^```console\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).splitlines()
    return [line.removeprefix("$ ").split("  #")[0].strip() for line in lines]


def files() -> Iterator[Path]:
    """Every file a clone holds; what is made, and caches, left out."""
    for top in ROOT.iterdir():
        if top.name in MADE or top.name.endswith("_cache"):
            continue
        for path in [top] if top.is_file() else top.rglob("*"):
            if path.is_file() and not path.is_symlink() and "__pycache__" not in path.parts:
                yield path


@pytest.mark.parametrize("target", ["setup", "check", "quick", "test", "bench", "acceptance", "clean"])
def test_help_lists_target(target: str) -> None:
    assert re.search(rf"^  {target} +\S", make("help"), re.MULTILINE)


def test_help_lists_every_image_set_and_its_plan() -> None:
    listed = {line.split()[0] for line in make("help").splitlines()}
    sets = {path.parent.name for path in ROOT.glob("recipes/*/set.yaml")}
    assert {*sets, *(f"plan-{name}" for name in sets)} <= listed


def test_help_promises_only_targets() -> None:
    listed = re.findall(r"^  ([a-z][\w-]*)  ", make("help"), re.MULTILINE)
    assert listed
    assert set(listed) <= targets()


def test_readme_begins_with_the_two_commands() -> None:
    assert console_lines()[:2] == ["make stable-pike", "make test"]


def test_readme_names_only_targets() -> None:
    named = {line.split()[1] for line in console_lines() if re.match(r"make [a-z]", line)}
    assert named <= targets()


def test_readme_names_only_verbs() -> None:
    verbs = {line.split()[1] for line in console_lines() if line.startswith(".venv/bin/buildsys ")}
    answer = subprocess.run(
        [sys.executable, "-m", "buildsys", "--help"], capture_output=True, check=True, text=True
    )
    listed = set(re.findall(r"^  ([a-z]+)  ", answer.stdout.partition("Commands:")[2], re.MULTILINE))
    assert verbs
    assert verbs <= listed


def test_ci_runs_the_readme_commands_within_an_hour() -> None:
    """Each part has a limit, and all limits together are below an hour."""
    text = (ROOT / ".ci/run").read_text()
    for command in console_lines()[:2]:
        assert re.search(rf"^within \d+ .*\b{command}$", text, re.MULTILINE), command
    assert sum(map(int, re.findall(r"^within (\d+)", text, re.MULTILINE))) < 60


def test_readme_has_the_oldest_tested_version_of_each_program() -> None:
    """The first column of the table is what doctor compares with."""
    rows = re.findall(r"^\| ([\w, ]+) \| ([\d., ]+) \|", README, re.MULTILINE)
    words = {"bubblewrap": "bwrap", "Python": "python"}
    first = {
        words.get(name, name): tuple(map(int, version.split(".")))[:2]
        for names, versions in rows
        for name, version in zip(names.split(", "), versions.split(", "), strict=True)
    }
    (newer,) = re.findall(r"^\| dnf5 \| - \| - \| (\d+)\.(\d+)", README, re.MULTILINE)
    first["dnf5"] = tuple(map(int, newer))
    assert first == {name: programs.TESTED[name] for name in first}
    assert first.keys() == programs.TESTED.keys()


def test_readme_lists_every_site() -> None:
    table = re.findall(r"^\| `(\w+)`(?: \(default\))? \|", README, re.MULTILINE)
    assert sorted(table) == sorted(path.stem for path in ROOT.glob("recipes/stable-pike/sites/*.yaml"))


def test_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert re.match(r"\s+Apache License\n\s+Version 2\.0, January 2004\n", text)
    sections = re.findall(r"^   (\d)\. [A-Z]", text, re.MULTILINE)
    assert sections == list("123456789")
    assert "END OF TERMS AND CONDITIONS" in text


def test_every_dependency_has_a_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    project = tomllib.loads(text)["project"]
    for requirement in [*project["dependencies"], *project["optional-dependencies"]["dev"]]:
        assert re.search(rf'^    "{re.escape(requirement)}", +# \w', text, re.MULTILINE), requirement


def test_environment_holds_the_pinned_versions_and_nothing_else() -> None:
    pins = re.findall(r"^([^#\s]+)==(\S+)$", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    came_with_python = {"pip", "setuptools", "buildsys"}
    here = {normal(found.name): found.version for found in metadata.distributions()}
    assert {name: here[name] for name in here.keys() - came_with_python} == {normal(n): v for n, v in pins}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_no_file_names_a_package_registry_or_this_machine() -> None:
    """The patterns are written so that they do not match themselves."""
    registries = r"(deb|security|ftp)\.debian\.org|py[p]i\.org|pythonhosted\.org|registry\.npmjs\.org"
    machine = rf"/work[/]main|/root[/]\.pyenv|{re.escape(str(ROOT))}"
    words = re.compile(f"{registries}|{machine}".encode())
    hits = {path.relative_to(ROOT): words.search(path.read_bytes()) for path in files()}
    assert {path: hit[0] for path, hit in hits.items() if hit} == {}


def test_each_module_has_a_file_name_of_its_own() -> None:
    """A reader finds a module by its file name at the first try (docs/explanation/architecture.md)."""
    shared = {"__init__.py", "__main__.py", "diff.py", "write.py"}
    count = Counter(path.name for path in (ROOT / "buildsys").rglob("*.py"))
    assert [name for name, times in sorted(count.items()) if times > 1 and name not in shared] == []
