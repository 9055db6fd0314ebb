from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildsys.diagnostics import Refused, Spot
from buildsys.recipe.document import DEEPEST, Written, parse, read, read_foreign

# What means something to YAML, and characters of one to four bytes.
TEXT = st.text(" abcNy0123.+-~?:,#&*!|>%@`'\"\\/{}[]<=_é名𐀀", max_size=12)
SCALAR = st.none() | st.booleans() | st.integers(-(10**15), 10**15) | TEXT
DATA = st.recursive(SCALAR, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=8)


def as_json(data: object, indent: int | None = None) -> str:
    return json.dumps(data, indent=indent, ensure_ascii=False)


def places(data: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(place for key, value in items for place in places(value, (*path, key)))]


def value_at(data: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        data = data[step]
    return data


def line_from(text: str, spot: Spot) -> str:
    # libyaml counts every line break Unicode knows, as YAML 1.1 does.
    return text.splitlines()[spot.line - 1][spot.column - 1 :]


@given(st.dictionaries(TEXT, DATA, min_size=1))
def test_what_json_says_is_read_as_it_is(data: dict[str, Any]) -> None:
    assert parse(as_json(data), "x.yaml").data == data


@given(st.dictionaries(TEXT, DATA, min_size=1))
def test_every_value_and_key_knows_where_it_stands(data: dict[str, Any]) -> None:
    text = as_json(data, 1)
    written = parse(text, "x.yaml")
    for path in places(data):
        value = value_at(data, path)
        begin = "{" if isinstance(value, dict) else "[" if isinstance(value, list) else as_json(value)
        assert line_from(text, written.spot(*path)).startswith(begin)
        if path and isinstance(path[-1], str):
            assert line_from(text, written.key_spot(*path)).startswith(as_json(path[-1]))


def test_columns_count_characters_not_bytes() -> None:
    assert parse("{é: ü, 名: x}", "x.yaml").spot("名") == Spot("x.yaml", 1, 11)


def test_what_is_not_there_is_where_its_holder_is() -> None:
    written = parse("a:\n  b: [c]\n", "x.yaml")
    assert written.spot("a", "z") == Spot("x.yaml", 2, 3)
    assert written.spot("a", "b", 0, "deep") == Spot("x.yaml", 2, 7)
    assert written.key_spot("a", "z") == Spot("x.yaml", 2, 3)


def test_a_part_keeps_its_places() -> None:
    part = parse("a:\n  b: [c, '{{ d }}']\n", "x.yaml").part("a", "b")
    assert (part.data, part.spot(1), part.templated) == (["c", "{{ d }}"], Spot("x.yaml", 2, 10), True)
    assert not parse("a: [b]\nc: '{{ d }}'", "x.yaml").part("a").templated


@pytest.mark.parametrize(
    ("plain", "value"),
    [("1517443200", 1517443200), ("-1", -1), ("0", 0), ("true", True), ("false", False), ("~", None), ("",
     None),
     ("null", None), ("5.0.5", "5.0.5"), ("10.0.0.1", "10.0.0.1"), ("5.0.5.dev", "5.0.5.dev"), ("-x", "-x"),
     ("+x", "+x"), (".hidden", ".hidden"), ("..", ".."), ("a+rx", "a+rx"), ("30s", "30s"), ("7.x", "7.x"),
     ("0b", "0b"), ("1e", "1e"), ("y", "y"), ("/etc", "/etc"), ("^Listen 80", "^Listen 80"), ("-", "-")],
)  # fmt: skip
def test_plain_scalars(plain: str, value: object) -> None:
    text = f"[{plain}]" if plain not in {"", "-"} else f"- {plain}\n" if not plain else "- '-'"
    assert parse(text, "x.yaml").data == [value]


@pytest.mark.parametrize(
    "plain",
    ["1.10", "0755", "yes", "No", "ON", "off", "True", "FALSE", "Null", "2017-08-29",
     "2001-12-14t21:59:43.10-05:00",
     "0x1F", "0o17", "0b11", "1_000", "1e3", "1.5e3", ".5", "-.5", "5.", "22:22", "190:20:30.5", ".inf",
     "-.INF",
     ".nan", "+12", "-0", "00", "99999999999999999999"],
)  # fmt: skip
def test_what_yaml_readers_disagree_about_is_refused(plain: str) -> None:
    with pytest.raises(Refused) as refused:
        parse(f"a: {plain}", "x.yaml")
    (mistake,) = refused.value.diagnostics
    assert (mistake.code, mistake.spot) == ("ambiguous-text", Spot("x.yaml", 1, 4))
    assert f'"{plain}"' in mistake.hint
    assert parse(f"a: '{plain}'", "x.yaml").data == {"a": plain}


def test_all_mistakes_of_a_file_are_told() -> None:
    with pytest.raises(Refused) as refused:
        parse("a: 1.10\na: 2\nb: !x c\nd: &e f\n", "x.yaml")
    assert [item.code for item in refused.value.diagnostics] == [
        "ambiguous-text", "duplicate-key", "yaml-tag", "yaml-alias"
    ]  # fmt: skip


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: b\n")
    assert read(file).data == {"a": "b"}


def test_the_deepest_that_is_read() -> None:
    assert parse("[" * DEEPEST + "]" * DEEPEST, "x.yaml").data
    with pytest.raises(Refused, match="deep-nesting"):
        parse("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), "x.yaml")


@pytest.mark.parametrize(
    "bomb", ["[" * 500_000, "{a: " * 200_000, "- " * 400_000, "&a " * 10, "? " * 300_000]
)
def test_bombs_are_refused_at_once(bomb: str) -> None:
    with pytest.raises(Refused):
        parse(bomb, "x.yaml")


def refused_at(read: Callable[[], Written]) -> set[str]:
    """The files in which reading found mistakes; none when it went well."""
    try:
        read()
    except Refused as refused:
        return {item.spot.file for item in refused.diagnostics}
    return set()


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    assert refused_at(lambda: parse(text, "x.yaml")) <= {"x.yaml"}


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    # One test runs many examples, so each makes its own file.
    with TemporaryDirectory() as folder:
        file = Path(folder, "x.yaml")
        file.write_bytes(raw)
        assert refused_at(lambda: read(file)) <= {str(file)}


def test_files_of_other_systems_mean_what_their_readers_read(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("a: True\nb: no\nc: 1.10\nd: 0755\ne: 2017-08-29\nyes: {on: 3}\n8: x\n")
    written = read_foreign(file)
    assert written.data == {
        "a": True, "b": False, "c": "1.10", "d": "0755", "e": "2017-08-29", "yes": {"on": 3}, "8": "x",
    }  # fmt: skip
    assert written.key_spot("yes", "on") == Spot(str(file), 6, 7)


def test_aliases_of_other_systems_stand_for_their_values(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(
        "a: &x [1, &y {b: c, d: e}]\nf: *x\ng: {<<: *y, d: mine, h: &x 2}\ni: [*x]\n"
        "j: {k: 1, <<: [{l: 3}, *y, {l: 4, b: 5}]}\n"
    )
    written = read_foreign(file)
    pair = {"b": "c", "d": "e"}
    assert written.data == {
        "a": [1, pair], "f": [1, pair], "g": {"d": "mine", "h": 2, "b": "c"}, "i": [2],
        "j": {"k": 1, "l": 3, **pair},
    }  # fmt: skip
    assert list(written.data["j"]) == ["k", "l", "b", "d"]
    assert written.key_spot("g", "b") == written.key_spot("f", 1, "b") == Spot(str(file), 1, 15)
    assert written.part("f", 1).spot("d") == Spot(str(file), 1, 24)


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("a: *x\nb: &x 1\n", (1, 4), "nothing that ends before this line has the anchor &x"),
        ("a: &x [*x]\n", (1, 8), "nothing that ends before this line has the anchor &x"),
        ("a: {<<: 1}\n", (1, 5), "'<<' merges maps only"),
        ("a: {<<: [{b: 1}, 2]}\n", (1, 5), "'<<' merges maps only"),
        (
            "a0: &a0 [x, x, x, x]\n"
            + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30)),
            (6, 10),
            "aliases repeat more than 100000 values",
        ),
        (
            "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 60)),
            (40, 12),
            f"more than {DEEPEST} collections stand in one another",
        ),
    ],
    ids=["later", "within itself", "not a map", "not only maps", "a bomb", "deep"],
)
def test_aliases_of_other_systems_that_cannot_be_taken(
    text: str, place: tuple[int, int], said: str, tmp_path: Path
) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(text)
    with pytest.raises(Refused) as refused:
        read_foreign(file)
    (found,) = refused.value.diagnostics
    assert (found.message, found.spot) == (said, Spot(str(file), *place))
