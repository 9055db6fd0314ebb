"""What means the same has the same key, however a person writes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildsys.plan.compile import compile_plan
from buildsys.recipe.library import load_set
from buildsys.resolve import resolve, spelling

SET = 'set: tiny\nnamespace: t\nprefix: ""\ntag: "1"\nepoch: 1517443200\nsite: near\n'
SITE = 'site: near\ninstaller: dnf\nbase: {image: "localhost/busybox:1"}\n'


def key(place: Path, text: str) -> str:
    """The key of an image whose recipe goes on like this."""
    for name, content in (
        ("set.yaml", SET),
        ("sites/near.yaml", SITE),
        ("images/base.yaml", f"image: base\nfrom: site\n{text}"),
        ("files/f", "f\n"),
    ):
        path = place / "tiny" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    made = resolve(load_set(place / "tiny"), site=None, variables={}, stand_ins=None)
    return compile_plan(made).texts["keys/base"]


@pytest.mark.parametrize(
    "spellings",
    [
        ['steps: [{chmod: /a, mode: "755"}]', 'steps: [{chmod: [/a], mode: "0755"}]'],
        ['steps: [{mkdir: /a, mode: "2755"}]', 'steps: [{mkdir: //a/./, mode: "2755"}]'],
        ['steps: [{copy: f, to: /f, mode: "644"}]', 'steps: [{copy: f, to: /f, mode: "0644"}]'],
        ['steps: [{touch: /f, mode: "000"}]', 'steps: [{touch: /f, mode: "0000"}]'],
        ["steps: [{run: echo}]", "steps:\n- run: |\n    echo", "steps:\n- run: |+\n    echo\n\n"],
        ['ports: ["80"]', "ports: [80/tcp]", "ports: [80-80]", "ports: [80/tcp, '80']"],
        ['ports: [5/udp, "6"]', "ports: [6/tcp, 5/udp]"],
        ["volumes: [/a, /b]", "volumes: [/b/, /a]", "volumes: [/b, //a, /a/]"],
        ["stop-signal: TERM", "stop-signal: SIGTERM"],
        ["workdir: /srv", "workdir: /srv/"],
        ["env: {A: x, B: y}", 'env:\n  B: "y"\n  A: x'],
        ["labels: {a: x, b: y}", "labels: {b: y, a: x}"],
        ["annotations: {a: x, b: y}", "annotations: {b: y, a: x}"],
        [
            "healthcheck: {command: x, interval: 60s, timeout: 500ms}",
            "healthcheck: {command: x, timeout: 0.5s, interval: 1m}",
            "healthcheck: {command: x, timeout: 0.500s, interval: 0h1m0s}",
        ],
    ],
    ids=lambda spellings: spellings[0],
)  # fmt: skip
def test_equal_spellings_have_one_key(tmp_path: Path, spellings: list[str]) -> None:
    assert len({key(tmp_path, f"{text}\n") for text in spellings}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('steps: [{chmod: /a, mode: "755"}]', 'steps: [{chmod: /a, mode: "1755"}]'),
        ("ports: [80/tcp]", "ports: [80/udp]"),
        ("ports: [80/tcp]", "ports: [80-81/tcp]"),
        ("steps: [{touch: /a}, {touch: /b}]", "steps: [{touch: /b}, {touch: /a}]"),
        ("cmd: [a, b]", "cmd: [b, a]"),
        ("steps: [{copy: f, to: /f}]", "steps: [{copy: f, to: /f/}]"),
        ("healthcheck: {command: x, interval: 60s}", "healthcheck: {command: x, interval: 60ms}"),
    ],
)
def test_what_means_something_else_has_another(tmp_path: Path, one: str, other: str) -> None:
    assert key(tmp_path, f"{one}\n") != key(tmp_path, f"{other}\n")


def test_a_long_duration_is_written_out(tmp_path: Path) -> None:
    assert "do configure --healthcheck-interval 3600000s\n" in key(
        tmp_path, "healthcheck: {command: x, interval: 1000h}\n"
    )


@pytest.mark.parametrize("text", ["", "a+rx", "75", "9999", "0o755", "80 ", "x/y", "*", "15"])
def test_what_is_no_such_value_stays(text: str) -> None:
    assert spelling.mode(text) == text
    assert spelling.path(text) == text
    assert spelling.signal(text) == text


def test_an_overlay_takes_away_what_is_spelled_in_another_way(tmp_path: Path) -> None:
    bare = key(tmp_path, "")
    key(tmp_path, 'ports: ["80"]\nvolumes: [/a/]\nsteps: [{chmod: /a, mode: "0755"}]\n')
    overlay = tmp_path / "less.yaml"
    overlay.write_text(
        "overlay: less\nimages:\n  base:\n    ports: {remove: [80/tcp]}\n    volumes: {remove: [/a]}\n"
        '    steps: {remove: [{chmod: /a, mode: "755"}]}\n'
    )
    made = resolve(load_set(tmp_path / "tiny", [overlay]), site=None, variables={}, stand_ins=None)
    assert compile_plan(made).texts["keys/base"] == bare
