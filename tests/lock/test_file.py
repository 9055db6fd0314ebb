"""The lock as a file: what is written is read back, by YAML too, and nothing else is taken for a lock."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from buildsys.image import LockedPackage
from buildsys.lock.lockfile import Lock, LockedImage, LockedStep, Metadata, read, text, write
from tests.lock.world import Told


def package(name: str, version: str = "1.0") -> LockedPackage:
    checksum = "sha256:" + hashlib.sha256(f"{name}{version}".encode()).hexdigest()
    file = f"p/{name}-{version}-1.noarch.rpm"
    source = f"{name}-{version}-1.src.rpm"
    return LockedPackage(name, "1", version, "1", "noarch", "quarry", checksum, file, 1234, source)


def sample(version: str = "1.0") -> Lock:
    steps = (
        LockedStep(("install", "leaf"), (package("leaf", version), package("mid"))),
        LockedStep(("remove", "mid"), ()),
        LockedStep(("update",), (package("libmid"),)),
    )
    return Lock(
        set="demo",
        site="far",
        solver="s",
        images={"base": LockedImage("", steps), "tip": LockedImage("base", ())},
        payloads={"kolla": package("kolla")},
        repositories={"quarry": Metadata("a" * 64, "rev: é", 1700000000)},
        bases={"docker.io/library/centos:7": "sha256:" + "b" * 64},
        keys={"quarry": "sha256:" + "c" * 64},
        downloads={"https://example.org/a?b=c#d: e": "d" * 64},
        absent={"gone": "no package 'x'"},
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "demo/locks/far.yaml"
    write(sample(), path)
    return path


def look(path: Path) -> Lock:
    return read(path, image_set="demo", site="far")


def test_what_is_written_is_read_back(file: Path) -> None:
    assert look(file) == sample()


def test_an_empty_lock(tmp_path: Path) -> None:
    empty = Lock("demo", "far", "s", {}, {}, {})
    write(empty, tmp_path / "lock.yaml")
    assert look(tmp_path / "lock.yaml") == empty


def test_it_is_yaml_and_a_line_a_thing() -> None:
    lines = text(sample()).splitlines()
    data = yaml.safe_load("\n".join(lines))
    assert data["images"]["base"]["steps"][0] == [
        ["install", "leaf"],
        ["leaf-1:1.0-1.noarch", "mid-1:1.0-1.noarch"],
    ]
    assert data["packages"]["leaf-1:1.0-1.noarch"][:5] == ["leaf", "1", "1.0", "1", "noarch"]
    assert data["repositories"]["quarry"] == ["a" * 64, "rev: é", 1700000000]
    changed = set(text(sample("1.1")).splitlines()) ^ set(lines)
    # The package and the image that has it, before and after, and the seals.
    assert sum(line.startswith("  ") for line in changed) == 4
    assert len(changed) == 6


def test_equal_locks_are_equal_texts() -> None:
    lock = sample()
    turned = replace(lock, images=dict(reversed([*lock.images.items()])))
    assert text(turned) == text(lock)


# ── what is no lock ─────────────────────────────────────────────────────────────────────────────────────────


def test_edited_by_hand(file: Path, told: Told) -> None:
    file.write_text(file.read_text().replace("leaf-1:1.0", "leaf-1:1.1"))
    told(lambda: look(file), "lock-edited")


@pytest.mark.parametrize("cut", [1, 70, 75, 80, 200, 500])
def test_cut_short(file: Path, told: Told, cut: int) -> None:
    file.write_text(file.read_text()[:-cut])
    told(lambda: look(file), "lock-edited")


def test_a_conflict_of_version_control(file: Path, told: Told) -> None:
    file.write_text(file.read_text().replace("images:", "<<<<<<< ours\nimages:\n=======\nimages:\n>>>>>>>"))
    told(lambda: look(file), "lock-edited")


def test_of_another_set(file: Path, told: Told) -> None:
    told(lambda: read(file, image_set="other", site="far"), "lock-of-another")


def test_of_another_site(file: Path, told: Told) -> None:
    told(lambda: read(file, image_set="demo", site="near"), "lock-of-another", "lock-of-another-site")


def test_no_lock_at_all(file: Path, told: Told) -> None:
    file.write_text("packages: [a]\n")
    told(lambda: look(file), "lock-unreadable", "lock-unreadable-other")


def test_of_another_version(file: Path, told: Told) -> None:
    file.write_text(file.read_text().replace("lock: 2", "lock: 1"))
    told(lambda: look(file), "lock-unreadable")


def test_not_utf_8(file: Path, told: Told) -> None:
    file.write_bytes(b"\xff\xfe")
    told(lambda: look(file), "lock-unreadable", "lock-unreadable-text")


def test_a_directory(file: Path, told: Told) -> None:
    file.unlink()
    file.mkdir()
    told(lambda: look(file), "lock-unreadable", "lock-unreadable-directory")


@pytest.mark.parametrize(
    ("good", "bad", "name"),
    [
        ('"leaf-1:1.0-1.noarch", ', '"leaf-1:9.9-1.noarch", ', "content"),
        ("images:\n", "pictures:\n", "section"),
        ("payloads:", "p", "line"),
        ('"p/leaf-', '"../leaf-', "path"),
    ],
)
def test_sealed_by_somebody_who_does_not_know_what_a_lock_holds(
    file: Path, told: Told, good: str, bad: str, name: str
) -> None:
    body = file.read_text().rpartition("seal: ")[0].replace(good, bad)
    file.write_text(f'{body}seal: "{hashlib.sha256(body.encode()).hexdigest()}"\n')
    told(lambda: look(file), "lock-unreadable", f"lock-unreadable-{name}")


# ── whole at any moment ─────────────────────────────────────────────────────────────────────────────────────


WRITER = """
import sys
from pathlib import Path
from buildsys.lock.lockfile import write
from tests.lock.test_file import sample
locks = [sample("1.0"), sample("1.1")]
print("ready", flush=True)
while True:
    for lock in locks:
        write(lock, Path(sys.argv[1]))
"""


def test_killed_at_any_moment_it_is_the_old_or_the_new_one(file: Path) -> None:
    choice = random.Random(1)  # noqa: S311 - when to kill
    command = [sys.executable, "-c", WRITER, str(file)]
    known = {text(sample("1.0")), text(sample("1.1"))}
    for _ in range(4):
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
            time.sleep(choice.random() / 20)
            os.kill(writer.pid, signal.SIGKILL)
        assert file.read_text() in known
    write(sample("1.2"), file)
    assert look(file) == sample("1.2")
    assert [path.name for path in file.parent.iterdir()] == ["far.yaml"]


def test_two_that_write_at_once(file: Path) -> None:
    def writing(number: int) -> None:
        for turn in range(8):
            write(sample(f"{number}.{turn}"), file)

    writers = [threading.Thread(target=writing, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        look(file)
    assert look(file).images["base"].steps[0].packages[0].version.endswith(".7")
