"""Words of other tools lead to ours: the hint below a usage error is a command that can be copied."""

from __future__ import annotations

import shlex
from pathlib import Path

import click
import pytest

from buildsys import cli
from buildsys.cli import synonyms


@pytest.fixture(autouse=True)
def _here(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here)


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        ("bild tiny -j 2", "No such command 'bild'.", "did you mean `buildsys build tiny -j 2`?"),
        ("ls tiny 'a*'", "No such command 'ls'.", "write `buildsys list tiny 'a*'`"),
        ("clean tiny", "No such command 'clean'.", "write `buildsys prune tiny`"),
        ("version", "No such command 'version'.", "write `buildsys --version`"),
        ("tiny", "No such command 'tiny'.", "a verb comes first: `buildsys build tiny`"),
        ("build tiny --no-cache", "No such option '--no-cache'.", "write `buildsys build tiny --force`"),
        ("build --build-arg=colour=red tiny", "No such option '--build-arg'.",
         "write `buildsys build --set=colour=red tiny`"),
        ("build tiny -k", "No such option '-k'.",
         "leave it out: after a failure a build goes on with all images that do not need the failed one"),
        ("prune tiny -n", "No such option '-n'.", "leave it out: without --yes nothing is removed"),
        ("plan tiny -n", "No such option '-n'.",
         "`buildsys why SET` says what a build would do, and does nothing"),
    ],
)  # fmt: skip
def test_the_hint_is_the_command_to_write(
    words: str, error: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(shlex.split(words)) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines()[-2:] == [f"Error: {error}", f"  hint: {hint}"]


@pytest.mark.parametrize("words", ["nonsense", "build tiny --xyzzy"])
def test_where_no_word_is_near_there_is_no_hint(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(words.split()) == 2
    assert "hint:" not in capsys.readouterr().err


def test_no_word_of_another_tool_is_a_verb_or_an_option_of_ours_and_each_leads_to_one() -> None:
    assert not set(synonyms.VERBS) & set(cli.VERBS)
    context = click.Context(cli.verbs)
    spellings = {}
    for name in cli.VERBS:
        verb = cli.verbs.get_command(context, name)
        assert verb is not None
        spellings[name] = {text for item in verb.params for text in (*item.opts, *item.secondary_opts)}
    every = set.union(*spellings.values())
    for ours in synonyms.OPTIONS.values():
        assert set(ours) & every, ours
    for name, option in synonyms.WORDS:
        assert option not in spellings[name]


@pytest.mark.parametrize("word", synonyms.VERBS)
def test_each_verb_of_another_tool_leads_to_a_verb_that_there_is(word: str) -> None:
    later = {"completion", "config", "log", "new", "status"}
    assert set(synonyms.VERBS[word]) & {*cli.VERBS, "--version", *later}


def test_help_shows_a_verb_and_the_meaning_of_a_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["help", "overlay", "new"]) == 0
    shown = capsys.readouterr().out
    assert cli.run(["overlay", "new", "--help"]) == 0
    assert capsys.readouterr().out == shown
    assert cli.run(["help", "errors", "[unknown-parent]"]) == 0
    assert capsys.readouterr().out == "unknown-parent: `from` names no image of the set.\n"
    assert cli.run(["help", "errors"]) == 0
    assert "\nunknown-parent\t`from` names no image of the set.\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("help bild", "buildsys has no verb 'bild'; did you mean 'build'?"),
        ("help build now", "buildsys build has no verb 'now'"),
        ("help errors unknown-parnt", "no error has the code 'unknown-parnt'; did you mean 'unknown-parent'"),
    ],
)
def test_help_of_what_there_is_not(words: str, error: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(words.split()) == 2
    assert f"Error: {error}" in capsys.readouterr().err
