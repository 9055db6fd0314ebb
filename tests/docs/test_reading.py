"""How pages are read and outputs compared: a page that shows something else than comes out is found."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.docs.pages import Command, File, carry_out, like, steps

PAGE = """\
# A page

```yaml
# a/set.yaml
set: a   # not a name
```

```yaml
set: left alone
```

```console
$ cd a
$ cat \\
> set.yaml
set: a   # not a name
$ false
```
"""


def test_a_page_is_read_in_order() -> None:
    assert list(steps(PAGE)) == [
        File("a/set.yaml", "set: a   # not a name\n"),
        Command("cd a\n", ""),
        Command("cat \\\nset.yaml\n", "set: a   # not a name\n"),
        Command("false\n", ""),
    ]


def test_a_command_that_fails_unannounced_is_told(tmp_path: Path) -> None:
    assert carry_out(PAGE, tmp_path, os.environ) == ["$ false\nfailed:\n1"]


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("[1/2] a 1.0 s\n[2/2] b 2.0 s\n", "[1/2] b 0.1 s\n[2/2] a 0.2 s\n"),
        ("a    b\n", "a  b\n"),
        ("one\ntwo\nthree\n", "…\nthree\n"),
        ("three\n", "…\nthree\n"),
        ("id 0123 end\n", "id … end\n"),
        ("anything\n", ""),
    ],
)
def test_outputs_that_are_as_shown(printed: str, shown: str) -> None:
    assert like(printed, shown)


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("[1/2] a 1.0 s  FAILED\n", "[1/2] a 1.0 s\n"),
        ("[1/2] a 1.0 s\n", "[1/3] a 1.0 s\n"),
        ("one\ntwo\n", "one\n"),
        ("one\n", "one\ntwo\n"),
        ("three\nfour\n", "…\nthree\n"),
        ("id 0123\n", "id … end\n"),
        ("a.b\n", "a?b\n"),
    ],
)
def test_outputs_that_are_otherwise(printed: str, shown: str) -> None:
    assert not like(printed, shown)
