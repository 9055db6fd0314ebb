"""docs/reference/commands.md beside the command line it describes."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from buildsys import cli, programs
from buildsys.cli import output

PAGE = (Path(__file__).resolve().parents[2] / "docs/reference/commands.md").read_text()
HELP = dict(
    re.findall(r"^```console\n\$ (buildsys[^\n]* --help)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
)


def test_every_verb_has_its_help_on_the_page() -> None:
    assert list(HELP) == [f"{call} --help" for call in calls("buildsys", cli.verbs)]


def calls(call: str, command: click.Command) -> Iterator[str]:
    """A verb and all that stand in it."""
    yield call
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from calls(f"{call} {name}", inner)


@pytest.mark.parametrize("call", HELP)
def test_the_page_shows_the_help_as_it_is(
    call: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert cli.run(call.split()[1:]) == 0
    assert capsys.readouterr().out == HELP[call]


@pytest.mark.parametrize("call", list(HELP)[1:])
def test_each_verb_has_examples_and_their_words_parse(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = re.findall(r"^    (buildsys .*)$", HELP[call].partition("\n  Examples:\n")[2], re.MULTILINE)
    name = call.removesuffix(" --help")
    assert examples
    assert any(example.startswith(name) for example in examples)
    monkeypatch.chdir(tmp_path)
    for example in examples:
        command: click.Command = cli.verbs
        context = click.Context(command, info_name="buildsys")
        words = shlex.split(example.partition(" >")[0])[1:]
        while isinstance(command, click.Group):
            _, found, words = command.resolve_command(context, words)
            assert found is not None
            command, context = found, click.Context(found, context, found.name)
        with contextlib.suppress(click.exceptions.Exit):  # an option that prints and ends
            command.make_context(command.name, words, context.parent)


def test_no_summary_of_a_verb_is_cut_off() -> None:
    assert "..." not in HELP["buildsys --help"].split("Commands:")[1]


def test_the_page_and_the_help_list_every_exit_status() -> None:
    statuses = {value for name, value in vars(output).items() if name.isupper() and isinstance(value, int)}
    in_help = re.findall(r"(\d+) [a-z]", HELP["buildsys --help"].split("Exit status:")[1])
    assert set(map(int, in_help)) == {0, *statuses}
    assert set(map(int, re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE))) == {0, *statuses}


@pytest.mark.parametrize("name", programs.NEEDS)
def test_the_page_names_the_oldest_version_of_each_program(name: str) -> None:
    oldest = programs.dotted(programs.NEEDS[name].oldest)
    assert re.search(rf"\b{name} \(?{re.escape(oldest)}\b", PAGE)
