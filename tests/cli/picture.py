"""Make the picture of a build for the documentation: `python -m tests.cli.picture`.

`buildsys.cli.screen` draws it, from a record that was written by hand: it is the same on every machine.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import pyte
from rich.console import Console
from rich.text import Text

from buildsys.cli import screen
from tests.conftest import ROOT

PICTURE = ROOT / "docs/pictures/build.svg"
COLUMNS, ROWS = 84, 24
NOW = 1512086551.0
BUILT = {
    "base": 19.6, "openstack-base": 34.2, "nova-base": 12.9, "cron": 2.4, "redis": 3.1, "memcached": 2.2,
    "keystone-base": 9.8,
}  # fmt: skip
RUNNING = (
    ("neutron-base", 4, "packages", 63, ""),
    ("rabbitmq", 2, "run", 0, "recipes/stable-pike/images/rabbitmq.yaml:9:5"),
    ("nova-api", 1, "files", 0, ""),
    ("horizon", 0, "commit", 0, ""),
)
REPORT = """
mariadb failed at recipes/stable-pike/images/mariadb.yaml:8:5
  8 |   - run: dnf install -y galera
    |     ^
  command: dnf install -y galera
  exit status: 127
    /bin/sh: dnf: command not found
  hint: this image has no dnf; write `packages: [galera]`
  log: build/stable-pike/logs/mariadb.log
"""


def picture() -> str:
    """The picture, as SVG."""
    terminal = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.Stream(terminal)
    with (
        TemporaryDirectory() as folder,
        patch.object(screen, "in_colour", lambda: True),
        patch.object(screen, "takes_unicode", lambda: True),
        patch.object(screen.Screen, "_size", lambda _: (COLUMNS, ROWS)),
        patch.object(screen, "_is_in_background", lambda: False),
        patch.object(screen.Screen, "_write", lambda _, text: stream.feed(text.replace("\n", "\r\n"))),
        patch("time.time", lambda: NOW),
    ):
        plan = Path(folder)
        _write_plan(plan)
        shown = screen.Screen(plan, "1")
        shown.tick()
        shown.text(REPORT)
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text("\n").join(_lines(terminal)))
    drawn = console.export_svg(title="buildsys build stable-pike", unique_id="build")
    # Fonts of another server: the fonts of the reader do.
    return re.sub(r"@font-face \{.*?\}\s*|<!--.*?-->\s*", "", drawn, flags=re.DOTALL)


def _write_plan(plan: Path) -> None:
    names = [*BUILT, "mariadb", *(name for name, *_ in RUNNING)]
    names += [f"image-{number}" for number in range(108 - len(names))]
    images: dict[str, dict[str, object]] = {
        name: {"parent": None, "reads": [], "reference": ""} for name in names
    }
    data = {"set": "stable-pike", "format": "docker", "stand_ins": True, "images": images}
    (plan / "plan.json").write_text(json.dumps(data))
    (plan / "state").mkdir()
    for name in names:
        (plan / f"state/{name}.seconds").write_text("14.0")
    events = [
        {"time": NOW - 91, "event": "run", "run": "1"},
        {"time": NOW - 90, "event": "planned", "images": names, "jobs": 4},
        *({"time": NOW, "event": "built", "image": name, "seconds": BUILT[name]} for name in BUILT),
        {"time": NOW, "event": "failed", "image": "mariadb", "seconds": 5.3},
    ]
    for name, passed, what, count, at in RUNNING:
        events += [
            {"time": NOW - passed, "event": "started", "image": name},
            {"time": NOW, "event": "doing", "image": name, "what": what, "count": count, "at": at},
        ]
    (plan / "events.jsonl").write_text("".join(f"{json.dumps(event)}\n" for event in events))


def _lines(terminal: pyte.Screen) -> Iterator[Text]:
    """The lines of the terminal, with their colours."""
    for row, text in enumerate(terminal.display):
        line = Text()
        for column in range(len(text.rstrip())):
            char = terminal.buffer[row][column]
            colour = "" if char.fg == "default" else char.fg
            line.append(char.data, " ".join(filter(None, ("bold" if char.bold else "", colour))))
        if row < terminal.lines - 1 or line:
            yield line


if __name__ == "__main__":
    PICTURE.write_text(picture())
