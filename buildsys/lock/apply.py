"""Put a lock into a resolved set: what asked for packages by name now names files exactly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from buildsys.image import (
    Bootstrap,
    CopyPayload,
    Image,
    ImageSet,
    Install,
    Instruction,
    LockedPackage,
    Transaction,
    Uninstall,
    UpdateAll,
)
from buildsys.lock.file import Lock


def apply_lock(image_set: ImageSet, lock: Lock) -> ImageSet:
    """The set with a `Transaction` in place of each Bootstrap, Install and UpdateAll.

    The lock must have been made for this set as it is (see `buildsys.lock.solve.request_hash`).
    """
    images = {name: _locked(image, lock) for name, image in image_set.images.items()}
    return replace(image_set, images=images, site=replace(image_set.site, locked=True))


def _locked(image: Image, lock: Lock) -> Image:
    return replace(image, instructions=tuple(_instructions(image, iter(lock.images[image.name]), lock)))


def _instructions(
    image: Image, transactions: Iterator[tuple[LockedPackage, ...]], lock: Lock
) -> Iterator[Instruction]:
    for step in image.instructions:
        match step:
            case Bootstrap() | Install():
                yield Transaction(next(transactions), step.packages, spot=step.spot)
            case UpdateAll():
                yield Transaction(next(transactions), (), spot=step.spot)
            case Uninstall():
                next(transactions)
                yield step
            case CopyPayload():
                yield replace(step, locked=lock.payloads[step.package.name])
            case _:
                yield step
