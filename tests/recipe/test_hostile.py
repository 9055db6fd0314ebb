"""Whatever a file says, it is read or refused: never a traceback."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from buildsys.diagnostics import Refused
from buildsys.graph import ImageGraph
from buildsys.recipe.library import load_set
from buildsys.resolve import resolve

FRAGMENT: dict[str, Any] = {
    "uses": ["one", {"two": "x"}, {"two": {"a": "x", "b": ["/y"]}}],
    "accounts": {"nova": {"uid": 1, "gid": 1, "home": "/h", "shell": "/s", "groups": ["g"]}},
    "repositories": {"r": {"file": "/etc/yum.repos.d/r.repo", "options": {"name": "r"}}},
    "before": [{"touch": "/a"}, {"mkdir": ["/a", "/b"], "mode": "755", "owner": "a:"}],
    "packages": ["a", "{{ image }}"],
    "steps": [
        {"copy": "a.conf", "to": "/a"},
        {"copy": "/a", "from": "base", "to": "/b"},
        {"copy": "/a", "from": {"package": "p"}, "to": "/b"},
        {"copy": "/a", "to": "/b", "preserve": True, "optional": False},
        {"chmod": "/a", "mode": "{{ v }}", "recursive": True},
        {"replace": "a", "in": "/a", "with": "b"},
        {"append": ["a"], "in": "/a"},
        {"download": "https://example.org/a", "to": "/a", "sha256": "0" * 64},
        {"run": "true"},
    ],
    "user": "nova",
    "cmd": ["a"],
    "env": {"A": "b"},
    "labels": {"a": "{{ image }}-{{ v }}"},
    "healthcheck": {"command": ["a"], "interval": "1s", "retries": 1},
    "stop-signal": "SIGTERM",
    "volumes": ["/a"],
    "ports": ["80/tcp"],
    "workdir": "/",
}
WHOLE: dict[str, Any] = {
    "set.yaml": {
        "set": "demo", "registry": "localhost", "namespace": "n", "prefix": "p-", "tag": "t",
        "format": "docker",
        "epoch": 1, "site": "here", "variables": {"v": "755", "w": {"default": 1, "choices": [1, 2]}},
        "common": {"labels": {"name": "{{ image }}"}}, "profiles": {"all": ["base", "a*"], "more": ["all"]},
    },
    "images/base.yaml": {"image": "base", "from": "site"},
    "images/app.yaml": {"image": "app", "from": "base", "profiles": ["all"], **FRAGMENT},
    "traits/one.yaml": {"trait": "one", "packages": ["one"]},
    "traits/two.yaml": {
        "trait": "two", "parameters": {"a": None, "b": "/{{ a }}"}, "uses": [{"one": {}}],
        "steps": [{"mkdir": "/{{ a }}"}, {"chmod": "{{ b }}", "mode": "755"}],
    },
    "sites/here.yaml": {
        "site": "here", "about": "a", "base": {"bootstrap": ["bash"]}, "installer": "dnf", "inside": False,
        "epoch": 2, "release": "7",
        "repositories": {"r": {"url": "https://example.org/r", "gpgcheck": False}},
        "left-out": {"s": "t", "u": {"because": "v", "packages": ["z"]}}, "gems": "files",
        "downloads": {"https://example.org/a": {"unverified": True}},
        "variables": {"x": "y"}, "labels": {"a": "b"},
    },
    "../over.yaml": {
        "overlay": "over", "variables": {"v": "700"}, "common": {"env": {"O": "o"}},
        "images": {
            "app": {
                "from": "base", "uses": {"remove": ["one"], "append": ["one"]}, "packages": {"append": ["z"]},
                "steps": {"prepend": [{"run": ["a"]}], "append": []}, "labels": {"a": None}, "user": None,
                "accounts": {"nova": None}, "ports": {"remove": ["80/tcp"], "append": ["81"]}, "cmd": ["x"],
            }
        },
        "sites": {
            "here": {
                "repositories": {"s": {"url": "https://example.org/s", "gpgcheck": False}}, "gems": "files",
                "downloads": {"https://example.org/b": {"unverified": True}},
            }
        },
        "recipes": [{"image": "extra", "from": "app", "uses": ["one"]}],
    },
}  # fmt: skip

Place = tuple[str | int, ...]


def places(data: Any, path: Place = ()) -> list[Place]:
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(place for key, value in items for place in places(value, (*path, key)))]


PLACES = [place for place in places(WHOLE) if len(place) > 1]
JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2**33), st.just(10**18), st.just([]), st.just({}),
    st.just([[]]),
    st.text("a/.{}%:-_ \n\\*é0", max_size=8), st.sampled_from(
        ["{{ nobody }}", "{{ v }}", "{{ w }}", "{{ image }}", "{{ 'x' * 9 }}", "site", "app", "two",
         "one", "..", "~", "<copy>",
         "/../x", "https://x/y", "{{ stand_ins }}/x", "here", "a" * 300]),
    st.dictionaries(st.sampled_from(["copy", "to", "from", "run", "image", "append", "a", ""]), st.just("x")),
    st.sampled_from(list(FRAGMENT.values())),
)  # fmt: skip


def told(whole: dict[str, Any]) -> str:
    """What is said about a set: nothing when it is right."""
    with TemporaryDirectory() as folder:
        top = Path(folder, "demo")
        for name, data in whole.items():
            path = top / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(data), "utf-8")
        (top / "files").mkdir()
        (top / "files/a.conf").touch()
        try:
            image_set = resolve(
                load_set(top, [top.parent / "over.yaml"]), site=None, variables={"w": "2"}, stand_ins=None
            )
        except Refused as refused:
            return refused.text()
        ImageGraph(image_set.images, image_set.profiles).order()
        return ""


def test_it_begins_with_a_set_that_is_right() -> None:
    assert told(WHOLE) == ""


@settings(max_examples=400)
@given(st.lists(st.tuples(st.sampled_from(PLACES), JUNK), min_size=1, max_size=3))
def test_junk_anywhere_is_read_or_refused(changes: list[tuple[Place, Any]]) -> None:
    whole = copy.deepcopy(WHOLE)
    for place, junk in changes:
        put(whole, place, copy.deepcopy(junk))
    assert "Traceback" not in told(whole)


@settings(max_examples=200)
@given(st.sampled_from(PLACES), st.sampled_from(PLACES))
def test_values_in_the_wrong_place_are_read_or_refused(place: Place, other: Place) -> None:
    whole = copy.deepcopy(WHOLE)
    value: Any = copy.deepcopy(WHOLE)
    for step in other:
        value = value[step]
    put(whole, place, value)
    assert "Traceback" not in told(whole)


@settings(max_examples=200)
@given(
    st.sampled_from([place for place in PLACES if isinstance(place[-1], str) and len(place) > 1]),
    st.text("ab-_<>{} ", max_size=5),
)
def test_keys_of_other_names_are_read_or_refused(place: Place, name: str) -> None:
    whole = copy.deepcopy(WHOLE)
    holder: Any = whole
    for step in place[:-1]:
        holder = holder[step]
    holder[name] = holder.pop(place[-1])
    assert "Traceback" not in told(whole)


def put(data: Any, place: Place, value: Any) -> None:
    """Put a value at a place, unless an earlier change took the place away."""
    for step in place[:-1]:
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            return
    if isinstance(data, dict) or (isinstance(data, list) and place[-1] in range(len(data))):
        data[place[-1]] = value  # type: ignore[index]
