"""What `test:` and scenarios come to: merged, filled in, compiled; and that no image depends on them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from buildsys.diagnostics import Spot
from buildsys.image import ImageSet
from buildsys.plan.compile import Plan, compile_plan
from buildsys.plan.write import write_plan
from buildsys.recipe.library import load_set
from buildsys.resolve import resolve
from buildsys.testing.spec import CLOSE, OPEN, ImageTest, read_hashes, read_scenarios, read_tests

WriteSet = Callable[[Mapping[str, str]], Path]


def resolved(folder: Path, *overlays: Path) -> ImageSet:
    return resolve(load_set(folder, overlays), site=None, variables={}, stand_ins=None)


def spots(value: Any) -> list[Spot | Mapping[str, Spot]]:
    """Every spot of a test or a scenario, in order; they do not count when two are compared."""
    if isinstance(value, tuple):
        return [spot for item in value for spot in spots(item)]
    if not is_dataclass(value):
        return []
    inner = [(item.name, getattr(value, item.name)) for item in fields(value)]
    return [spot for name, item in inner for spot in ([item] if name in {"spot", "spots"} else spots(item))]


def compiled(folder: Path) -> Plan:
    return compile_plan(resolved(folder))


# ── test: ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_fragments_demand_grows_and_of_what_there_is_one_the_last_counts(write_set: WriteSet) -> None:
    folder = write_set({
        "set.yaml": "set: demo\nnamespace: example\ntag: latest\nepoch: 1\n"
        "common: {test: {run: ['true'], user: common, size: 1 kB, setuid: [/a]}}\n",
        "traits/web.yaml": "trait: web\nparameters: {port: }\ntest:\n  size: 1KiB\n  setuid: [/b, /a]\n"
        "  service: {env: {A: trait, B: trait}, port: '{{ port }}', cmd: [x], within: 5s}\n",
        "images/base.yaml": "image: base\nfrom: site\nuses: [{web: 80}]\ntest:\n"
        "  run: [[own]]\n  user: own\n  service: {env: {A: own}, port: [81, 82], healthy: true}\n",
    })  # fmt: skip
    test = resolved(folder).images["base"].test
    assert [run.argv for run in test.runs] == [("/bin/sh", "-ec", "true"), ("own",)]
    assert (test.user, test.size, test.setuid) == ("own", 1024, ("/a", "/b"))
    service = test.service
    assert service is not None
    assert (service.env, service.cmd, service.healthy) == ({"A": "own", "B": "trait"}, ("x",), True)
    assert ([port.number for port in service.ports], service.within) == ([80, 81, 82], 5.0)
    assert test.spots["user"] == Spot(f"{folder}/images/base.yaml", 6, 9)
    assert test.spots["size"] == Spot(f"{folder}/traits/web.yaml", 4, 9)


def test_what_is_left_out(write_set: WriteSet) -> None:
    folder = write_set(
        {"images/base.yaml": "image: base\nfrom: site\ntest: {run: [[a]], service: {http: {port: 80}}}\n"}
    )
    test = resolved(folder).images["base"].test
    (run,) = test.runs
    assert (run.user, run.env, run.statuses, run.output, run.timeout) == ("", {}, (0,), "", 60.0)
    assert (test.user, test.size, test.setuid) == ("", 0, None)
    assert test.service is not None
    (http,) = test.service.requests
    assert (http.path, http.method, http.statuses, http.headers, http.body) == ("/", "GET", (200,), {}, "")
    assert (test.service.within, test.service.healthy, test.service.cmd) == (60.0, False, None)


@pytest.mark.parametrize(
    ("text", "size"), [("900MB", 900 * 10**6), ("1.5 GiB", 3 * 2**29), ("2kB", 2000), ("1MiB", 2**20)]
)
def test_sizes(write_set: WriteSet, text: str, size: int) -> None:
    folder = write_set({"images/base.yaml": f"image: base\nfrom: site\ntest: {{size: {text}}}\n"})
    assert resolved(folder).images["base"].test.size == size


def test_an_image_may_hold_what_its_parents_may(write_set: WriteSet) -> None:
    folder = write_set({
        "images/base.yaml": "image: base\nfrom: site\ntest: {setuid: [/su]}\n",
        "images/child.yaml": "image: child\nfrom: base\n",
        "images/grandchild.yaml": "image: grandchild\nfrom: child\ntest: {setuid: [/sudo]}\n",
        "images/beside.yaml": "image: beside\nfrom: site\n",
    })  # fmt: skip
    images = resolved(folder).images
    allowed = {name: item.test.setuid for name, item in images.items()}
    assert allowed == {"base": ("/su",), "child": ("/su",), "grandchild": ("/su", "/sudo"), "beside": None}
    assert images["child"].test.spots["setuid"] == Spot(f"{folder}/images/base.yaml", 3, 16)


def test_a_line_of_parents_may_be_long(write_set: WriteSet) -> None:
    chain = {f"images/i{n}.yaml": f"image: i{n}\nfrom: {f'i{n - 1}' if n else 'base'}\n" for n in range(120)}
    base = "image: base\nfrom: site\ntest: {setuid: [/su]}\n"
    images = resolved(write_set({**chain, "images/base.yaml": base})).images
    assert {item.test.setuid for item in images.values()} == {("/su",)}


def test_an_overlay_adds_to_a_test_and_takes_it_away(write_set: WriteSet, tmp_path: Path) -> None:
    folder = write_set({
        "images/base.yaml": "image: base\nfrom: site\ntest: {run: [[a]], size: 1GB}\n",
        "images/child.yaml": "image: child\nfrom: base\ntest: {user: x}\n",
    })  # fmt: skip
    overlay = tmp_path / "more.yaml"
    overlay.write_text(
        "overlay: more\nimages:\n  base: {test: {run: [[b]], size: 2GB}}\n  child: {test: ~}\n"
    )
    images = resolved(folder, overlay).images
    assert [run.argv for run in images["base"].test.runs] == [("a",), ("b",)]
    assert images["base"].test.size == 2 * 10**9
    assert images["child"].test == ImageTest()


# ── scenarios ───────────────────────────────────────────────────────────────────────────────────────────────

SCENARIO = """\
scenario: both
secrets: [word]
files: {conf/a: "{{ word }} {{ colour }}"}
containers:
  base: {env: {W: "<{{ word }}>"}, mounts: {/conf: conf}, first: [[a]], then: [b], healthcheck: c d}
