"""What a step that fails reports, once: its recipe line, its command, the end of the output, and a hint."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from buildsys.image import Run
from tests.plan.sets import BASE, image, image_set
from tests.runtime.faked import Faked, does

CAUSES = {
    "sh: 1: apt-get: not found": "this image has no apt-get; name packages in `packages:`",
    "bash: line 3: dnf: command not found": "this image has no dnf; name packages in `packages:`",
    "make: gcc: No such file or directory\n/bin/sh: 1: cc1plus: not found": (
        "this image has no program cc1plus; name its package in `packages:`"
    ),
    "bwrap: execvp /opt/serve: No such file or directory": (
        "this image has no program serve; name its package in `packages:`"
    ),
    "curl: (6) Could not resolve host: example.org": (
        "a `run` has no network; name packages in `packages:`, and fetch files by `download:`"
    ),
    "E: Temporary failure resolving 'mirror.example'": (
        "a `run` has no network; name packages in `packages:`, and fetch files by `download:`"
    ),
    "the tests fail": "",
}
"""What a command prints -> the hint."""


def report(stderr: str, image: str) -> str:
    """The report of one image, of those of all."""
    found = re.search(rf"^{image} failed at .*?^  log: [^\n]*\n", stderr, re.MULTILINE | re.DOTALL)
    assert found, stderr
    return found[0]


def test_hints_for_known_causes(faked: Faked, tmp_path: Path) -> None:
    names = {f"image-{number}": text for number, text in enumerate(CAUSES)}
    texts = {name: text.replace("'", "'\\''") for name, text in names.items()}
    images = [image(name, BASE, does(f"host printf '%s\\n' '{texts[name]}'; exit 9")) for name in names]
    faked.compile(image_set(tmp_path, images))
    done = faked.run()
    assert done.returncode == 1
    for name, text in names.items():
        said = report(done.stderr, name)
        hint = CAUSES[text]
        assert said == (
            f"{name} failed at recipes/tiny/images/{name}.yaml:4:5\n"
            f"  command: host /bin/bash -c printf '%s\\n' '{texts[name]}'; exit 9\n".replace(
                "\n/bin", "\n           /bin"
            )
            + "  exit status: 9\n"
            + "".join(f"    {line}\n" for line in text.split("\n"))
            + (f"  hint: {hint}\n" if hint else "")
            + f"  log: {faked.plan}/logs/{name}.log\n"
        )
        event = next(item for item in faked.events() if item["image"] == name)
        assert (event["status"], event["what"], event["hint"]) == (9, "run", hint)
    assert "make: ***" not in done.stderr
    assert "not remade" not in done.stderr


def test_the_packages_of_a_command_are_in_the_hint(faked: Faked, tmp_path: Path) -> None:
    """An image without apt has a `run` of it: its own words, not the shell that holds them."""
    faked.compile(
        image_set(
            tmp_path,
            [image("base", BASE, does("apt-get -y install --no-install-recommends nginx curl && rm x"))],
        )
    )
    faked.misbehave(
        "enter", 'if [[ $mode == run ]]; then echo "/bin/sh: 1: apt-get: not found"; exit 127; fi'
    )
    said = report(faked.run().stderr, "base")
    assert said.splitlines()[1:-1] == [
        "  command: apt-get -y install --no-install-recommends nginx curl && rm x",
        "  exit status: 127",
        "    /bin/sh: 1: apt-get: not found",
        "  hint: this image has no apt-get; write `packages: [nginx, curl]`",
    ]


def test_only_the_output_of_the_command_that_failed(faked: Faked, tmp_path: Path) -> None:
    before = does("host for i in $(seq 16); do echo Setting up package-$i; done")
    after = does("host echo cause; exit 3")
    faked.compile(image_set(tmp_path, [image("base", BASE, before, after)]))
    done = faked.run()
    assert "Setting up" not in done.stderr
    assert report(done.stderr, "base").splitlines()[2:4] == ["  exit status: 3", "    cause"]
    assert done.stderr.count("failed at") == 1
    assert "Setting up package-16\n" in (faked.plan / "logs/base.log").read_text()


def test_the_line_of_the_recipe_has_a_caret(faked: Faked, tmp_path: Path) -> None:
    faked.compile(image_set(tmp_path, [image("base", BASE, does("host exit 3"))]))
    recipe = tmp_path / "sources/recipes/tiny/images/base.yaml"
    recipe.parent.mkdir(parents=True)
    recipe.write_text("image: base\n\n\n  - run: curl https://me:secret@host/\x1b[31mx\n")
    done = faked.run(BS_SOURCES=str(tmp_path / "sources"))
    assert report(done.stderr, "base").splitlines()[:4] == [
        "base failed at recipes/tiny/images/base.yaml:4:5",
        "  4 |   - run: curl https://***@host/x",
        "    |     ^",
        "  command: host /bin/bash -c exit 3",
    ]
    for text in ("", "\n\n\n", "\n" * 3 + "x" * 300):
        recipe.write_text(text)
        said = report(faked.run(BS_SOURCES=str(tmp_path / "sources")).stderr, "base")
        assert "|" not in said.replace("\n  4 | \n", "\n").replace("\n    |     ^\n", "\n")


def test_what_a_terminal_would_act_on_is_not_printed(faked: Faked, tmp_path: Path) -> None:
    text = r"host printf '50%%\r100%%\n\033]0;title\007\033[31mred\033[0m\b\302\233x\tend\n'; exit 3"
    faked.compile(image_set(tmp_path, [image("base", BASE, does(text))]))
    said = report(faked.run().stderr, "base")
    assert re.search(r"^    100%\n    \?\]0;title\?red\??\?x end$", said, re.MULTILINE), said
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", said)


@pytest.mark.parametrize("argv", [("/bin/sh", "-c", "one\ntwo\n"), ("host", "/bin/bash", "-c", "exit 4")])
def test_a_command_of_several_lines(faked: Faked, tmp_path: Path, argv: tuple[str, ...]) -> None:
    faked.compile(image_set(tmp_path, [image("base", BASE, Run(argv=argv, open_files=64))]))
    faked.misbehave("enter", "[[ $mode != run ]] || exit 4")
    lines = report(faked.run().stderr, "base").splitlines()[1:-1]
    shown = (
        ["  command: one", "           two"]
        if argv[0] == "/bin/sh"
        else ["  command: host /bin/bash -c exit 4"]
    )
    assert lines == [*shown, "  exit status: 4"]


def test_the_record_of_a_run(faked: Faked, tmp_path: Path) -> None:
    """Every event is JSON, in the order of time, with what front ends read."""
    images = [
        image("base", BASE, does('host echo "\\"\\\\"; exit 0')),
        image("bad", "base", does("host exit 2")),
        image("below", "bad"),
        image("fine", "base"),
    ]
    faked.compile(image_set(tmp_path, images))
    faked.run(BS_RUN='mine "1"')
    record = faked.record()
    assert [item["time"] for item in record] == sorted(float(str(item["time"])) for item in record)
    assert record[0]["event"] == "run"
    assert (record[0]["version"], record[0]["run"], record[0]["goals"]) == (2, 'mine "1"', "all")
    assert record[1]["event"] == "planned"
    assert (record[1]["images"], record[1]["fresh"]) == (["base", "bad", "below", "fine"], [])
    base = [(item["event"], item.get("what", "")) for item in record if item.get("image") == "base"]
    assert base == [("started", ""), ("doing", "begin"), ("doing", "run"), ("doing", "commit"), ("built", "")]
    assert [(item["image"], item["by"]) for item in record if item["event"] == "blocked"] == [
        ("below", "bad")
    ]
    counts = {"built": 2, "fresh": 0, "failed": 1, "blocked": 1, "unreached": 0}
    assert {name: record[-1][name] for name in counts} == counts
    assert (record[-1]["event"], record[-1]["status"]) == ("ended", 1)
    assert float((faked.plan / "state/base.seconds").read_text()) == faked.result("base")["seconds"]
    before = (faked.plan / "events.jsonl").read_bytes()
    faked.run()
    assert (faked.plan / "events.1.jsonl").read_bytes() == before
    assert faked.record()[1]["fresh"] == ["base", "fine"]


def test_a_long_text_is_cut_between_characters(faked: Faked, tmp_path: Path) -> None:
    """An event is one write of less than 4 kB, however long the command is."""
    long = 'ä"' * 3000
    faked.compile(image_set(tmp_path, [image("base", BASE, does(f"host : '{long}'; exit 2"))]))
    faked.run()
    lines = (faked.plan / "events.jsonl").read_bytes().splitlines()
    assert max(map(len, lines)) < 4096
    command = str(faked.events()[-1]["command"])
    assert command.startswith(f"host /bin/bash -c : '{long[:200]}")
    assert command.endswith(('ä"...', "ä..."))


def test_less_is_shown_when_asked(faked: Faked, tmp_path: Path) -> None:
    faked.compile(image_set(tmp_path, [image("base", BASE, does("one"))]))
    done = faked.run(BS_SHOW="failures")
    assert (done.stdout, done.stderr) == ("", "")
    done = faked.run(BS_SHOW="summary", BS_FORCE="1")
    assert (done.stdout, done.stderr) == ("", "tiny: 1 image: 1 built, 0 fresh\n")
    faked.compile(image_set(tmp_path, [image("base", BASE, does("host exit 2"))]))
    done = faked.run(BS_SHOW="failures")
    assert done.stdout == ""
    assert "\nfailed: base\n" in done.stderr
