"""The output as a whole: made once, made anew when something changed, never half."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from buildsys.standins import build_repository, repository
from buildsys.standins.tools import MissingTool, StandinError, _is_static, find_busybox


def manifest(output: Path) -> dict[str, Any]:
    """The manifest of an output, after comparing it with every file there."""
    found: dict[str, Any] = json.loads((output / "manifest.json").read_text())
    digests = {path: hashlib.sha256((output / path).read_bytes()).hexdigest() for path in files(output)}
    del digests["manifest.json"]
    assert {path: file["sha256"] for path, file in found["files"].items()} == digests
    return found


def files(output: Path) -> list[str]:
    return sorted(path.relative_to(output).as_posix() for path in output.rglob("*") if path.is_file())


def command(data: Path, output: Path) -> list[str]:
    return [sys.executable, "-m", "buildsys.standins", str(data), str(output)]


def test_the_output_holds_packages_key_gems_downloads_and_a_manifest(tiny: Path, tmp_path: Path) -> None:
    output = build_repository(tiny, tmp_path / "output")
    assert manifest(output)["bootstrap"] == ["filesystem"]
    paths = [path for path in files(output) if "/busybox-" not in path]
    assert paths == [
        "downloads/sand",
        "gems/pebble-1.0.0.gem",
        "keys/RPM-GPG-KEY-stand-in",
        "manifest.json",
        "repo/Packages/filesystem-3.2-25.el7.noarch.rpm",
        "repo/Packages/stone-2.0-1.el7.noarch.rpm",
        "repo/repodata/filelists.xml.gz",
        "repo/repodata/other.xml.gz",
        "repo/repodata/primary.xml.gz",
        "repo/repodata/repomd.xml",
    ]
    assert {stat.S_IMODE((output / path).stat().st_mode) for path in paths if "/" in path} == {0o644}
    assert sorted(path.name for path in tmp_path.iterdir()) == [".output.lock", "output", "tiny"]


def test_nothing_changed_runs_nothing(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = build_repository(tiny, tmp_path / "output")
    before = (output / "manifest.json").stat().st_ino

    def no_process(*_: object, **__: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", no_process)
    started = time.perf_counter()
    assert build_repository(tiny, tmp_path / "output") == output
    assert time.perf_counter() - started < 0.5
    assert (output / "manifest.json").stat().st_ino == before
    (tiny.parent / "payload/stone/etc/stone.conf").write_text("hard = no\n")
    with pytest.raises(AssertionError, match="a process was started"):
        build_repository(tiny, tmp_path / "output")


@pytest.mark.parametrize("change", ["payload/stone/etc/stone.conf", "downloads/sand", "packages.yaml"])
def test_any_changed_input_makes_a_new_output(tiny: Path, tmp_path: Path, change: str) -> None:
    output = build_repository(tiny, tmp_path / "output")
    before = manifest(output)
    with (tiny.parent / change).open("a") as stream:
        stream.write("# changed\n")
    build_repository(tiny, output)
    assert manifest(output)["input"] != before["input"]


def test_a_file_that_became_executable_is_a_change(tiny: Path, tmp_path: Path) -> None:
    output = build_repository(tiny, tmp_path / "output")
    before = manifest(output)
    (tiny.parent / "payload/stone/etc/stone.conf").chmod(0o755)
    build_repository(tiny, output)
    assert manifest(output)["files"] != before["files"]


def test_an_output_that_lost_a_file_is_made_again(tiny: Path, tmp_path: Path) -> None:
    output = build_repository(tiny, tmp_path / "output")
    before = manifest(output)
    (output / "repo/Packages/stone-2.0-1.el7.noarch.rpm").unlink()
    build_repository(tiny, output)
    assert manifest(output) == before


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A TMPDIR in which nothing may be left, by whoever is killed."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    yield folder
    assert list(folder.iterdir()) == []
    folder.rmdir()


@pytest.mark.usefixtures("temporary")
def test_a_builder_killed_anywhere_leaves_the_old_output_or_the_new(tiny: Path, tmp_path: Path) -> None:
    output = build_repository(tiny, tmp_path / "output")
    known = {manifest(output)["input"]}
    for step in range(8):
        (tiny.parent / "downloads/sand").write_text(f"grain {step}\n")
        builder = subprocess.Popen(command(tiny, output), start_new_session=True)
        time.sleep(0.08 * (step + 1))
        os.killpg(builder.pid, signal.SIGKILL)
        builder.wait()
        manifest(output)
    build_repository(tiny, output)
    assert manifest(output)["input"] not in known
    assert (output / "downloads/sand").read_text() == f"grain {step}\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".output.lock", "output", "tiny", "tmp"]


@pytest.mark.usefixtures("temporary")
def test_a_builder_that_is_told_to_end_leaves_nothing(tiny: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "createrepo_c").write_text(f"#!/bin/sh\ntouch '{tools}/begun'\nexec sleep 30\n")
    (tools / "createrepo_c").chmod(0o755)
    env = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
    builder = subprocess.Popen(command(tiny, tmp_path / "output"), env=env)
    while not (tools / "begun").exists():
        assert builder.poll() is None
        time.sleep(0.01)
    builder.terminate()
    assert builder.wait(timeout=20) == 128 + signal.SIGTERM
    assert sorted(path.name for path in tmp_path.iterdir()) == [".output.lock", "tiny", "tmp", "tools"]


def test_two_builders_take_turns(tiny: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    builders = [subprocess.Popen(command(tiny, output), stdout=subprocess.DEVNULL) for _ in range(3)]
    assert [builder.wait() for builder in builders] == [0, 0, 0]
    manifest(output)


def test_where_things_lie_and_when_they_are_made_changes_no_byte(tiny: Path, tmp_path: Path) -> None:
    """Another folder (with a space), home, umask, locale, time zone and second."""
    one = build_repository(tiny, tmp_path / "output")
    home = tmp_path / "home"
    home.mkdir()
    (home / ".rpmmacros").write_text("%_buildhost here\n%vendor Here\n%_binary_payload w9.xzdio\n")
    late = tmp_path / "late"
    late.mkdir()
    wrapper = late / "createrepo_c"
    wrapper.write_text(f'#!/bin/sh\nsleep 1.1\nexec {shutil.which("createrepo_c")} "$@"\n')
    wrapper.chmod(0o755)
    elsewhere = tmp_path / "else where"
    shutil.copytree(tiny.parent, elsewhere)
    for file in elsewhere.rglob("*"):
        file.chmod(0o700 if file.is_dir() else 0o600)
        os.utime(file, (1, 1))
    subprocess.run(
        command(elsewhere / "packages.yaml", elsewhere / "output"),
        check=True,
        umask=0o077,
        env={
            "HOME": str(home),
            "LC_ALL": "C.UTF-8",
            "PATH": f"{late}:{os.environ['PATH']}",
            "PYTHONHASHSEED": "7",
            "SOURCE_DATE_EPOCH": "1",
            "TZ": "Asia/Tokyo",
        },
    )
    assert manifest(elsewhere / "output") == manifest(one)


def test_a_mistake_in_the_data_exits_2_and_keeps_the_output(tiny: Path, tmp_path: Path) -> None:
    output = build_repository(tiny, tmp_path / "output")
    before = manifest(output)
    tiny.write_text(tiny.read_text().replace("requires:", "require:"))
    done = subprocess.run(command(tiny, output), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[0] == f"{tiny}:14:5: error: unknown key 'require' [unknown-key]"
    assert manifest(output) == before


def test_a_missing_tool_exits_3_and_is_named(tiny: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "busybox").symlink_to(find_busybox())
    code = "import sys; from buildsys.standins import tools; tools.PATH = sys.argv.pop(1); import runpy; "
    code += "runpy.run_module('buildsys.standins', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tools), str(tiny), str(tmp_path / "output")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    needed = "createrepo_c (Debian's package createrepo-c)"
    assert done.stderr == f"error: the stand-in packages need {needed}, which is not installed\n"
    assert not (tmp_path / "output").exists()


def test_only_a_static_busybox_will_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dynamic = tmp_path / "busybox"
    shutil.copy(shutil.which("env") or "", dynamic)
    assert _is_static(find_busybox())
    assert not _is_static(dynamic)
    monkeypatch.setattr("buildsys.standins.tools.PATH", str(tmp_path))
    with pytest.raises(MissingTool, match="busybox-static"):
        find_busybox()
    dynamic.write_text("#!/bin/sh\n")
    dynamic.chmod(0o755)
    with pytest.raises(MissingTool, match="busybox-static"):
        find_busybox()


def test_a_failing_tool_is_quoted(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "createrepo_c"
    tool.write_text("#!/bin/sh\necho out of ink >&2\nexit 2\n")
    tool.chmod(0o755)
    monkeypatch.setattr("buildsys.standins.tools.PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(StandinError, match=r"(?s)^createrepo_c failed \(exit status 2\):\n  out of ink$"):
        build_repository(tiny, tmp_path / "output")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".output.lock", "createrepo_c", "tiny"]


def test_a_key_that_is_none_is_named(tiny: Path, tmp_path: Path) -> None:
    (tiny.parent / "keys/stand-in.secret.asc").write_text("no key\n")
    with pytest.raises(StandinError, match=r"keys/stand-in\.secret\.asc: it contains no OpenPGP secret key$"):
        build_repository(tiny, tmp_path / "output")
    assert not (tmp_path / "output").exists()


def test_a_disk_that_takes_nothing_is_a_plain_error(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StandinError, match=r"Not a directory|File exists"):
        build_repository(tiny, tmp_path / "file/output")


@pytest.mark.parametrize("manifest", [None, "[]", "{}", "{", '{"input": "of another program"'])
def test_a_directory_of_something_else_is_never_replaced(
    tiny: Path, tmp_path: Path, manifest: str | None
) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters/to-mother").write_text("Dear mother")
    if manifest:
        (tmp_path / "letters/manifest.json").write_text(manifest)
    with pytest.raises(StandinError, match="was not built by this program"):
        build_repository(tiny, tmp_path / "letters")
    assert (tmp_path / "letters/to-mother").read_text() == "Dear mother"


def test_an_empty_directory_is_filled(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    manifest(build_repository(tiny, tmp_path / "output"))


def test_every_input_has_a_part_in_the_digest(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What makes an output stale: the program itself and busybox too, and where files lie."""
    busybox = find_busybox()
    seen = {repository._inputs_digest(tiny, busybox)}
    other = tiny.parent / "busybox"
    other.write_bytes(b"another")
    seen.add(repository._inputs_digest(tiny, other))
    other.rename(tiny.parent / "payload/stone/etc/busybox")
    seen.add(repository._inputs_digest(tiny, busybox))
    (tiny.parent / "payload/stone/etc/busybox").rename(tiny.parent / "payload/stone/etc/box")
    seen.add(repository._inputs_digest(tiny, busybox))
    monkeypatch.setattr(repository, "_FORMAT", 2)
    seen.add(repository._inputs_digest(tiny, busybox))
    assert len(seen) == 5
