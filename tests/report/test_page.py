"""The report as a file: what it says, and what it must not become."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from buildsys.report.facts import SetFacts, collect
from buildsys.report.page import duration, megabytes, picture, report
from tests.report import world
from tests.report.conftest import HOSTILE
from tests.report.pictures import GRAPH, LARGEST, REPORT, graph

TAGS = set(
    """
    a article aside b body br button circle code dd details div dl dt fieldset footer g h1 h2 h3 head
    header html i input kbd label legend li main meta nav output p path pre rect script section small
    span strong style summary svg symbol table tbody td text th thead title tr ul use
    """.split()
)
"""All that the templates use: an `img` or an `iframe` came from elsewhere."""


class Page(HTMLParser):
    """Tags, attributes, ids, links and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.ids: list[str] = []
        self.targets: set[str] = set()
        self.text = ""
        self.bodies: dict[str, str] = {}
        self.policy = ""
        self._inside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.tags.add(tag)
        self.attributes |= found.keys()
        if "id" in found:
            self.ids.append(found["id"])
        if "href" in found:
            self.targets.add(found["href"])
        if found.get("http-equiv") == "Content-Security-Policy":
            self.policy = found["content"]
        self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        inside = self._inside[-1] if self._inside else ""
        if inside in {"script", "style"}:
            self.bodies[inside] = self.bodies.get(inside, "") + data
        else:
            self.text += data


@pytest.fixture
def read(page: Path) -> Page:
    return Page(page.read_text())


def test_texts_of_recipes_logs_and_reasons_stay_texts(read: Page) -> None:
    assert read.tags <= TAGS
    assert not {name for name in read.attributes if name.startswith("on") or name == "style"}
    # In a label, a reason, a log, a mistake of a test, a note.
    assert read.text.count(HOSTILE) >= 5


def test_only_the_own_style_and_script_are_allowed(read: Page) -> None:
    for kind in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(read.bodies[kind].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}';" in read.policy
    assert read.policy.startswith("default-src 'none';")
    assert "unsafe" not in read.policy


def test_nothing_is_loaded_and_every_link_leads_to_a_place_of_the_page(read: Page) -> None:
    assert not {"src", "srcset", "data", "poster", "action", "formaction"} & read.attributes
    assert len(read.ids) == len(set(read.ids))
    assert {target.removeprefix("#") for target in read.targets} <= set(read.ids)
    assert all(target.startswith("#") for target in read.targets)


def test_passwords_and_control_characters_are_not_shown(page: Path) -> None:
    text = page.read_text()
    assert "secret" not in text
    assert "https://shop.example/" in text or "@shop.example/" in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    "words",
    [
        "6 \n",
        "1 failed, 1 blocked by that",
        "failed at images/shop.yaml:1:8 after 1.2 s",
        "base → side-door → web",
        "never built here",
        "registry.example/base:1",
        "package-3",
        "1:2.3.4-5.el7",
        "@front",
        "look",
        "30.0 MB",
    ],
)
def test_the_page_tells(read: Page, words: str) -> None:
    squeezed = re.sub(r"\s+", " ", read.text)
    assert re.sub(r"\s+", " ", words).strip() in squeezed


def test_each_image_has_its_state(built: SetFacts) -> None:
    assert {name: item.state for name, item in built.images.items()} == {
        "alone": "unbuilt",
        "base": "built",
        "side-door": "built",
        "web": "built",
        "shop": "failed",
        "cart": "blocked",
    }


def test_what_the_last_run_did_not_build_is_fresh_or_stale(shop: Path, tmp_path: Path) -> None:
    plan = tmp_path / "build/shop"
    image_set = world.planned(shop, plan)
    world.ran(plan, {"base": {}, "alone": {}, "side-door": {}})
    (plan / "events.jsonl").unlink()
    (plan / "lib/current.sh").write_text(f"echo base {world.identity('base')}\n")
    facts = collect(image_set, plan, None, None)
    states = {name: item.state for name, item in facts.images.items()}
    assert (states["base"], states["alone"], states["web"]) == ("fresh", "stale", "unbuilt")
    assert facts.run is None
    assert facts.last is None
    # How long a build took is known from an earlier run.
    assert facts.images["base"].seconds == 1.5


