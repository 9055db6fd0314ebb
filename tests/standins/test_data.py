"""The data file: what it may say, and what is said about mistakes in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildsys.diagnostics import Refused
from buildsys.standins.data import load

# What is replaced in the tiny data file, by what, and what is said then.
MISTAKES = """
    requires: [filesystem] | require: [filesystem]
14:5 unknown key 'require' [unknown-key] did you mean 'requires'?

gems: | gem:
7:1 unknown key 'gem' [unknown-key] did you mean 'gems'?

bootstrap: [filesystem] | bootstrap: [filesystm]
3:13 there is no package 'filesystm' [unknown-package] did you mean 'filesystem'?

requires: [filesystem] | requires: [stone, rock]
14:23 there is no package 'rock' [unknown-package]

1:2.0-1.el7 | 2.0.0
13:14 '2.0.0' is not a version as [EPOCH:]VERSION-RELEASE [bad-text]

version: 1:2.0-1.el7 | provides: [boulder]
12:3 'version' is missing here [missing-key]

programs: [stone] | programs: [../stone]
15:16 '../stone' is not a program: an absolute path, or a name for /usr/bin [bad-text]

directories: [/usr, | directories: ['/usr/*',
11:19 '/usr/*' is not an absolute path of plain characters [bad-text]

  stone: | st one:
12:3 'st one' is not a package's name [bad-text]

epoch: 1504051200 | epoch: soon
2:8 this should be a valid integer [wrong-type]

epoch: 1504051200 | epoch: -1
2:8 this should be greater than or equal to 0 [wrong-type]

requires: [filesystem] | provides: [boulder = ]
14:16 'boulder =' is not what is provided: NAME, or NAME = VERSION [bad-text]

requires: [filesystem] | requires: filesystem
14:15 this should be a valid list [wrong-type]

gems: {pebble: 1.0.0} | modes: {/etc: 755}
7:15 this should be a valid string [wrong-type]

gems: {pebble: 1.0.0} | modes: {/etc: "755"}
7:15 '755' is not a mode of four digits, as "0755" [bad-text]

  stone: | busybox:
12:3 there is a package 'busybox' already [duplicate-package]
"""


def said(file: Path) -> list[str]:
    """What loading a file says, in short."""
    with pytest.raises(Refused) as refused:
        load(file)
    return [
        f"{item.spot.line}:{item.spot.column} {item.message} [{item.code}] {item.hint}".strip()
        for item in refused.value.diagnostics
    ]


@pytest.mark.parametrize("mistake", MISTAKES.strip("\n").split("\n\n"))
def test_a_mistake_is_named_where_it_stands(tiny: Path, mistake: str) -> None:
    change, expected = mistake.splitlines()
    before, after = change.split(" | ")
    text = tiny.read_text()
    assert text.count(before) == 1
    tiny.write_text(text.replace(before, before[: len(before) - len(before.lstrip())] + after))
    assert said(tiny) == [expected]


def test_all_mistakes_are_named_at_once(tiny: Path) -> None:
    text = tiny.read_text().replace("vendor: nobody\n", "colour: grey\n")
    tiny.write_text(text.replace("epoch: 1504051200", "epoch: soon"))
    assert said(tiny) == [
        "1:1 'vendor' is missing here [missing-key]",
        "1:1 unknown key 'colour' [unknown-key]",
        "2:8 this should be a valid integer [wrong-type]",
    ]


def test_a_name_is_given_once(tiny: Path) -> None:
    with tiny.open("a") as stream:
        stream.write("  shore: {version: 1-1, packages: {stone: {}}}\n")
    assert said(tiny) == ["16:36 there is a package 'stone' already [duplicate-package]"]


def test_a_file_that_is_not_there_is_a_mistake_like_any_other(tiny: Path) -> None:
    tiny.unlink()
    assert said(tiny)[0].startswith("1:1 cannot read this file")


def test_a_source_may_be_written_in_three_ways(tiny: Path) -> None:
    with tiny.open("a") as stream:
        stream.write(
            "  sand: 1-1\n  shore:\n    version: 2-1\n    packages: {beach: {}, cliff: {version: 3-1}}\n"
        )
    found = {name: (of, own.version or source.version) for of, source, name, own in load(tiny).packages()}
    assert found == {
        "filesystem": ("filesystem", "3.2-25.el7"),
        "stone": ("stone", "1:2.0-1.el7"),
        "sand": ("sand", "1-1"),
        "beach": ("shore", "2-1"),
        "cliff": ("shore", "3-1"),
    }
