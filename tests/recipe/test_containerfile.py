"""Containerfiles as they are read: instructions, what they read, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildsys.diagnostics import Refused
from buildsys.recipe.containerfile import Containerfile
from buildsys.recipe.containerfile_reader import read_containerfile
from buildsys.recipe.plain_text import SCRATCH


def read(tmp_path: Path, text: str, **arguments: str) -> Containerfile:
    path = tmp_path / "Containerfile"
    path.write_text(text)
    return read_containerfile(path, arguments)


def names(found: Containerfile) -> list[str]:
    return [item.name for item in found.reads]


def test_instructions_and_their_lines(tmp_path: Path) -> None:
    found = read(tmp_path, '# one\n\nfrom base\nRUN a \\\n  # between\n  && b\n CMD ["c"]\n')
    assert [(item.word, item.lines) for item in found.instructions] == [
        ("FROM", (3, 3)), ("RUN", (4, 6)), ("CMD", (7, 7)),
    ]  # fmt: skip
    assert found.instructions[1].value == "a   && b"
    assert str(found.instructions[2].spot).endswith("Containerfile:7:2")
    assert found.text == '# one\n\nfrom base\nRUN a \\\n  # between\n  && b\n CMD ["c"]\n'


def test_an_empty_line_does_not_end_an_instruction(tmp_path: Path) -> None:
    found = read(tmp_path, "FROM base\n# not \\\n\nRUN a \\\n\n  \n && b\nRUN c\n")
    assert [(item.word, item.lines) for item in found.instructions] == [
        ("FROM", (1, 1)), ("RUN", (4, 7)), ("RUN", (8, 8)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "parent", "reads"),
    [
        ("FROM base\n", "base", ["base"]),
        ("FROM scratch\nCOPY a /\n", SCRATCH, []),
        ("FROM --platform=linux/amd64 a.b:5000/c@sha256:00 AS x\n", "a.b:5000/c@sha256:00",
         ["a.b:5000/c@sha256:00"]),
        ("FROM tools AS build\nFROM base\nCOPY --from=build --chown=1 /a /b\n", "base", ["base", "tools"]),
        ("FROM base AS One\nFROM one AS two\nFROM TWO\nCOPY --from=0 a b\n", "base", ["base"]),
        ("FROM base\nCOPY --chmod=755 --from=other /a /b\nRUN --mount=type=bind,from=third,target=/m true\n",
         "base", ["base", "other", "third"]),
        ("FROM scratch AS base\nFROM base\n", SCRATCH, []),
        (('FROM base AS a\nFROM base\nCOPY --from="a" a b\nCOPY --from="b" a b\n'
         'RUN --mount="from=c,target=/m" true\n'),
         "base", ["base", "b", "c"]),
        ("FROM base\nRUN a\nFROM 0\nFROM 1\n", "base", ["base"]),
        ("FROM base\nFROM 1\n", "1", ["1", "base"]),
        # A stage's name counts only behind it.
        ("FROM base AS base\nFROM base\n", "base", ["base"]),
        ("FROM base\nRUN echo --from=nobody\n", "base", ["base"]),
    ],
)  # fmt: skip
def test_what_is_read(tmp_path: Path, text: str, parent: str, reads: list[str]) -> None:
    found = read(tmp_path, text)
    assert found.parent.name == parent
    assert names(found) == reads


def test_variables_of_from(tmp_path: Path) -> None:
    text = (
        'ARG NAME=base TAG="1"\nARG ALL=${NAME}:$TAG\nFROM ${ALL} AS one\nARG LATER\n'
        "FROM ${WHAT:-other}:${TAG:+x}\n"
    )
    found = read(tmp_path, text)
    assert names(found) == ["other:x", "base:1"]
    assert found.text.splitlines()[2] == "FROM base:1 AS one"
    assert found.text.splitlines()[4] == "FROM other:x"
    assert found.arguments == ("NAME", "TAG", "ALL", "LATER")
    assert names(read(tmp_path, text, NAME="mine", TAG="2")) == ["other:x", "mine:2"]


def test_each_place_at_which_an_image_is_named(tmp_path: Path) -> None:
    text = (
        "from m\nFROM --platform=l/m \\\n  l/m\\\n AS x\n"
        "RUN --mount=target=/from=l/m,from=l/m --mount=from=l/mm,target=/a"
        " --mount=target=/b,from=l/m true from=l/m\n"
    )
    places = {item.name: item.places for item in read(tmp_path, text).reads}
    assert places == {"m": ((1, 6),), "l/m": ((3, 3), (5, 35), (5, 90)), "l/mm": ((5, 52),)}


def test_a_comment_names_nothing(tmp_path: Path) -> None:
    text = "ARG TAG=1\nFROM \\\n  # base:${TAG}\n  base:${TAG}\nCOPY \\\n# --from=tool\n  --from=tool a b\n"
    found = read(tmp_path, text)
    assert found.text == text.replace("  base:${TAG}", "  base:1")
    assert {item.name: item.places for item in found.reads} == {"base:1": ((4, 3),), "tool": ((7, 10),)}


def test_variables_that_from_does_not_know(tmp_path: Path) -> None:
    text = "ARG VERSION\nFROM a:${VERSION}\nARG LATER=1\nFROM b:$LATER\n"
    with pytest.raises(Refused) as refused:
        read(tmp_path, text)
    assert [item.hint for item in refused.value.diagnostics] == [
        "give it one: ARG VERSION=VALUE before the first FROM, or args: in the recipe",
        "FROM knows what ARG says before the first FROM: ARG LATER=VALUE",
    ]


def test_signs_that_begin_and_part_lines(tmp_path: Path) -> None:
    found = read(tmp_path, '\ufeffARG V=1\r\n# a\fb\u2028c\r\nFROM "quay.io/a":${V}\r\nRUN b \\\r\n  c\r\n')
    assert names(found) == ["quay.io/a:1"]
    assert [(item.word, item.lines) for item in found.instructions] == [
        ("ARG", (1, 1)), ("FROM", (3, 3)), ("RUN", (4, 5)),
    ]  # fmt: skip
    assert found.text.split("\r\n")[2] == "FROM quay.io/a:1"


def test_the_health_check_of_the_last_stage(tmp_path: Path) -> None:
    assert read(tmp_path, "FROM a AS b\nHEALTHCHECK CMD c\nFROM d\n").healthcheck is None
    assert read(tmp_path, "FROM a\nHEALTHCHECK CMD c\nHEALTHCHECK none\n").healthcheck is None
    found = read(tmp_path, "FROM a\nHEALTHCHECK CMD c\n").healthcheck
    assert found is not None
    assert found.line == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("FROM a\nRUNN b\n", "2:1 syntax: 'RUNN' is not an instruction"),
        ("FROM a\n RUN\n", "2:2 syntax: 'RUN' has nothing behind it"),
        ("FROM a\nRUN b \\\n", "2:1 syntax: the file ends in the middle of 'RUN'"),
        ("FROM a\nRUN", "2:1 syntax: the file ends in the middle of 'RUN'"),
        ("FROM a\nRUN cat <<END\nb\nEN\n", "2:9 syntax: this here-document has no end: no line is 'END'"),
        (
            "FROM a\nCOPY <<E b /c/\nE\n",
            "2:1 syntax: here-documents and other files in one instruction are not understood",
        ),
        ("FROM a\nCOPY <<E /c\n\n$X\nE\n", "4:1 argument: the variable 'X' has no value here"),
        ("FROM a\nENV X=$Y/b\nCOPY <<E /c\n${X}\nE\n", "4:1 argument: the variable 'X' has no value here"),
        ("FROM a as\n", "1:1 syntax: 'a as' is not understood"),
        (
            "ARG A=1\nFROM quay.io/\\\nacme/app:${A}\n",
            "2:1 syntax: 'quay.io/acme/app:${A}' does not stand in one piece",
        ),
        ("FROM a\nCOPY --from=b/\\\nc d e\n", "2:1 syntax: 'b/c' does not stand in one piece"),
        ("ARG 'a\nFROM b\n", "1:1 syntax: a quotation mark has no partner"),
        ("# nothing\n", "1:1 from: this file has no FROM"),
        ("RUN a\nFROM b\n", "1:1 from: RUN stands before the first FROM"),
        ("FROM a\nCOPY --from=1 b c\n", "2:13 from: there is no stage 1 before this one"),
        ("FROM a AS b\nCOPY --from=b c d\n", "2:13 from: the stage 'b' cannot copy from itself"),
        ("FROM a\nCOPY --from=$B c d\n", "2:13 from: '$B' names no image"),
        ("ARG TAG\nFROM a:${TAG}\n", "2:8 argument: the variable 'TAG' has no value here"),
        ("FROM \\\n  a:$TAG\n", "2:5 argument: the variable 'TAG' has no value here"),
        ("ARG TAG=\nFROM ${TAG}\n", "2:6 argument: '${TAG}' comes to nothing"),
    ],
)
def test_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(Refused) as refused:
        read(tmp_path, text)
    (mistake,) = refused.value.diagnostics
    code = mistake.code.removeprefix("containerfile-")
    assert f"{mistake.spot.line}:{mistake.spot.column} {code}: {mistake.message}" == said


@pytest.mark.parametrize("text", ["FROM a\nRUN b\0c\n", "FROM a\n# \0\n", "FROM a\nRUN <<E\n \0\nE\n"])
def test_a_nul_has_its_place(tmp_path: Path, text: str) -> None:
    with pytest.raises(Refused) as refused:
        read(tmp_path, text)
    (mistake,) = refused.value.diagnostics
    line = text[: text.index("\0")].count("\n") + 1
    column = len(text[: text.index("\0")].rpartition("\n")[2]) + 1
    assert (mistake.code, mistake.spot.line, mistake.spot.column) == ("nul-character", line, column)


@pytest.mark.parametrize("text", [f"VOLUME {'[' * 20_000}\n", f"CMD {'[' * 20_000}\n"])
def test_an_array_of_arrays_is_text(tmp_path: Path, text: str) -> None:
    assert names(read(tmp_path, f"FROM a\n{text}")) == ["a"]


@pytest.mark.parametrize(
    "text",
    [
        f"FROM a\nCOPY --from={'1' * 5000} /a /b\n",
        'FROM a\nCOPY <<".." /x/\nhello\n..\n',
        'FROM a\nCOPY <<"." /x/\nhello\n.\n',
    ],
    ids=["a long number", "two dots", "a dot"],
)
def test_names_that_are_none_have_their_place(tmp_path: Path, text: str) -> None:
    with pytest.raises(Refused) as refused:
        read(tmp_path, text)
    assert {item.spot.line for item in refused.value.diagnostics} == {2}
