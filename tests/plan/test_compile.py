"""What is compiled: the whole plan of a set with every kind of instruction, from that set alone."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from buildsys.image import (
    BaseImage,
    CopyContext,
    CopyPayload,
    Download,
    EmptyRoot,
    Format,
    Image,
    ImageSet,
    Install,
    InstallGems,
    Instruction,
    OciConfig,
    PackageName,
    Repository,
    Run,
    Touch,
    Transaction,
)
from buildsys.packages import MANAGERS
from buildsys.plan.compile import RUNTIME, compile_plan
from tests.plan.conftest import GoldenFolder
from tests.plan.sets import BASE, EPOCH, every_kind, image, image_set, locked, package, site

HERE = Path(__file__).parent

DIGEST = """\
import hashlib, sys
from pathlib import Path
from buildsys.packages import MANAGERS
from buildsys.plan.compile import compile_plan
from tests.plan.sets import every_kind
plan = compile_plan(every_kind(Path(sys.argv[1])))
parts = [*sorted(plan.texts.items()), *sorted((name, path.read_bytes()) for name, path in plan.links.items())]
print(hashlib.sha256(repr(parts).encode()).hexdigest())
"""


def test_the_set_of_these_tests_holds_every_kind(tmp_path: Path) -> None:
    kinds = {
        type(step)
        for under_lock in (False, True)
        for item in every_kind(tmp_path, under_lock=under_lock).images.values()
        for step in item.instructions
    }
    assert kinds == set(get_args(Instruction))


@pytest.mark.parametrize("under_lock", [False, True], ids=["unlocked", "locked"])
def test_golden(every: Path, golden_folder: GoldenFolder, under_lock: bool) -> None:  # noqa: FBT001
    plan = compile_plan(every_kind(every, under_lock=under_lock))
    golden_folder(plan, HERE / "golden" / ("locked" if under_lock else "unlocked"))


def test_same_files_in_same_bytes_out(every: Path, tmp_path: Path) -> None:
    """Whatever the hash seed, working directory, time zone, locale, umask, home and environment."""
    found = set()
    for seed, zone, language, cwd in (("1", "UTC", "C", "/"), ("2", "Asia/Tokyo", "C.UTF-8", str(tmp_path))):
        environment = {
            "PYTHONHASHSEED": seed,
            "TZ": zone,
            "LC_ALL": language,
            "HOME": cwd,
            "BS_FORMAT": f"x{seed}",
        }
        done = subprocess.run(
            [sys.executable, "-c", DIGEST, str(every)],
            cwd=cwd,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(HERE.parents[1]), **environment},
            umask=0o77 if seed == "1" else 0o22,
            capture_output=True,
            text=True,
            check=True,
        )
        found.add(done.stdout)
    assert len(found) == 1


def test_where_the_set_lies_has_no_say(every: Path, tmp_path: Path) -> None:
    every.rename(tmp_path / "two words")
    other = compile_plan(every_kind(tmp_path / "two words"))
    (tmp_path / "two words").rename(every)
    assert other.texts == compile_plan(every_kind(every)).texts


def key(image_set: ImageSet, name: str = "x") -> str:
    return compile_plan(image_set).texts[f"keys/{name}"]


def one(directory: Path, item: Image) -> ImageSet:
    return image_set(directory, [item])


def test_the_key_says_what_an_image_is_and_not_where_it_was_written(tmp_path: Path) -> None:
    """Moving an instruction down a line, a comment, the tag: none of it is an input."""
    touch = Touch(paths=("/a",), mode="")
    first = compile_plan(one(tmp_path, image("x", BASE, touch)))
    moved = image(
        "x", BASE, Touch(paths=("/a",), mode="", spot=image("y", BASE, touch, touch).instructions[1].spot)
    )
    second = compile_plan(one(tmp_path, moved))
    assert first.texts["steps/x.sh"] != second.texts["steps/x.sh"]
    assert first.texts["keys/x"] == second.texts["keys/x"]


@pytest.mark.parametrize(
    "changed",
    [
        image("x", BASE, Touch(paths=("/b",), mode="")),
        image("x", BASE, Touch(paths=("/a",), mode="600")),
        image("x", BASE, Touch(paths=("/a",), mode=""), Touch(paths=("/a",), mode="")),
        image("x", BASE, Touch(paths=("/a",), mode=""), config=OciConfig(user="nova")),
        image("x", BaseImage("localhost/other:1"), Touch(paths=("/a",), mode="")),
    ],
    ids=["word", "option", "more", "configuration", "base"],
)
def test_each_input_of_an_image_changes_its_key(tmp_path: Path, changed: Image) -> None:
    before = one(tmp_path, image("x", BASE, Touch(paths=("/a",), mode="")))
    assert key(before) != key(one(tmp_path, changed))


def test_format_and_epoch_change_the_key(tmp_path: Path) -> None:
    item = image("x", BASE)
    keys = {
        key(image_set(tmp_path, [item], form=form, epoch=epoch))
        for form in ("docker", "oci")
        for epoch in (1, 2)
    }
    assert len(keys) == 4


def test_a_comment_of_the_runtime_changes_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = tmp_path / "runtime"
    shutil.copytree(RUNTIME, runtime)
    monkeypatch.setattr("buildsys.plan.compile.RUNTIME", runtime)
    made = image_set(tmp_path, [image("base", BASE)])
    before = compile_plan(made)
    commit = runtime / "commit.sh"
    text = commit.read_text()
    commit.write_text("# A reason.\n" + text.replace("\ncommit() {\n", "\ncommit() {\n    # Another.\n"))
    commented = compile_plan(made)
    assert commented.texts["lib/commit.sh"] != before.texts["lib/commit.sh"]
    assert commented.texts["keys/base"] == before.texts["keys/base"]
    commit.write_text(text.replace("\ncommit() {\n", "\ncommit() {\n    true\n"))
    assert compile_plan(made).texts["keys/base"] != before.texts["keys/base"]


def test_the_content_of_a_file_changes_the_key_of_those_who_copy_it(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    images = [image("x", BASE, CopyContext(source="a", to="/a", mode="", owner="")), image("y", BASE)]
    found = []
    for text, mode in (("one", 0o644), ("two", 0o644), ("two", 0o755)):
        (tmp_path / "files/a").write_text(text)
        (tmp_path / "files/a").chmod(mode)
        found.append(compile_plan(image_set(tmp_path, images)).texts)
    assert len({texts["keys/x"] for texts in found}) == 3
    assert len({texts["keys/y"] for texts in found}) == 1


def test_only_who_uses_packages_depends_on_the_repositories(tmp_path: Path) -> None:
    payload = CopyPayload(package=package("tree"), source="/x", to="/x", mode="", owner="")
    images = [image("x", BASE, payload), image("y", BASE)]
    keys = []
    for checksum in ("1" * 64, "2" * 64):
        at = site(repositories=(Repository("os", "", "http://repository.example/", "", checksum),))
        keys.append(compile_plan(image_set(tmp_path, images, at=at)).texts)
    assert keys[0]["keys/x"] != keys[1]["keys/x"]
    assert keys[0]["keys/y"] == keys[1]["keys/y"]


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [("rake", "rake-12.10.0"), ("rake:~> 12.1.0", "rake-12.1.5"), ("rake:11.0", "rake-11.0")],
)
def test_a_gem_is_the_newest_that_fits_and_all_that_the_site_has_is_carried_with_it(
    tmp_path: Path, asked: str, chosen: str
) -> None:
    names = ("colour-1.0", "rake-11.0", "rake-12.1.5", "rake-12.10.0")
    files = [tmp_path / f"{name}.gem" for name in names]
    for file in files:
        file.write_text(file.name)
    step = InstallGems(gems=(asked,), flags=(), open_files=0)
    images = [image("base", EmptyRoot()), image("x", "base", step), image("y", "base")]
    plan = compile_plan(image_set(tmp_path, images, at=site(gems=tuple(map(str, files)))))
    assert f"\ngems 0 '' {chosen}.gem\n" in plan.texts["steps/x.sh"]
    assert [name for name in sorted(plan.links) if name.startswith("pool/gems/")] == [
        f"pool/gems/{name}.gem" for name in names
    ]
    for name in names:
        assert f"\ngem {name}.gem " in plan.texts["keys/x"]
        assert f"\ngem {name}.gem " not in plan.texts["keys/y"]


def test_every_line_of_a_key_is_an_input_whatever_a_command_holds(tmp_path: Path) -> None:
    run = Run(argv=("/bin/sh", "-ec", "a\nimage base 0123\nformat oci\\nb"), open_files=0)
    lines = key(one(tmp_path, image("x", BASE, run))).splitlines()
    assert lines[0] == r"do run /bin/sh -ec 'a\nimage base 0123\nformat oci\\nb'"
    assert [line.split()[0] for line in lines[1:]] == ["base", "format", "epoch", "runtime"]


def test_a_symbolic_mode_adds_to_the_natural_mode_of_the_file(every: Path) -> None:
    """The plan's own copies have whatever mode the umask gave them."""
    copies = (CopyContext(source=name, to="/x", mode="a+w", owner="") for name in ("one.conf", "tree/deep/b"))
    url = "https://example.org/dumb-init"
    get = Download(url=url, sha256="", to="/usr/bin/", mode="g+w")
    at = site(downloads={url: str(every / "download")})
    script = compile_plan(image_set(every, [image("x", BASE, *copies, get)], at=at)).texts["steps/x.sh"]
    verbs = [line.split()[:2] for line in script.splitlines() if line.startswith(("context", "pooled"))]
    assert verbs == [
        ["context", "u=rw,go=r,a+w"],
        ["context", "u=rwx,go=rx,a+w"],
        ["pooled", "u=rw,go=r,g+w"],
    ]
    assert " /usr/bin/dumb-init\n" in script


