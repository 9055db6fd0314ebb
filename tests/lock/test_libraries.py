"""Equal repositories get equal answers, whichever library solves: dnf 4's or dnf5's.

A host has one of them, seldom both. So the answers are compared with those that are written down here, and
between the libraries that there are.
"""

from __future__ import annotations

import ast
import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from buildsys.diagnostics import Refused
from buildsys.lock import dnf_solver
from tests.lock.index import Entry, write_index
from tests.lock.libraries import answers, brief, image, request, step
from tests.lock.stones import Stones
from tests.lock.world import EXPECTED
from tests.lock.worlds import world

Golden = Callable[[str, Path], None]

# ── each thing that the two libraries know by other words ───────────────────────────────────────────────────

QUARRY = (
    Entry("ground"),
    Entry("libmid"),
    Entry("libmid", "1.1"),
    Entry("mid", requires=("libmid = 1.0",), files=("/usr/bin/mid",)),
    Entry("mid", "1.1", requires=("libmid = 1.1",), files=("/usr/bin/mid",)),
    Entry("mid-extra", requires=("mid = 1.0",)),
    Entry("mid-extra", "1.1", requires=("mid = 1.1",)),
    Entry("leaf", epoch="1", requires=("mid",), recommends=("weak",), files=("/etc/pki/KEY",)),
    Entry("leaf", "1.1", requires=("mid",)),
    Entry("weak"),
    Entry("old-name"),
    Entry("new-name", "1.1", obsoletes=("old-name",)),
    Entry("enemy", conflicts=("libmid",)),
    Entry("wants-new", requires=("libmid >= 1.1",)),
    Entry("wants-file", requires=("/opt/deep/file",)),
    Entry("deep", files=("/opt/deep/file",)),
    Entry("server", provides=("webserver",)),
    Entry("another-server", provides=("webserver",)),
    Entry("several", arch="i686"),
    Entry("several", arch="x86_64"),
    Entry("broken", requires=("no-such-thing",)),
    Entry("broken-too", requires=("broken",)),
    Entry("tilde", "1.0~rc1"),
    Entry("tilde", "1.0"),
)
PIT = (Entry("libmid", "1.1"), Entry("webby", provides=("webserver",)), Entry("leaf", "0.9"))
HELD = (Entry("libmid"), Entry("mid"), Entry("mid-extra"))
IMAGES = (
    image("base", "", step("ground")),
    image("newest", "base", step("leaf", "tilde")),
    image("by-file", "base", step("/usr/bin/mid")),
    image("by-provide", "base", step("webserver")),
    image("by-deep-file", "base", step("wants-file")),
    image("one-architecture", "base", step("several")),
    image("named-though-obsolete", "base", step("old-name")),
    image("obsoletes-a-parents", "named-though-obsolete", step("new-name")),
    image("obsolete-again", "obsoletes-a-parents", step("old-name")),
    image("held", "base", step("mid-extra"), held=HELD),
    image("one-moves", "held", step("wants-new")),
    image("all-move", "held", step(update=True), step("leaf")),
    image("removed", "held", step(remove=["mid", "mid-extra"]), step("mid")),
    image("held-vanished", "base", step("leaf"), held=[Entry("leaf", "0.1")]),
    image("held-in-the-way", "newest", step("wants-new", "mid"), held=[*HELD, Entry("wants-new")]),
    image("cannot-be-held", "one-moves", step("mid-extra"), held=[Entry("mid-extra")]),
    image("enemies", "newest", step("enemy")),
    image("broken", "base", step("broken-too")),
    image("missing", "base", step("ground", "nothing", "/no/file")),
    image("update-alone", "newest", step(update=True)),
)


@pytest.mark.parametrize("order", [("quarry", "pit"), ("pit", "quarry")], ids=" ".join)
def test_each_kind_of_question(tmp_path: Path, golden: Golden, order: Sequence[str]) -> None:
    write_index(tmp_path / "quarry", QUARRY)
    write_index(tmp_path / "pit", PIT)
    payloads = [("leaf", ""), ("leaf", "leaf-1.1-1.noarch"), ("server", "server-9-1.noarch"), ("none", "")]
    wanted = request(
        {name: tmp_path / name for name in order},
        IMAGES,
        payloads=[{"name": name, "held": held} for name, held in payloads],
        key_files=["/etc/pki/KEY", "/no/file"],
    )
    for answer in answers(wanted):
        golden(json.dumps(answer, indent=1) + "\n", EXPECTED / "libraries.json")


@pytest.mark.parametrize("kind", ["sha512", "sha256"])
def test_checksums_of_either_kind(tmp_path: Path, kind: str) -> None:
    write_index(tmp_path, [Entry("ground")], kind)
    for answer in answers(request({"quarry": tmp_path}, [image("base", "", step("ground"))])):
        ((row,),) = answer["images"]["base"]
        assert row["checksum"].startswith(f"{kind}:")


