"""How runs end: exit statuses, and a sentence instead of a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from buildsys import cli
from buildsys.pipeline import Pipeline

if TYPE_CHECKING:
    from tests.cli.conftest import Run


def test_version(buildsys: Run) -> None:
    done = buildsys("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, "buildsys 0.1.0\n", "")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nonsense"], "Error: No such command 'nonsense'."),
        (["list"], "Error: Missing argument 'SET'."),
        (["plan", "tiny", "--overly=x"], "Error: No such option '--overly'. Did you mean '--overlay'?"),
        (
            ["build", "tiny", "--jobs", "0"],
            "Error: Invalid value for '-j' / '--jobs' (env var: 'BS_JOBS'): 0 is not in the range x>=1.",
        ),
        (
            ["list", "tiny", "--variable", "colour"],
            "Error: Invalid value for '--set' / '--variable': 'colour' is not of the form NAME=VALUE",
        ),
    ],
)
def test_usage(buildsys: Run, words: list[str], sentence: str) -> None:
    done = buildsys(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1] == sentence


def test_mistakes_in_recipes_are_told_with_their_place(buildsys: Run, here: Path) -> None:
    recipe = here / "recipes/tiny/images/app.yaml"
    recipe.write_text(recipe.read_text().replace("from: base", "from: bass"))
    done = buildsys("list", "tiny")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "recipes/tiny/images/app.yaml:2:7: error: no image is called 'bass' [unknown-parent]\n"
        "  2 | from: bass\n"
        "    |       ^\n"
        "  hint: did you mean 'base'?\n"
    )


def test_a_set_that_is_not_there(buildsys: Run) -> None:
    done = buildsys("build", "tinny")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == ("error: no image set is called 'tinny' [no-set]\n  hint: did you mean 'tiny'?\n")


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("tiny", "recipes/tiny"),
        ("recipes/tiny", "recipes/tiny"),
        ("./recipes/tiny/", "recipes/tiny"),
        (".", "."),
    ],
)
def test_a_set_is_given_by_name_or_path(buildsys: Run, here: Path, path: str, place: str) -> None:
    cwd = here / "recipes/tiny" if path == "." else here
    done = buildsys("show", path, "base", cwd=cwd)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].endswith(f" # {Path(place, 'images/base.yaml')}:1:8")


def test_a_place_that_cannot_be_written_is_no_bug(buildsys: Run, here: Path) -> None:
    (here / "build").write_text("in the way")
    done = buildsys("plan", "tiny")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "error: build/tiny: Not a directory\n")


def fails_with(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(_: Pipeline) -> None:
        raise error

    monkeypatch.setattr(Pipeline, "resolve", resolve)


def test_a_bug_is_owned(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    fails_with(KeyError("colour"), monkeypatch)
    assert cli.run(["list", "./tiny"]) == 70
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        "error: this is a bug of buildsys, not of your recipes: KeyError: 'colour'\n"
        "  hint: `buildsys --debug list ./tiny` shows where; please report it with that\n"
    )


def test_debug_shows_where_a_bug_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fails_with(KeyError("colour"), monkeypatch)
    assert cli.run(["--debug", "list", "./tiny"]) == 70
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-2:] == [
        "KeyError: 'colour'",
        "error: this is a bug of buildsys, not of your recipes: KeyError: 'colour'",
    ]


def test_an_interrupt_is_quiet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    fails_with(KeyboardInterrupt(), monkeypatch)
    assert cli.run(["list", "./tiny"]) == 130
    assert capsys.readouterr().err.strip() == ""


@pytest.mark.parametrize("module", ["buildsys.cli", "buildsys.cli.show", "buildsys.recipe.library"])
def test_an_interrupt_is_quiet_at_any_time(
    here: Path, environment: dict[str, str], tmp_path: Path, module: str
) -> None:
    """The process interrupts itself when it first looks for a module."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        f"        if name == {module!r}: os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())\n"
    )
    argv = [sys.executable, "-m", "buildsys", "list", "tiny"]
    env = {**environment, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(argv, cwd=here, env=env, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, "", "")


@pytest.mark.parametrize("words", [["list", "tiny"], ["graph", "tiny"], ["--help"], ["schema"]])
def test_a_reader_that_goes_away_is_no_event(
    here: Path, environment: dict[str, str], words: list[str]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    argv = [sys.executable, "-m", "buildsys", *words]
    done = subprocess.run(
        argv, cwd=here, env=environment, check=False, stdout=writing, stderr=subprocess.PIPE
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize("depth", [100, 100_000])
@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("images/app.yaml", "image: app\nfrom: base\nenv: {}\n"),
        ("set.yaml", "set: tiny\nx: {}\n"),
        ("sites/more.yaml", "site: more\nrepositories: {}\n"),
    ],
)
def test_what_is_nested_too_deeply_is_a_mistake(
    buildsys: Run, here: Path, depth: int, file: str, text: str
) -> None:
    for sign, end in (("[", "]"), ("{a: ", "}")):
        (here / "recipes/tiny" / file).write_text(text.replace("{}", sign * depth + end * depth))
        done = buildsys("check", "tiny")
        assert done.returncode == 2
        assert "[deep-nesting]" in done.stderr


def test_an_answer_nested_too_deeply_is_no_bug(
    buildsys: Run, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert buildsys("plan", "tiny").returncode == 0
    monkeypatch.chdir(here)
    plan = here / "build/tiny/plan.json"
    plan.write_text('{"images": ' + "[" * 100_000 + "]" * 100_000 + "}")
    assert cli.run(["periodic", "tiny"]) == 2
    assert "too many things in one another" in capsys.readouterr().err
