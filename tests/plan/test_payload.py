"""What a package's header says of its files: equal hashes mean equal copies."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from buildsys.packages.payload import files_of, taken
from buildsys.standins.rpm_file import File
from tests.plan.sets import EPOCH
from tests.rpms import rpm, write

FILES = (
    File("/usr/share/kolla", stat.S_IFDIR | 0o755),
    File("/usr/share/kolla/start", stat.S_IFREG | 0o644, content=b"start\n"),
    File("/usr/share/kolla/docker", stat.S_IFDIR | 0o755),
    File("/usr/share/kolla/docker/one", stat.S_IFREG | 0o644, content=b"one\n"),
    File("/usr/share/kolla/docker/two", stat.S_IFREG | 0o755, content=b"two\n"),
    File("/usr/share/kolla/docker/link", stat.S_IFLNK | 0o777, target="one"),
    File("/usr/share/kolla/latest", stat.S_IFLNK | 0o777, target="docker"),
)
ONE, DOCKER, KOLLA = "/usr/share/kolla/docker/one", "/usr/share/kolla/docker", "/usr/share/kolla"


def hashes(place: Path, *files: File, version: str = "1.0") -> dict[str, str | None]:
    found = files_of(write(place / version, rpm("kolla", version, *files)))
    paths = (ONE, f"{DOCKER}/two", f"{DOCKER}/link", DOCKER, KOLLA, "/usr", "//usr/share//kolla/start")
    return {path: taken(found, path, EPOCH) for path in paths}


def test_another_package_with_equal_files_is_the_same(tmp_path: Path) -> None:
    before = hashes(tmp_path, *FILES)
    assert None not in before.values()
    assert hashes(tmp_path, *FILES, version="2.0") == before


CHANGES: dict[str, tuple[str, dict[str, Any], set[str]]] = {
    "content": (ONE, {"content": b"uno\n"}, {ONE, DOCKER, KOLLA, "/usr"}),
    "mode": (f"{DOCKER}/two", {"mode": stat.S_IFREG | 0o700}, {f"{DOCKER}/two", DOCKER, KOLLA, "/usr"}),
    "target": (f"{DOCKER}/link", {"target": "two"}, {f"{DOCKER}/link", DOCKER, KOLLA, "/usr"}),
    "folder": (DOCKER, {"mode": stat.S_IFDIR | 0o700}, {DOCKER, KOLLA, "/usr"}),
    "elsewhere": (f"{KOLLA}/latest", {"target": "none"}, {KOLLA, "/usr"}),
    "name": (ONE, {"path": f"{DOCKER}/three"}, {ONE, DOCKER, KOLLA, "/usr"}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_who_takes_what_changed_sees_it(tmp_path: Path, change: str) -> None:
    path, other, seen = CHANGES[change]
    before = hashes(tmp_path, *FILES)
    files = [replace(file, **other) if file.path == path else file for file in FILES]
    after = hashes(tmp_path, *files, version="2.0")
    assert {path for path in before if before[path] != after[path]} == seen


def test_what_the_header_does_not_say_is_unknown(tmp_path: Path) -> None:
    found = files_of(write(tmp_path, rpm("kolla", "1.0", *FILES)))
    for path in ("/", "/none", "/usr/share/koll", f"{KOLLA}/latest/one", f"{ONE}/x"):
        assert taken(found, path, EPOCH) is None
    for content in (b"", b"!<arch>\ndebian-binary", b"\xed\xab\xee\xdb" + bytes(200)):
        (tmp_path / "file").write_bytes(content)
        assert files_of(tmp_path / "file") == {}
    whole = next(tmp_path.glob("*.rpm")).read_bytes()
    for size in range(0, 2000, 7):
        (tmp_path / "file").write_bytes(whole[:size])
        assert files_of(tmp_path / "file") in ({}, found)
    assert files_of(tmp_path / "none") == {}