steps:
  - {in: base, run: [issue], capture: {token: x}}
  - {http: {port: 80, headers: {T: "{{ token }}"}, json: {a.0: "{{ token }}"}}, retry: 1m}
checks:
  - {in: base, run: [d, "{{ token }}"], output: "^{{ token }}$"}
"""
COLOUR = "set: demo\nnamespace: example\ntag: latest\nepoch: 1\nvariables: {colour: red}\n"


def test_a_scenario_filled_in(write_set: WriteSet) -> None:
    folder = write_set({"set.yaml": COLOUR, "scenarios/both.yaml": SCENARIO})
    scenario = resolved(folder).scenarios["both"]
    word, token = f"{OPEN}word{CLOSE}", f"{OPEN}token{CLOSE}"
    assert (scenario.timeout, scenario.secrets, scenario.files) == (
        1800.0,
        ("word",),
        {"conf/a": f"{word} red"},
    )
    (container,) = scenario.containers
    assert (container.image, container.within, container.env) == ("base", 120.0, {"W": f"<{word}>"})
    assert (container.healthcheck, container.first[0].timeout) == (("CMD-SHELL", "c d"), 300.0)
    issue, ask = scenario.steps
    assert (issue.container, issue.capture, issue.retry) == ("base", {"token": "x"}, 0.0)
    assert (ask.container, ask.retry) == ("", 60.0)
    assert getattr(ask.action, "headers") == {"T": token}  # noqa: B009 - it is a request, as the next lines say
    assert getattr(ask.action, "json") == {"a.0": token}  # noqa: B009
    assert scenario.checks[0].action.output == f"^{token}$"


def test_the_plan_says_what_was_resolved(write_set: WriteSet, tmp_path: Path) -> None:
    test = """\
test:
  run: [[a], {run: b, output: c}]
  setuid: []
  service: {healthy: true, cmd: [x], http: {port: 80}}
"""
    folder = write_set({
        "set.yaml": COLOUR,
        "scenarios/both.yaml": SCENARIO,
        "images/base.yaml": f"image: base\nfrom: site\n{test}",
        "images/bare.yaml": "image: bare\nfrom: site\n",
    })  # fmt: skip
    write_plan(compiled(folder), tmp_path / "plan")
    assert [path.name for path in (tmp_path / "plan/tests").iterdir()] == ["base.json"]
    image_set = resolved(folder)
    read = read_tests(tmp_path / "plan")["base"]
    demanded = image_set.images["base"].test
    assert (read, read.hash) == (demanded, demanded.hash)
    assert spots(read) == spots(demanded) != []
    scenario = read_scenarios(tmp_path / "plan")["both"]
    assert (scenario, scenario.hash) == (image_set.scenarios["both"], image_set.scenarios["both"].hash)
    assert spots(scenario) == spots(image_set.scenarios["both"]) != []
    assert read_hashes(tmp_path / "plan") == {"tests/base": read.hash, "scenarios/both": scenario.hash}
    assert scenario.images == ("base",)
    assert scenario.steps[1].label == "GET :80/"
    # A plan whose set has no tests any more has none either.
    (folder / "images/base.yaml").write_text("image: base\nfrom: site\n")
    (folder / "scenarios/both.yaml").unlink()
    write_plan(compiled(folder), tmp_path / "plan")
    assert read_hashes(tmp_path / "plan") == {}


def test_no_image_depends_on_how_it_is_tried(write_set: WriteSet) -> None:
    recipe = "image: base\nfrom: site\nuser: root\n"
    before = compiled(write_set({"set.yaml": COLOUR, "images/base.yaml": recipe}))
    folder = write_set({
        "set.yaml": COLOUR,
        "images/base.yaml": recipe + "test: {user: root, run: ['true']}\n", "scenarios/both.yaml": SCENARIO
    })  # fmt: skip
    after = compiled(folder)
    for part in ("keys/base", "steps/base.sh", "graph", "images.mk"):
        assert before.texts[part] == after.texts[part]


def test_the_hash_is_of_what_is_tried_and_not_of_where_it_stands(write_set: WriteSet) -> None:
    recipe = "image: base\nfrom: site\ntest: {run: [[a]], service: {env: {at: b}}}\n"

    def hashed(text: str) -> str:
        data = json.loads(compiled(write_set({"images/base.yaml": text})).texts["tests/base.json"])
        digest: str = data["hash"]
        return digest

    first = hashed(recipe)
    assert hashed("# a comment\n" + recipe.replace("[[a]]", "[ [ a ] ]")) == first
    others = {
        hashed(recipe.replace(*change)) for change in (("[[a]]", "[[b]]"), ("at: b", "at: c"), ("at:", "to:"))
    }
    assert len(others - {first}) == 3
