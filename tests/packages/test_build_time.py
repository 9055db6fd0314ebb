"""When packages were built, from their files: as rpm says, and as dpkg-deb wrote it."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import pytest

from buildsys.image import EmptyRoot, LockedPackage, Transaction, Uninstall
from buildsys.packages.apt import DEB
from buildsys.packages.rpm import RPM
from buildsys.plan.compile import compile_plan
from tests.apt.debs import make_deb
from tests.plan.sets import image, image_set, site
from tests.plan.sets import package as asked
from tests.rpms import MADE, rpm, write

Read = Callable[[BinaryIO], int]


def read(read: Read, file: Path) -> int:
    with file.open("rb") as opened:
        return read(opened)


def test_a_package_of_rpm(tmp_path: Path) -> None:
    file = write(tmp_path, rpm("stone"))
    command = ["rpm", "-qp", "--nosignature", "--qf", "%{BUILDTIME}", str(file)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert read(RPM.build_time, file) == int(said) == MADE


def test_a_package_of_dpkg(tmp_path: Path) -> None:
    file = make_deb(tmp_path, "stone", time=1600000000)
    assert read(DEB.build_time, file) == 1600000000


@pytest.mark.parametrize("reader", [RPM.build_time, DEB.build_time], ids=["rpm", "deb"])
def test_what_is_not_a_package_or_is_cut_short_has_no_time(reader: Read, tmp_path: Path) -> None:
    whole = {
        RPM.build_time: write(tmp_path, rpm("stone")).read_bytes(),
        DEB.build_time: make_deb(tmp_path, "stone").read_bytes(),
    }
    refused = 0
    for content in (b"", b"text", b"\0" * 5000, *(whole[reader][:end] for end in range(0, 2000, 7))):
        try:
            assert reader(BytesIO(content)) == MADE
        except (ValueError, struct.error):
            refused += 1
    assert refused > 3
    for other, content in whole.items():
        if other != reader:
            with pytest.raises((ValueError, struct.error)):
                reader(BytesIO(content))


def test_the_newest_package_of_an_image_is_in_its_step_and_its_key(tmp_path: Path) -> None:
    """Of its own packages, without those that it removes; of the parent's the run takes care."""

    def built(name: str, time: int) -> LockedPackage:
        file = make_deb(tmp_path / "pool", name, time=time)
        checksum = f"sha256:{time:064d}"
        package = LockedPackage(name, "", "1.0", "1", "all", "flat", checksum, file.name)
        file.rename(tmp_path / "pool" / package.pooled)
        return package

    (tmp_path / "pool").mkdir()
    old, new, late, odd = (
        built(name, time) for name, time in (("a", 1), ("b", 1600000000), ("c", 1700000000), ("d", 10**11))
    )
    at = replace(site("apt", locked=True), pool=str(tmp_path / "pool"))
    remove = Uninstall(packages=(asked("c"),), optional=False)
    images = [
        image("base", EmptyRoot(), Transaction((old, new), (), bootstrap=True)),
        image("child", "base", Transaction((old, late), ()), remove),
        image("none", "base"),
        image("far", "base", Transaction((odd,), ())),
    ]
    texts = compile_plan(image_set(tmp_path, images, at=at)).texts
    found = {
        name: [
            line.split("=")[1]
            for line in texts[f"steps/{name}.sh"].splitlines()
            if line.startswith("NEWEST=")
        ]
        for name in ("base", "child", "none", "far")
    }
    assert found == {
        "base": ["2020-09-13T12:26:40Z"],
        "child": ["1970-01-01T00:00:01Z"],
        "none": [],
        "far": ["5138-11-16T09:46:40Z"],
    }
    for name, times in found.items():
        lines = texts[f"keys/{name}"].splitlines()
        assert [line for line in lines if line.startswith("newest ")] == [f"newest {time}" for time in times]
