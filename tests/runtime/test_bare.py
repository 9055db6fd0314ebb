"""Images from an empty base: static programs are copied in, without a package and a shell of the image."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from buildsys.pipeline import Pipeline
from buildsys.standins.tools import find_busybox
from tests.stores import store

SET = {
    "set.yaml": "set: demo\nnamespace: bare\ntag: latest\nepoch: 1500000000\nsite: here\n",
    "sites/here.yaml": "site: here\ninstaller: dnf\nbase: scratch\n",
    "images/tool.yaml": """\
image: tool
from: site
accounts:
  app: {uid: 2000, home: /srv/app}
steps:
  - {copy: busybox, to: /bin/busybox, mode: "755"}
  - {mkdir: /srv/app, owner: app, mode: "750"}
  - {append: "a = 1", in: /etc/tool.conf}
  - {replace: "a = 1", in: /etc/tool.conf, with: "a = 2"}
  - {symlink: /bin/cat, target: busybox}
user: app
entrypoint: [/bin/busybox]
cmd: [id]
test:
  user: app
  run:
    - {run: [/bin/busybox, cat, /etc/tool.conf], output: a = 2}
    - {run: [/bin/busybox, stat, -c, "%U %a", /srv/app], output: app 750}
""",
    "images/other.yaml": """\
image: other
from: scratch
steps:
  - {copy: /bin, from: tool, to: /bin}
  - {move: /bin/cat, to: /bin/ls}
test: {run: [{run: [/bin/ls, /bin], output: ^busybox\\nls$}]}
""",
    "images/wrong.yaml": "image: wrong\nfrom: tool\nuser: nosuch\n",
    "images/group.yaml": "image: group\nfrom: tool\nuser: app:nogroup\n",
    "images/pipe.yaml": "image: pipe\nfrom: tool\nuser: app\n"
    "steps: [{remove: /etc/passwd}, {run: [/bin/busybox, mkfifo, /etc/passwd]}]\n",
    "images/number.yaml": "image: number\nfrom: tool\nuser: 77:88\n",
}


def report(name: str, line: int, text: str, what: str) -> str:
    return (
        f"{name} failed at recipes/demo/images/{name}.yaml:{line}:7\n"
        f"  {line} | {text}\n    |       ^\n"
        f"    error: the image has no {what}\n"
        "      hint: declare it under accounts:, install the package that makes it, or write a number\n"
    )


@pytest.mark.real
def test_static_programs_in_an_empty_root_and_accounts_that_are_not_there(tmp_path: Path) -> None:
    folder = tmp_path / "recipes/demo"
    for name, text in SET.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "files").mkdir()
    (folder / "files/busybox").write_bytes(Path(find_busybox()).read_bytes())

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "buildsys", *words],
            cwd=tmp_path, env={**os.environ, "BS_STORE": images.options}, check=False, capture_output=True,
            text=True,
        )  # fmt: skip

    # TMPDIR of the run is short: podman takes no run root of more than 50 characters.
    with TemporaryDirectory(prefix="bs-") as short, store(Path(short)) as images:
        done = call("build", "demo")
        assert done.returncode == 1, done.stdout + done.stderr
        assert "demo: 6 images: 3 built, 0 fresh, 3 failed\n" in done.stdout + done.stderr
        assert report("wrong", 3, "user: nosuch", "account nosuch") in done.stderr
        assert report("pipe", 3, "user: app", "account app") in done.stderr
        assert report("group", 3, "user: app:nogroup", "group nogroup") in done.stderr
        tried = call("test", "demo", "tool", "other")
        assert tried.returncode == 0, tried.stdout + tried.stderr
        assert "demo: 2 tried: 2 passed" in tried.stdout + tried.stderr


@pytest.mark.parametrize("base", ["scratch", "{bootstrap: []}", "{image: scratch}"])
def test_each_spelling_of_an_empty_base(
    base: str, write_set: Callable[[Mapping[str, str]], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {**SET, "sites/here.yaml": SET["sites/here.yaml"].replace("scratch", base)}
    folder = write_set({name: text for name, text in files.items() if "busybox" not in text})
    monkeypatch.chdir(folder.parent)
    (folder / "images/first.yaml").write_text("image: first\nfrom: site\n")
    (folder / "images/second.yaml").write_text("image: second\nfrom: {image: scratch}\n")
    for name in ("wrong", "group", "pipe", "number", "other"):
        (folder / f"images/{name}.yaml").unlink(missing_ok=True)
    found = Pipeline(folder).resolve().images
    assert {str(item.parent) for item in found.values()} == {"EmptyRoot()"}
    assert all(not item.instructions for item in found.values())
