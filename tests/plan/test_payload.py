"""What a package's header says of its files: equal hashes mean equal copies."""

from __future__ import annotations

import os
import stat
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from buildsys.image import CopyPayload, Repository
from buildsys.packages import rpm_payload
from buildsys.packages.rpm_payload import _capability, files_of, taken
from buildsys.plan.compile import compile_plan
from buildsys.standins.rpm_file import File
from tests.plan.sets import BASE, EPOCH, image, image_set, locked, package, site
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


RAW = bytes.fromhex("0100000200200000000000000000000000000000")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", ""),
        ("=", ""),
        ("cap_net_raw=ep", f"0x{RAW.hex()}"),
        ("= cap_net_raw+ep", f"0x{RAW.hex()}"),
        ("cap_net_raw+p cap_net_raw+e", f"0x{RAW.hex()}"),
        ("cap_net_raw,cap_chown=eip cap_chown-eip", "0x0100000200200000002000000000000000000000"),
        ("cap_checkpoint_restore=i", "0x0000000200000000000000000000000000010000"),
        ("all=p", "0x00000002ffffffff00000000ff01000000000000"),
    ],
)
def test_capabilities_are_what_the_kernel_keeps(tmp_path: Path, text: str, value: str) -> None:
    assert _capability(text) == value
    if value and not text.startswith("all"):
        (tmp_path / "file").touch()
        assert subprocess.run(["setcap", text, tmp_path / "file"], check=False).returncode == 0
        assert os.getxattr(tmp_path / "file", "security.capability").hex() == value.removeprefix("0x")


def test_other_texts_are_no_capabilities() -> None:
    for text in ("cap_none=p", "cap_chown", "cap_chown=x", "ep"):
        with pytest.raises(ValueError, match="not"):
            _capability(text)


def test_a_copy_out_of_a_package_names_capabilities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They stand in the header alone: what unpacks a package does not see them."""
    tags = rpm_payload._tags
    texts = tuple("cap_net_raw=ep" if file.path == ONE else "" for file in FILES)
    monkeypatch.setattr(
        rpm_payload, "_tags", lambda content: {**tags(content), rpm_payload.CAPABILITIES: texts}
    )
    write(tmp_path, rpm("kolla", "1.0", *FILES))
    with_place = replace(locked("kolla"), location="kolla-1.0-1.noarch.rpm")
    steps = [
        CopyPayload(package=package("kolla"), source=source, to=to, mode="", owner="", locked=with_place)
        for source, to in ((ONE, "/bin/"), (DOCKER, "/docker"), (f"{DOCKER}/two", "/two"))
    ]
    at = site(locked=True, repositories=(Repository("os", str(tmp_path), "", "", ""),))
    plan = compile_plan(image_set(tmp_path, [image("x", BASE, *steps)], at=at))
    said = [line for line in plan.texts["keys/x"].splitlines() if "attributes" in line]
    value = f"security.capability 0x{RAW.hex()}"
    assert said == [f"do attributes /bin/one {value}", f"do attributes /docker/one {value}"]
    assert "setfattr" in plan.texts["plan.env"]
