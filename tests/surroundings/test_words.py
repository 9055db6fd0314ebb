"""The words of BS_STORE: the plan parts them as Python does."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ROOT

SPLIT = """\
. "$0/buildsys/plan/runtime/store.sh"
if split_words "$1"; then printf '%s\\0' "${#WORDS[@]}" "${WORDS[@]}"; else printf refused; fi
"""
TEXTS = st.text(alphabet="ab '\"\\ü$*\t\n`#", max_size=12)


def parted(text: str) -> list[str] | None:
    """What the plan makes of it; None: it is refused."""
    done = subprocess.run(
        ["bash", "-c", SPLIT, str(ROOT), text], check=True, capture_output=True, env={"LC_ALL": "C"}
    )
    if done.stdout == b"refused":
        return None
    count, *words = done.stdout.decode("utf-8").split("\0")
    return words[: int(count)]


def by_python(text: str) -> list[str] | None:
    try:
        return shlex.split(text)
    except ValueError:
        return None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("--root /a --runroot /b", ["--root", "/a", "--runroot", "/b"]),
        ("  --root\t'/a b'\n--runroot \"/c 'd\"", ["--root", "/a b", "--runroot", "/c 'd"]),
        (r'--root /a\ b --runroot="/$HOME/*"', ["--root", "/a b", "--runroot=/$HOME/*"]),
        ("--root '' x", ["--root", "", "x"]),
        ("--root '/a", None),
        ("--root /a\\", None),
    ],
)
def test_words(text: str, words: list[str] | None) -> None:
    assert parted(text) == by_python(text) == words


@given(text=TEXTS)
def test_words_are_those_of_python(text: str) -> None:
    assert parted(text) == by_python(text)
