"""The report in a real Chromium: read, searched, sorted, clicked and driven by keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.report.browser import CHROMIUM, DRIVER, Browser, browser

pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver")


@pytest.fixture
def profile() -> Iterator[Path]:
    """An empty folder with a short path: Chromium's socket lies in it, and 108 bytes are the most for one."""
    with TemporaryDirectory(prefix="c-") as folder:
        yield Path(folder)


@pytest.fixture
def window(page: Path, profile: Path) -> Iterator[Browser]:
    """A window that shows the report; in the end nothing was refused or failed."""
    with browser(profile) as opened:
        opened.open(page)
        yield opened
        assert opened.complaints() == []


def hits(window: Browser) -> list[str]:
    names: list[str] = window.run(
        "return [...document.querySelectorAll('.n.hit')].map((node) => node.dataset.n).sort()"
    )
    return names


def test_a_person_finds_opens_sorts_and_closes(window: Browser) -> None:
    # Nothing of the recipes ran.
    assert window.run("return document.title") == "shop: report"
    assert window.seen("#graph .n") == 6
    assert not window.seen("#panel")

    window.press("/")
    window.press(*"s")
    assert hits(window) == ["base", "shop", "side-door"]
    assert window.text("#found") == "3 images"
    window.press("Escape")
    assert hits(window) == []
    window.press(*"@front")
    assert hits(window) == ["side-door", "web"]
    window.press("Escape", "Escape")

    window.click(".n[data-n=web]")
    assert window.text("#panel-name") == "web"
    assert "recipe changed: </script>" in window.text("#panel")
    kin = window.run("return [...document.querySelectorAll('.n.kin')].map((node) => node.dataset.n).sort()")
    assert kin == ["base", "cart", "shop", "side-door", "web"]
    window.press("Escape")
    assert not window.seen("#panel")
    assert window.run("return document.activeElement.dataset.n") == "web"

    window.press("Left", "Enter")
    assert window.text("#panel-name") == "base"
    window.click("#close")

    window.click("td[data-p=package-3]")
    assert window.run("return document.querySelector('#find').value") == "package:package-3"
    assert hits(window)

    first = "return document.querySelector('#image-rows tbody tr').cells[0].textContent"
    window.click("#image-rows th:nth-child(7) button")
    assert window.run(first) == "base"
    window.click("#image-rows th:nth-child(1) button")
    assert window.run(first) == "alone"
    window.run("document.querySelector('[data-filters=image-rows]').focus()")
    window.press(*"blocked")
    assert window.seen("#image-rows tbody tr") == 1

    background = "return getComputedStyle(document.body).backgroundColor"
    light = window.run(background)
    window.click("label[for=theme-dark]")
    assert window.run(background) != light
    fill = "return getComputedStyle(document.querySelector('.n[data-n=base] rect')).fill"
    by_state = window.run(fill)
    window.click("label[for=by-time]")
    assert window.run(fill) != by_state
    assert window.seen(".legend.of-time") == 1
    assert not window.seen(".legend.of-state")

    width = "return document.querySelector('#graph').getBoundingClientRect().width"
    before = window.run(width)
    window.click("#larger")
    assert window.run(width) == pytest.approx(before * 1.25, rel=0.02)


def test_without_script_all_is_there_to_read(page: Path, profile: Path) -> None:
    with browser(profile, script=False) as window:
        window.open(page, "#image-web")
        # The driver's own scripts run nevertheless.
        assert not window.run("return document.documentElement.classList.contains('scripted')")
        assert not window.seen(".script, #panel")
        assert window.seen("#graph .n") == 6
        assert window.seen("#image-web") == 1
        assert "recipe changed" in window.text("#image-web")
        assert window.run("return document.querySelector('details.image:has(#image-web)').open")
