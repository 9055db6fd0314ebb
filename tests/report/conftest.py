"""A small set whose texts try to become markup, with what a run and a store left of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from buildsys.diagnostics import Code, Diagnostic, Spot
from buildsys.report.facts import SetFacts, collect
from buildsys.report.page import report
from buildsys.testing import passed
from buildsys.testing.result import Case, Outcome
from tests.report import world

HOSTILE = '</script><img src=x onerror="document.title=1"><!--'
"""Ends what it stands in, and runs a script where a browser believes it."""
SET = {
    "set.yaml": """\
set: shop
namespace: test
prefix: ""
tag: "1"
format: oci
epoch: 1500000000
site: far
profiles:
  front: [web, "side-*"]
""",
    "sites/far.yaml": 'site: far\nbase: {image: "registry.example/base:1"}\ninstaller: dnf\n',
    "images/base.yaml": "image: base\nfrom: site\npackages: [tree]\n",
    "images/web.yaml": f"""\
image: web
from: base
steps:
  - copy: /srv/page
    from: side-door
    to: /srv/page
labels: {{note: '{HOSTILE}'}}
test:
  run: [[web, --version]]
""",
    "images/side-door.yaml": "image: side-door\nfrom: base\nsteps:\n  - touch: /srv/page\n",
    "images/shop.yaml": "image: shop\nfrom: web\ntest: {user: nobody}\n",
    "images/cart.yaml": "image: cart\nfrom: shop\n",
    "images/alone.yaml": "image: alone\nfrom: site\n",
}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """The folder of the set."""
    for name, text in SET.items():
        path = tmp_path / "recipes/shop" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "recipes/shop"


@pytest.fixture
def built(shop: Path, tmp_path: Path) -> SetFacts:
    """After a run: `shop` failed, `cart` is blocked, `alone` was not asked for. The test of `web` failed."""
    plan = tmp_path / "build/shop"
    image_set = world.planned(shop, plan)
    world.ran(
        plan,
        {
            "base": {"seconds": 4.0},
            "side-door": {"seconds": 2.0, "begin": world.BEGAN + 4},
            "web": {"seconds": 3.0, "begin": world.BEGAN + 6, "reason": f"recipe changed: {HOSTILE}"},
            "shop": {
                "begin": world.BEGAN + 9, "status": "failed", "seconds": 1.2, "image_id": "",
                "at": "images/shop.yaml:1:8",
            },
        },
    )  # fmt: skip
    # An earlier build of it did not fail.
    (plan / "state/shop.seconds").write_text("77.0\n")
    (plan / "logs/shop.log").write_text(
        f"install shop\n{HOSTILE}\nfetch https://me:secret@shop.example/\x1b[31m no\n"
    )
    mistake = Diagnostic(Spot("images/web.yaml", 9, 9), Code.WRONG_STATUS, f"ends with 1 {HOSTILE}", "look")
    case = Case("run web --version", 0.4, (mistake,))
    ids = {"web": world.identity("web")}
    passed.remember(plan, Outcome("image", "web", image_set.images["web"].test.hash, ids, (case,), 0.5))
    stored = world.stored(image_set)
    return world.with_packages(collect(image_set, plan, None, stored), 2)


@pytest.fixture
def page(built: SetFacts, tmp_path: Path) -> Path:
    """The report of it, as a file."""
    path = tmp_path / "shop.html"
    path.write_text(report(replace(built, notes=(f"packages are stand-ins {HOSTILE}",))))
    return path