def test_children_follow_parents_and_long_chains_come_first(tmp_path: Path) -> None:
    images = [image(name, BASE) for name in ("a", "z")] + [image("b", "z"), image("c", "b"), image("d", "a")]
    texts = compile_plan(image_set(tmp_path, images)).texts
    names = [line.split()[1] for line in texts["graph"].splitlines()]
    assert all(
        names.index(parent) < names.index(child) for parent, child in (("z", "b"), ("b", "c"), ("a", "d"))
    )
    (every_target,) = [line for line in texts["images.mk"].splitlines() if line.startswith("all:")]
    assert every_target == "all: " + " ".join(f"state/{name}.id" for name in ("z", "a", "b", "c", "d"))


def test_the_creation_time_of_all_images_is_the_epoch(tmp_path: Path) -> None:
    environment = compile_plan(one(tmp_path, image("x", BASE))).texts["plan.env"]
    assert f"EPOCH={EPOCH}\n" in environment
    assert "CREATED=2018-02-01T00:00:00Z\n" in environment


def test_only_who_installs_packages_needs_their_tools(tmp_path: Path) -> None:
    plain = compile_plan(one(tmp_path, image("x", BASE, Touch(paths=("/a",), mode=""))))
    packages = compile_plan(one(tmp_path, image("x", BASE, Install((PackageName("a"),)))))
    tools = [set(json.loads(plan.texts["plan.json"])["tools"]) for plan in (plain, packages)]
    assert tools[1] - tools[0] == set(MANAGERS["dnf"].runtime(locked=False).tools)
    assert f"TOOLS='{' '.join(json.loads(plain.texts['plan.json'])['tools'])}'" in plain.texts["plan.env"]