def test_what_a_site_leaves_out(tmp_path: Path) -> None:
    write_index(tmp_path, QUARRY)
    images = [image("some", "", step("ruby", "leaf")), image("child", "some", step("leaf"))]
    for answer in answers(request({"quarry": tmp_path}, images, incomplete=True)):
        assert answer["absent"] == {"some": "no package ruby", "child": "it is made from some"}
        assert answer["problems"] == []


# ── a base image whose packages are installed ───────────────────────────────────────────────────────────────


def test_a_base_image(tmp_path: Path, stones: Stones, golden: Golden) -> None:
    root = tmp_path / "root"
    words = ("--root", str(root), "--dbpath", "/var/lib/rpm", "--install", "--justdb", "--nosignature")
    there = [str(stones.files[f"{name}-1.0"]) for name in ("ground", "libmid", "mid", "old-name")]
    root.mkdir()
    subprocess.run(["rpm", *words, *there], check=True, capture_output=True)
    write_index(tmp_path / "quarry", QUARRY)
    images = (
        image("base", "", step(), root=str(root)),
        image("none-moves", "base", step("leaf", "mid", "old-name"), held=[]),
        image("all-best", "base", step("leaf")),
        image("one-moves", "base", step("wants-new")),
        image("all-move", "base", step(update=True)),
        image("removed", "base", step(remove=["old-name"])),
        image("removed-replaced", "removed", step("new-name")),
        image("removed-updated", "removed", step(update=True)),
        image("replaced", "base", step("new-name")),
        image("enemies", "base", step("enemy")),
        image("peace", "base", step(remove=["mid", "libmid"]), step("enemy")),
        image("still-needed", "base", step(remove=["libmid"]), step("weak")),
    )
    for answer in answers(request({"quarry": tmp_path / "quarry"}, images)):
        golden(brief(answer), EXPECTED / "libraries-base.txt")


def test_a_base_image_that_cannot_be_read(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "var/lib/rpm").mkdir(parents=True)
    (root / "var/lib/rpm/rpmdb.sqlite").write_bytes(b"this is no database")
    write_index(tmp_path / "quarry", QUARRY)
    images = [image("base", "", step("leaf"), root=str(root))]
    for answer in answers(request({"quarry": tmp_path / "quarry"}, images)):
        assert answer == {"unreadable": str(root)}


def test_a_repository_that_is_not_there(tmp_path: Path) -> None:
    for answer in answers(request({"quarry": tmp_path / "none"}, [image("base", "", step("leaf"))])):
        assert answer["repository"] == "quarry"
        assert answer["unreachable"]


# ── repositories that nobody thought of ─────────────────────────────────────────────────────────────────────


def test_worlds_that_nobody_thought_of(tmp_path: Path, golden: Golden) -> None:
    worlds = [world(seed, tmp_path / str(seed)) for seed in range(24)]
    texts = [[f"── {seed}\n{brief(answer)}" for answer in answers(one)] for seed, one in enumerate(worlds)]
    for found in zip(*texts, strict=True):
        golden("".join(found), EXPECTED / "libraries-worlds.txt")


# ── which library ───────────────────────────────────────────────────────────────────────────────────────────


def test_the_interpreter_of_dnf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused):
        dnf_solver.interpreter_of_dnf()
    (tmp_path / "dnf5").write_bytes(b"\x7fELF and more")
    (tmp_path / "dnf5").chmod(0o755)
    assert dnf_solver.interpreter_of_dnf() == (str(tmp_path / "python3"), ["dnf5", "dnf4"])
    # Where dnf is dnf5 it is a link to that.
    (tmp_path / "dnf").symlink_to("dnf5")
    assert dnf_solver.interpreter_of_dnf() == (str(tmp_path / "python3"), ["dnf5", "dnf4"])
    (tmp_path / "dnf").unlink()
    (tmp_path / "dnf").write_text("#!/usr/libexec/platform-python -s\n")
    (tmp_path / "dnf").chmod(0o755)
    assert dnf_solver.interpreter_of_dnf() == ("/usr/libexec/platform-python", ["dnf4", "dnf5"])


def test_an_interpreter_without_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dnf_solver, "interpreter_of_dnf", lambda: ("python3", ["dnf5"]))
    monkeypatch.setattr(dnf_solver, "run", lambda *_: {"unimportable": ["dnf5"]})
    with pytest.raises(Refused) as refused:
        dnf_solver.ask({"repositories": []})
    assert "install python3-libdnf5" in refused.value.text()


def test_the_program_runs_under_the_oldest_python_that_has_dnf() -> None:
    """Enterprise Linux 8's dnf runs under Python 3.6."""
    for file in dnf_solver.SOLVER.glob("*.py"):
        ast.parse(file.read_text(), feature_version=(3, 6))
