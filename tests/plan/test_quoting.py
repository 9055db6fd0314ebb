"""Whatever words a recipe holds, the shell gets exactly those words."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from buildsys.image import Run
from buildsys.plan.compile import compile_plan
from buildsys.shell import Command, assignment, call, comment, fragment, heredoc, word
from tests.plan.sets import BASE, image, image_set

SHELLS = (("bash",), ("dash",), ("busybox", "sh"))
# Any text that UTF-8 can say, but NUL; and more often than chance would, what shells care about.
PIECES = st.sampled_from(
    ["'", '"', "\\", "$", "`", "\n", " ", "<<'END'", "END", "}", "#", "!", "*", "~", "=", "-", "\r"]
)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
WORDS = st.one_of(TEXTS, st.lists(st.one_of(PIECES, TEXTS), max_size=6).map("".join))
ARGVS = st.lists(WORDS, max_size=5)
SHOW = """show() { printf '%s\\0' "$@"; printf '\\0'; }"""


def shown(argv: list[str]) -> bytes:
    return b"".join(item.encode() + b"\0" for item in argv or [""]) + b"\0"


def run(shell: tuple[str, ...], *lines: str) -> bytes:
    script = "\n".join([SHOW, *lines, ""]).encode()
    done = subprocess.run([*shell, "-s"], input=script, capture_output=True, check=True, env={"LC_ALL": "C"})
    assert done.stderr == b""
    return done.stdout


@pytest.mark.parametrize("shell", SHELLS, ids="-".join)
@settings(max_examples=60)
@given(ARGVS)
@example(["END", "a\nEND\nb", "~", "=x", "%1", "!x", "{a,b}", "\x7f\x01", "", "\n", "-n"])
def test_a_command_is_the_same_words_again(shell: tuple[str, ...], argv: list[str]) -> None:
    assert run(shell, Command(("show", *argv)).text()) == shown(argv)


@settings(max_examples=60)
@given(WORDS)
def test_an_assignment_is_the_same_value_again(value: str) -> None:
    assert run(("bash",), assignment("x", value), 'show "$x"') == shown([value])


@settings(max_examples=60)
@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=4))
@example([("a", "x.yaml\nshow injected\n#:1:1"), ("b", "y\rz")])
def test_a_call_passes_its_words_and_never_its_remarks(rows: list[tuple[str, str]]) -> None:
    assert run(("bash",), *call("show", rows)) == shown([item for item, _ in rows])


@settings(max_examples=60)
@given(WORDS)
@example("a\nshow injected")
def test_a_comment_says_nothing_to_the_shell(text: str) -> None:
    assert run(("bash",), comment(text), "show x") == shown(["x"])


@settings(max_examples=60)
@given(st.lists(WORDS, max_size=6))
@example(["END", "END_", "x\nEND__\ny"])
def test_a_here_document_is_data(lines: list[str]) -> None:
    expected = "".join(f"{line}\n" for line in lines).encode()
    assert run(("bash",), *heredoc("cat", lines)) == expected


@settings(max_examples=80)
@given(st.lists(st.one_of(ARGVS, st.lists(WORDS, min_size=1, max_size=3).map(tuple)), min_size=1, max_size=5))
@example([["two\nlines", "x <<'END'", "END"], ("END", "    indented", ""), ["after"]])
@example([["show <<'END'\nEND"], ("a",), ["b\n    c"]])
def test_a_function_keeps_commands_and_here_documents_as_they_are(
    parts: list[list[str] | tuple[str, ...]],
) -> None:
    """Lists are commands, tuples are here-documents; indentation enters neither."""
    lines: list[str] = []
    expected = b""
    for part in parts:
        if isinstance(part, tuple):
            lines += heredoc("cat", part)
            expected += "".join(f"{line}\n" for line in part).encode()
        else:
            lines.append(Command(("show", *part)).text())
            expected += shown(part)
    assert run(("bash",), *fragment("build", lines), "build") == expected


def test_a_function_of_nothing_does_nothing() -> None:
    assert run(("bash",), *fragment("build", []), "build") == b""


@pytest.mark.parametrize("value", ["\0", "a\0b"])
def test_what_no_argv_can_hold_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="NUL"):
        word(value)


@settings(max_examples=20)
@given(st.lists(WORDS, min_size=1, max_size=4))
@example(["/bin/sh", "-ec", "cat <<'END'\n    a\nEND\necho '}'"])
def test_a_run_reaches_the_runtime_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, argv: list[str]
) -> None:
    """Through the whole compiler: the words after `run` in a generated step."""
    place: Path = tmp_path_factory.getbasetemp()
    script = compile_plan(image_set(place, [image("x", BASE, Run(argv=tuple(argv), open_files=0))])).texts[
        "steps/x.sh"
    ]
    body = script.split("\n. ", 1)[0].removeprefix("#!/bin/bash\n")
    assert run(("bash",), "at() { :; }", 'run() { show "$@"; }', body, "build") == shown(argv)