def test_links_attributes_and_empty_folders_of_the_context_are_inputs(tmp_path: Path) -> None:
    """Of these the contents of files say nothing; equal keys mean equal images."""
    step = CopyContext(source="tree", to="/opt/", mode="", owner="")
    images = image_set(tmp_path, [image("x", BASE, step)])
    tree = tmp_path / "files/tree"
    shutil.rmtree(tree, ignore_errors=True)
    (tree / "empty/inner").mkdir(parents=True)
    (tree / "a").write_text("x")
    (tree / "b").write_text("x")
    plans = [compile_plan(images)]
    os.setxattr(tree / "a", "user.xdg.origin.url", b"http://example.org/")
    assert compile_plan(images).texts == plans[0].texts
    (tree / "b").unlink()
    (tree / "b").hardlink_to(tree / "a")
    plans.append(compile_plan(images))
    os.setxattr(tree / "a", "user.mime", b"a\n")
    plans.append(compile_plan(images))
    (tree / "empty/inner").rmdir()
    plans.append(compile_plan(images))
    said = [[line for line in plan.texts["keys/x"].splitlines() if line.startswith("do ")] for plan in plans]
    hashed = hashlib.sha256(b"x").hexdigest()
    assert said[3] == [
        f"do context 644 '' {hashed} /opt/a",
        "do attributes /opt/a user.mime 0x610a",
        "do same /opt/a /opt/b",
        "do folders '' /opt/empty",
    ]
    assert said[2] == [*said[3][:3], "do folders '' /opt/empty/inner"]
    assert said[1] == [said[3][0], said[3][2], said[2][3]]
    assert said[0] == [said[3][0], said[3][0].replace("/opt/a", "/opt/b"), said[2][3]]
    needed = [json.loads(plan.texts["plan.json"])["tools"] for plan in plans]
    assert ["setfattr" in tools for tools in needed] == [False, False, True, True]


def test_what_is_asked_for_and_brings_nothing_is_no_input(tmp_path: Path) -> None:
    """The parent has it: the image that would be built is the one there is."""

    def key(*steps: Instruction) -> str:
        at = site(locked=True, repositories=(Repository("os", str(tmp_path), "", "", ""),))
        return compile_plan(image_set(tmp_path, [image("x", BASE, *steps)], at=at)).texts["keys/x"]

    def transaction(brought: str, asked: str) -> Transaction:
        names = tuple(package(name) for name in asked.split())
        return Transaction(packages=tuple(locked(name) for name in brought.split()), requested=names)

    touch = Touch(paths=("/x",), mode="")
    assert key(touch, transaction("", "bash")) == key(touch)
    assert key(transaction("a liba", "a bash")) == key(transaction("a liba", "a"))
    # What brings something under another name counts by what it brings.
    assert key(transaction("a web", "a webserver")) == key(transaction("a web", "a"))
    several = [
        key(transaction("a web", "a webserver"), touch, transaction("b", "b")),
        key(transaction("a", "a"), touch, transaction("web b", "b webserver")),
        key(transaction("a", "a"), transaction("web b", "b webserver"), touch),
        key(transaction("a web b", "a b"), touch),
    ]
    assert len(set(several)) == len(several)


@pytest.mark.parametrize("form", ["docker", "oci"])
def test_annotations_that_a_format_has_no_place_for_are_named(tmp_path: Path, form: Format) -> None:
    images = [image("x", BASE, config=OciConfig(annotations={"a": "b"})), image("y", "x")]
    notes = compile_plan(image_set(tmp_path, images, form=form)).texts["notes"]
    left_out = "annotations are left out, the docker format has none (format: oci has): x\n"
    assert notes == (left_out if form == "docker" else "")
