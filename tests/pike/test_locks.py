"""The lock of stable-pike, byte by byte the same whichever of dnf's libraries solves."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from buildsys.image import LockedPackage
from buildsys.lock.lockfile import Lock, LockedImage, Metadata, read, text
from tests.conftest import BuiltPike
from tests.lock.libraries import answers, image, request, step

pytestmark = pytest.mark.real

EXPECTED = Path(__file__).parent / "expected/packages.txt"


def question(lock: Lock, repository: Path) -> dict[str, Any]:
    """What was asked when the lock was made. Images stand in it by name, and are asked parents first."""
    images: dict[str, LockedImage] = {}
    while len(images) < len(lock.images):
        images |= {name: item for name, item in lock.images.items() if item.parent in {"", *images}}
    asked = [
        image(
            name,
            item.parent,
            *(
                step(
                    *(names if kind == "install" else ()),
                    remove=names if kind == "remove" else (),
                    update=kind == "update",
                )
                for kind, *names in (part.asked for part in item.steps)
            ),
        )
        for name, item in images.items()
    ]
    payloads = [{"name": name, "held": ""} for name in lock.payloads]
    return request(dict.fromkeys(lock.repositories, repository), asked, payloads=payloads)


def answered(lock: Lock, answer: dict[str, Any]) -> Lock:
    """The lock with what a library answers."""
    assert answer["problems"] == []

    def rows(found: list[dict[str, Any]]) -> tuple[LockedPackage, ...]:
        return tuple(LockedPackage(**row) for row in found)

    images = {}
    for name, item in lock.images.items():
        steps = zip(item.steps, answer["images"][name], strict=True)
        images[name] = replace(
            item, steps=tuple(replace(part, packages=rows(found)) for part, found in steps)
        )
    return replace(
        lock,
        images=images,
        payloads={name: LockedPackage(**row) for name, row in answer["payloads"].items()},
        repositories={name: Metadata(**row) for name, row in answer["repositories"].items()},
    )


def test_each_library_gives_the_bytes_that_are_there(
    built_pike: BuiltPike, golden: Callable[[str, Path], None]
) -> None:
    file = built_pike.build / "standins/stable-pike/lock.yaml"
    lock = read(file, image_set="stable-pike", site="embedded")
    for answer in answers(question(lock, built_pike.repository)):
        assert text(answered(lock, answer)) == file.read_text()
    # A host has one library, seldom both: what another one answered elsewhere is written down. The version of
    # busybox says what is in this host's.
    names = {name: [item.nevra for item in locked.packages()] for name, locked in lock.images.items()}
    lines = (f"{name}: {' '.join(found)}\n" for name, found in sorted(names.items()))
    golden(re.sub(r"\bbusybox-\S+", "busybox", "".join(lines)), EXPECTED)