def test_a_run_that_built_nothing_shows_the_run_before_it(shop: Path, tmp_path: Path) -> None:
    plan = tmp_path / "build/shop"
    image_set = world.planned(shop, plan)
    world.ran(plan, {"base": {"reason": "never built here"}, "alone": {}})
    (plan / "events.jsonl").rename(plan / "events.1.jsonl")
    later = {"time": world.BEGAN + 60, "event": "run", "run": "2", "set": "shop", "goals": "all"}
    (plan / "events.jsonl").write_text(json.dumps(later) + "\n")
    facts = collect(image_set, plan, None, None)
    assert {name: item.state for name, item in facts.images.items()}["base"] == "fresh"
    text = Page(report(facts)).text
    assert "The last run built nothing. This is the run before it, of 2026-11-30 20:11 UTC." in text
    assert "never built here" in text


def test_a_test_is_outdated_when_its_image_is_another_one(
    built: SetFacts, shop: Path, tmp_path: Path
) -> None:
    found = built.images["web"].test
    assert found is not None
    assert found.state == "failed"
    plan = tmp_path / "build/shop"
    (plan / "lib/current.sh").write_text(f"echo web {'f' * 64}\n")
    facts = collect(world.planned(shop, plan), plan, None, None)
    tests = {name: item.test.state for name, item in facts.images.items() if item.test}
    assert tests == {"web": "outdated", "shop": "never"}


def test_a_set_that_was_never_built_says_so_in_each_section(shop: Path, tmp_path: Path) -> None:
    from buildsys.pipeline import Pipeline

    facts = collect(Pipeline(shop).resolve(), tmp_path / "build/shop", None, None)
    text = Page(report(facts)).text
    for words in (
        "not planned yet",
        "The set has no plan yet: buildsys build shop writes one",
        "No sizes: nothing is built yet.",
        "buildsys lock shop --site far",
        "2 images with tests that were not run yet",
    ):
        assert words in text
    assert {item.state for item in facts.images.values()} == {"unbuilt"}


def test_a_set_of_one_image_and_an_empty_one_have_a_report(built: SetFacts) -> None:
    base = replace(built.images["base"], packages=())
    one = replace(built, images={"base": base}, children={"base": ()}, run=None, sharing=None, locked=False)
    assert "base" in Page(report(one)).text
    assert "0" in Page(report(replace(one, images={}, children={}))).text


def test_the_same_facts_give_the_same_bytes(built: SetFacts) -> None:
    assert report(built) == report(built)


def test_a_report_of_108_images_is_at_most_a_megabyte(tmp_path: Path) -> None:
    facts = world.generated(tmp_path, 108)
    assert len(report(facts).encode()) <= 1_000_000


def test_sizes_and_times_are_for_people() -> None:
    assert [megabytes(size) for size in (0, 999, 4_300, 2_600_000, 279_000_000, 10_000_000_000)] == [
        "0 B", "999 B", "4 kB", "2.6 MB", "279 MB", "10.0 GB",
    ]  # fmt: skip
    assert [duration(seconds) for seconds in (0, 4.25, 83, 3600, 7512)] == [
        "0.0 s", "4.2 s", "1 min 23 s", "1 h 0 min", "2 h 5 min",
    ]  # fmt: skip


def test_a_picture_stands_by_itself_and_marks_what_is_only_copied_from() -> None:
    needs, parents = {"base": [], "tool": ["base"], "app": ["base", "tool"]}, {"tool": "base", "app": "base"}
    drawn = picture(f"a set {HOSTILE}", needs, parents)
    assert "<img" not in drawn
    assert drawn.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    assert "prefers-color-scheme: dark" in drawn
    assert drawn.count('<path class="copies"') == 1
    assert drawn == picture(f"a set {HOSTILE}", needs, parents)


def test_packages_are_inherited_and_not_copied(built: SetFacts) -> None:
    assert built.below("side-door") == frozenset()
    assert built.below("base") == {"side-door", "web", "shop", "cart"}


def test_pictures_of_the_documentation_are_those_of_today_and_small() -> None:
    assert GRAPH.read_text() == graph()
    assert max(GRAPH.stat().st_size, REPORT.stat().st_size) <= LARGEST
