"""A platform in names, plans and locks; and the part of a plan that looks for an emulator."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
from base64 import b64decode
from pathlib import Path

import pytest

from buildsys.image import ImageSet
from buildsys.lock import apt_host
from buildsys.lock.pool_files import Places, lock_path
from buildsys.pipeline import Pipeline
from buildsys.plan.compile import RUNTIME, compile_plan

ANY_SET = Path(__file__).resolve().parents[1] / "errors/any-set"
BOTH = "platforms: [linux/amd64, linux/arm64]\n"


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a set of two platforms, in a working directory of its own."""
    shutil.copytree(ANY_SET, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    head = tmp_path / "demo/set.yaml"
    head.write_text(head.read_text() + BOTH)
    return tmp_path / "demo"


def resolved(demo: Path, platform: str = "") -> ImageSet:
    return Pipeline(demo, platform=platform).resolve()


def test_the_first_platform_has_the_names_of_a_set_without_platforms(demo: Path) -> None:
    both = compile_plan(resolved(demo))
    assert Pipeline(demo, platform="linux/amd64").folder == "demo"
    assert compile_plan(resolved(demo, "linux/amd64")).texts == both.texts
    head = demo / "set.yaml"
    head.write_text(head.read_text().replace(BOTH, ""))
    without = compile_plan(resolved(demo))
    assert both.texts.pop("plan.env") == without.texts.pop("plan.env") + "TARGET=linux/amd64\n"
    own, none = (json.loads(plan.texts.pop("plan.json")) for plan in (both, without))
    assert (own.pop("platform"), own.pop("platforms")) == ("linux/amd64", ["linux/amd64", "linux/arm64"])
    assert own == none
    assert both.texts == without.texts


def test_another_platform_has_a_plan_a_tag_and_a_lock_of_its_own(demo: Path) -> None:
    first, other = resolved(demo), resolved(demo, "linux/arm64")
    assert Pipeline(demo, platform="linux/arm64").folder == "demo.arm64"
    assert compile_plan(other).texts["plan.env"].endswith("\nTARGET=linux/arm64\n")
    tags = {item.reference.tag for item in first.images.values()}
    assert {item.reference.tag for item in other.images.values()} == {f"{tag}-arm64" for tag in tags}
    paths = [lock_path(item, Path("build")).name for item in (first, other)]
    assert paths == ["here.yaml", "here.arm64.yaml"]


def test_apt_asks_for_packages_of_the_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(apt_host, "HELPER", "/bin/sh")
    folder = apt_host.folder_of(Places.below(tmp_path), "arm64")
    apt = apt_host.Apt(folder, "arm64")
    assert apt.arch == "arm64"
    assert 'APT::Architectures { "arm64"; };' in (folder / "apt.conf").read_text()
    assert folder != apt_host.folder_of(Places.below(tmp_path), "")


# ── lib/platform.sh ─────────────────────────────────────────────────────────────────────────────────────────


def shell(script: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = ["bash", "-c", f'. "{RUNTIME}/platform.sh"; . "{RUNTIME}/store.sh"\n{script}', "sh", *words]
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(("platform", "machine"), [("linux/amd64", 62), ("linux/arm64", 183)])
def test_each_probe_is_a_program_of_its_platform(platform: str, machine: int) -> None:
    program = b64decode(shell('printf %s "${PROBES[$1]}"', platform).stdout)
    assert program[:4] == b"\x7fELF"
    assert struct.unpack_from("<H", program, 18) == (machine,)


def test_programs_of_this_host_run_and_those_of_no_machine_do_not(tmp_path: Path) -> None:
    own = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}[os.uname().machine]
    found = shell('find_lack "$1" "$2"', own, str(tmp_path))
    assert (found.returncode, found.stdout) == (0, "")
    broken = 'PROBES[$1]=$(base64 <<<"no program"); find_lack "$1" "$2"'
    lacking = shell(broken, own, str(tmp_path))
    assert lacking.returncode == 1
    assert lacking.stdout.endswith(" install qemu-user-static")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ("TARGET=linux/arm64", "linux/arm64 yes"),
        ("TARGET=linux/amd64", "linux/amd64 "),
        ("TOOLS=''", "linux/amd64 "),
    ],
)
def test_the_platform_is_that_of_the_plan_whatever_the_caller_has(
    last: str, expected: str, tmp_path: Path
) -> None:
    (tmp_path / "plan.env").write_text(f"SET=demo\n{last}\n")
    script = 'PLAN=$1 PLATFORM=linux/amd64; find_target; echo "$PLATFORM $FOREIGN"'
    assert shell(script, str(tmp_path), TARGET="linux/riscv64").stdout == f"{expected}\n"


def test_a_parent_of_another_platform_is_refused(tmp_path: Path) -> None:
    kept = tmp_path / "config"
    script = f'. "{RUNTIME}/container.sh"; KEPT=$1 PLATFORM=linux/arm64; refuse_other_platform base'
    kept.write_text('{"created":"x","architecture":"arm64","os":"linux"}')
    assert shell(script, str(kept)).returncode == 0
    kept.write_text('{"created":"x","architecture":"amd64","os":"linux"}')
    refused = shell(script, str(kept))
    assert refused.returncode == 1
    assert refused.stdout.startswith(
        "error: the image base in the store is of linux/amd64, and this plan builds for linux/arm64\n"
    )
