from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment, StrictUndefined

from buildsys.diagnostics import Diagnostic, Spot
from buildsys.recipe.document import parse
from buildsys.recipe.substitution import LONGEST, fill, holes, names_in

SCOPE = {
    "image": "nova-api", "account": "nova", "home": "", "groups": ["kolla", "qemu"], "port": 80,
    "debug": True,
}  # fmt: skip


def filled(data: Any, scope: dict[str, Any] | None = None) -> tuple[Any, list[Diagnostic]]:
    """Data of one document, its variables filled in, and the mistakes."""
    import json

    found: list[Diagnostic] = []
    written = parse(json.dumps({"text": data}), "x.yaml")
    return fill(written, holes(written.data), SCOPE if scope is None else scope, found)["text"], found


def value(text: Any) -> Any:
    result, found = filled(text)
    assert found == []
    return result


def mistake(text: str) -> Diagnostic:
    _, found = filled(text)
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("{{ image }}", "nova-api"),
        ("{{groups}}", ["kolla", "qemu"]),
        ("{{ port }}", 80),
        ("{{ debug }}", True),
        ("{{ image }}:{{ port }}/{{ debug }}", "nova-api:80/true"),
        ("{{ home or '/var/lib/' ~ account }}", "/var/lib/nova"),
        ("{{ groups | join(',') }}", "kolla,qemu"),
        ("{% for group in groups %}{{ group }};{% endfor %}", "kolla;qemu;"),
        ("{% if debug %}-d{% endif %}", "-d"),
        ("{{ missing | default('x') }}", "x"),
        ("{{ 'y' if missing is defined else 'n' }}", "n"),
        ("{{ groups[0] }}", "kolla"),
        ("{{ '{{' }} {{ image }}", "{{ nova-api"),
        ("${#array[@]} {{ image ~ '' }}\n", "${#array[@]} nova-api\n"),
        ("{{ image | upper }}\n\n", "NOVA-API\n\n"),
        ("{{ image }}\n", "nova-api\n"),
    ],
)
def test_fills_in(text: str, expected: object) -> None:
    assert value(text) == expected


def test_only_templates_are_touched() -> None:
    data = {"a": ["{{ image }}", "b", {"c": 1, "d": "{{ groups }}"}], "e": None, "{{ image }}": "f"}
    assert value(data) == {
        "a": ["nova-api", "b", {"c": 1, "d": ["kolla", "qemu"]}],
        "e": None,
        "{{ image }}": "f",
    }


@given(
    st.lists(
        st.sampled_from(["{{ image }}", "{{port}}", "{{  home }}", " a", "b\n", "{", "}", "$", "é", "-"])
    )
)
def test_plain_names_give_what_jinja2_gives(parts: list[str]) -> None:
    text = ".".join([*parts, "{{ image }}"])
    jinja = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)  # noqa: S701
    assert value(text) == jinja.from_string(text).render(**SCOPE)


def test_plain_names_do_not_open_jinja2() -> None:
    code = (
        "import sys; from buildsys.recipe.substitution import fill_text;"
        "assert fill_text('a {{ b }} {{ c }}', {'b': 1, 'c': 'd'}) == 'a 1 d';"
        "assert 'jinja2' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_variable_nobody_defined() -> None:
    found = mistake("a\n{{ imge }}")
    assert (found.code, found.spot, found.hint) == (
        "undefined-variable",
        Spot("x.yaml", 1, 10),
        "did you mean 'image'?",
    )
    assert mistake("{{ imge ~ 'x' }}").code == "undefined-variable"
    assert "never part" in mistake("{{ tag }}").hint


BOMBS = [
    "{{ 'x' * 10**9 }}", "{{ 'x'.ljust(10**9) }}", "{{ 'x' | center(1000000000) }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ '{:1000000000}'.format(1) }}", "{{ range(1000000000) | join }}",
    "{% for i in range(10000000) %}x{% endfor %}",
    "{% for i in range(999) %}{% for j in range(999) %}x{% endfor %}{% endfor %}",
    "{% for i in range(999) %}" + "x" * 1000 + "{% endfor %}",
    "{{ range(999) | join('" + "x" * 1000 + "') }}",
    "{% set a = 'x' %}{% for i in range(99) %}{% set a = a ~ a %}{% endfor %}{{ a }}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "{% include 'x' %}", "{% import 'x' as y %}",
    "{% for i in groups recursive %}{{ loop(groups) }}{% endfor %}", "{{ 2 ** 1000000000 }}",
    "{{ lipsum(1000000) }}",
    "{{ " + "(" * 30000 + "1" + ")" * 30000 + " }}", "{{ " + "[" * 3000 + "]" * 3000 + " }}",
    "{{ 1" + " + 1" * 10000 + " }}", "{{ image" + "[0]" * 5000 + " }}",
    "{% if 1 %}" * 3000 + "x" + "{% endif %}" * 3000, "x" * LONGEST + "{{ image ~ 1 }}",
    "{{ ().__class__.__bases__[0].__subclasses__() }}", "{{ image['__class__'] }}",
    "{{ image | attr('upper') }}",
    "{{ cycler.__init__.__globals__ }}", "{{ self }}", "{{ image | map('upper') | list }}",
]  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS, ids=range(len(BOMBS)))
def test_what_a_recipe_has_no_use_for_is_refused_quickly(bomb: str) -> None:
    start = time.process_time()
    assert mistake(bomb).code in {"bad-template", "undefined-variable"}
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    "text", ["{{ image", "{{ }}", "{% if %}", "{{ image | nosuch }}", "{{ image is nosuch }}",
    "{{ 1 + 'a' }}",
             "{{ groups['a'] }}", "a {{ groups }}", "{% endfor %}", "{{ groups[9] }}", "{{ port | join }}"]
)  # fmt: skip
def test_templates_that_fail(text: str) -> None:
    assert mistake(text).code in {"bad-template", "undefined-variable"}


@given(st.text("{}%# '\"|~()[]+-*/.,_ \nabimagefori12", max_size=60))
def test_any_template_is_filled_or_refused(text: str) -> None:
    _, found = filled("{{" + text)
    assert all(item.code in {"bad-template", "undefined-variable"} for item in found)


def test_names_in_braces() -> None:
    assert names_in(["a {{ b or c }} d {% if e %}f{% endif %}"]) == {"b", "or", "c", "if", "e", "endif"}
