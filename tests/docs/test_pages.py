"""Every Markdown file: links lead somewhere, and what is said of make, sets and variables is so."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from buildsys import cli
from buildsys.plan.compile import RUNTIME
from tests.conftest import ROOT
from tests.docs.pages import Command, steps

APART = {".git", ".venv", "build", "node_modules"}
PAGES = sorted(
    path.relative_to(ROOT)
    for path in ROOT.rglob("*.md")
    if not APART.intersection(part for part in path.relative_to(ROOT).parts)
    and not any(part.endswith("_cache") for part in path.parts)
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
ONLY = re.compile(r"make (stable-[\w-]+) ONLY=(\"[^\"]*\"|[^`\s]+)")


def read(page: Path) -> str:
    return (ROOT / page).read_text("utf-8")


def anchors(page: Path) -> set[str]:
    """What headings are called in a link."""
    headings = HEADING.findall(FENCE.sub("", page.read_text("utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    lost = []
    for link in LINK.findall(FENCE.sub("", read(page))):
        if "://" in link or link.startswith("mailto:"):
            continue
        place, _, anchor = link.partition("#")
        target = (ROOT / page).parent / place if place else ROOT / page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)
    assert not lost


def test_the_index_names_every_page() -> None:
    linked = {(ROOT / "docs" / link).resolve() for link in LINK.findall(read(Path("docs/README.md")))}
    pages = {ROOT / page for page in PAGES if page.parts[0] == "docs"} - {ROOT / "docs/README.md"}
    assert pages <= linked


def commands() -> list[list[str]]:
    """The commands of the README, as words."""
    found = [step for step in steps(read(Path("README.md"))) if isinstance(step, Command)]
    return [shlex.split(step.text, comments=True) for step in found]


def test_the_readme_says_what_to_type() -> None:
    assert ["make", "stable-pike"] in commands()
    assert ["make", "test"] in commands()


def targets() -> set[str]:
    database = subprocess.run(
        ["make", "--question", "--print-data-base", "help"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    ).stdout
    return set(re.findall(r"^([\w-]+):", database, re.MULTILINE))


def test_the_targets_of_the_readme_exist() -> None:
    known = targets()
    front = read(Path("Makefile"))
    for command in commands():
        if command[0] != "make" or "-C" in command:
            continue
        for word in command[1:]:
            name, equals, _ = word.partition("=")
            if equals:
                assert f"$({name})" in front, f"make knows no {name}="
            else:
                assert name in known, f"make has no target {name}"


@pytest.mark.parametrize("command", [words for words in commands() if words[0] != "make"], ids=" ".join)
def test_the_verbs_of_the_readme_exist(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert command[0] == ".venv/bin/buildsys"
    assert command[1] in cli.VERBS
    if command[1] in {"list", "show", "graph"}:
        monkeypatch.chdir(ROOT)
        assert cli.run(command[1:]) == 0


@pytest.mark.parametrize(
    ("name", "images"), sorted({found for page in PAGES for found in ONLY.findall(read(page))})
)
def test_what_pages_select_is_there(name: str, images: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert cli.run(["list", name, "--only", *shlex.split(images)]) == 0


def test_the_sites_of_the_readme_are_those_of_the_set() -> None:
    told = set(re.findall(r"^\| `(\w+)`[^|]*\| [^|]+\| [^|]+\|", read(Path("README.md")), re.MULTILINE))
    assert told == {path.stem for path in (ROOT / "recipes/stable-pike/sites").glob("*.yaml")}


def test_the_recipe_of_the_readme_is_the_whole_file() -> None:
    shown = re.findall(r"```yaml\n(.*?)```", read(Path("README.md")), re.DOTALL)
    assert shown == [read(Path("recipes/stable-pike/images/nova/nova-api.yaml"))]


# ── docs/reference/plan.md ──────────────────────────────────────────────────────────────────────────────

PLAN = read(Path("docs/reference/plan.md"))
VARIABLE = re.compile(r"\bBS_[A-Z_]+\b")


def test_every_variable_of_a_plan_is_told_of() -> None:
    used = {name for path in RUNTIME.glob("*.sh") for name in VARIABLE.findall(path.read_text("utf-8"))}
    assert set(VARIABLE.findall(PLAN)) == used


def test_keys_of_plan_and_result_are_told_of(
    write_set: Callable[[Mapping[str, str]], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_set({})
    monkeypatch.chdir(tmp_path)
    assert cli.run(["plan", f"{folder}/", "-o", "plan"]) == 0
    plan = json.loads(Path("plan/plan.json").read_text())
    shown = json.loads(re.findall(r"```json\n(.*?)```", PLAN, re.DOTALL)[0])
    assert shown.keys() == plan.keys()
    assert next(iter(shown["images"].values())).keys() == plan["images"]["base"].keys()
    writer = (RUNTIME / "log.sh").read_text().partition("\nlog_result() {")[2]
    result = re.findall(r'\\"(\w+)\\": ', writer)
    assert list(json.loads(re.findall(r"```json\n(.*?)```", PLAN, re.DOTALL)[1])) == result
    # And every file that stands at the top of a plan.
    written = {path.name for path in Path("plan").iterdir()}
    told = {name.partition("/")[0] for name in re.findall(r"^\| `([^`]+)` \| `plan` ", PLAN, re.MULTILINE)}
    assert written <= told


# ── docs/reference/glossary.md ──────────────────────────────────────────────────────────────────────────


def test_the_glossary_is_in_order_and_each_word_once() -> None:
    words = re.findall(r"^\| ([\w -]+) \| .", read(Path("docs/reference/glossary.md")), re.MULTILINE)[1:]
    assert words == sorted(set(words), key=str.lower)
    assert len(words) > 30
