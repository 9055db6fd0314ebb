"""Here-documents: found as builders find them, and said without them, line by line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildsys.recipe.containerfile import Containerfile
from buildsys.recipe.containerfile_reader import read_containerfile
from buildsys.recipe.heredocs import Unfilled, filled, marks, written_over


def read(tmp_path: Path, text: str) -> Containerfile:
    (tmp_path / "Containerfile").write_text(text)
    return read_containerfile(tmp_path / "Containerfile")


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("<<EOF", ["EOF"]), ("cat <<-'A' >/x && cat <<\"B\"", ["A", "B"]), ("3<<E-1 cat /dev/fd/3", ["E-1"]),
        ("echo '<<EOF'", []), ('echo "a <<EOF"', []), ("echo \\<<EOF", []), ("cat <<<word", []),
        ("echo $((1<<2))", []), ("echo $((1 << x))", []), ('["cat", "<<EOF"]', []), ("(cat <<A)", ["A"]),
    ],
)  # fmt: skip
def test_where_one_is_announced(value: str, names: list[str]) -> None:
    assert [mark.name for mark in marks(value)] == names


def test_lines_keep_their_numbers(tmp_path: Path) -> None:
    text = (
        "# escape=`\nFROM a\nRUN --mount=from=b,target=/m `\n\n  # a comment\n  <<A\n\n# b\nA\n"
        "COPY <<A /x\nFROM c\nA\nUSER 1\n"
    )
    found = read(tmp_path, text)
    assert [(item.word, item.lines) for item in found.instructions] == [
        ("FROM", (2, 2)), ("RUN", (3, 6)), ("COPY", (10, 10)), ("USER", (13, 13)),
    ]  # fmt: skip
    assert [item.name for item in found.reads] == ["a", "b"]
    assert found.text == text
    assert found.plain.splitlines()[5:] == [
        '  ["/bin/sh", "-c", "`', "\\n`", "\\u0023 b\\n`", '"]',
        "COPY --from=here/documents 1/A /x", "#", "#", "USER 1",
    ]  # fmt: skip


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(1, 9))
def test_words_over_lines_are_the_same_words(text: str, count: int) -> None:
    lines = written_over(["/bin/sh", "-c", text], count, "\\")
    assert len(lines) == count
    joined = ""
    for line in lines:
        assert "\n" not in line
        if line.startswith("#"):
            continue
        assert not joined or line[:1] not in {" ", "\t"}
        joined += line.removesuffix("\\") if line != lines[-1] or count > 1 else line
    assert json.loads(joined) == ["/bin/sh", "-c", text]


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("$A-${A}", "1-1"), ("'$A' \"$A\"", "'1' \"1\""), ("\\$A \\n", "\\$A \\n"),
        ("$(A) $ $/", "$(A) $ $/"),
        ("${A:-x} ${N:-x} ${E:-x} ${E-x}", "1 x x "), ("${A:+x} ${E:+x} ${N+x}", "x  "),
    ],
)  # fmt: skip
def test_variables_in_the_text_of_a_file(text: str, made: str) -> None:
    known: Mapping[str, str | None] = {"A": "1", "E": "", "U": None}
    assert filled(text, known) == made


@pytest.mark.parametrize("text", ["\n$N", "\n${N}", "\n$1", "\n$@", "\n${#A}", "\n$U", "\n${U:-x}"])
def test_values_that_only_a_builder_knows(text: str) -> None:
    with pytest.raises(Unfilled) as unknown:
        filled(text, {"A": "1", "U": None})
    assert unknown.value.line == 1


def test_what_gives_variables_their_values(tmp_path: Path) -> None:
    text = (
        "ARG G=g\nFROM a AS x\nARG G\nARG V=v$G\nENV E='$V' F=\"$V\" G2=$G\nENV old $V w\nFROM x\nARG L=$E\n"
        "COPY <<A /b\n$E $F $G2 $old $L\nA\n"
    )
    (file,) = read(tmp_path, text).documents
    assert file.text == "$V vg g vg w $V\n"
