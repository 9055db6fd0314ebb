"""Put a lock into a resolved set: instructions that ask for packages by name then name exact files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from buildsys.image import (
    BaseImage,
    Bootstrap,
    Containerfile,
    CopyPayload,
    Download,
    Image,
    ImageSet,
    Install,
    Instruction,
    PackageName,
    Transaction,
    Uninstall,
    UpdateAll,
)
from buildsys.lock.bases import pinned
from buildsys.lock.labels import labelled
from buildsys.lock.lockfile import Lock, LockedStep
from buildsys.lock.requests import present


def apply_lock(image_set: ImageSet, lock: Lock) -> ImageSet:
    """The set with a `Transaction` for each Bootstrap, Install and UpdateAll, and base images by digest.

    The lock must answer the set as it is (see `buildsys.lock.check`). Images that cannot be
    built at the site are left out.
    """
    image_set = present(image_set, lock.absent)
    images = labelled(image_set.images, lock, image_set.site.sources)
    images = {name: _locked(image, lock) for name, image in images.items()}
    return replace(image_set, images=images, site=replace(image_set.site, locked=True))


def _locked(image: Image, lock: Lock) -> Image:
    parent = image.parent
    if isinstance(parent, BaseImage):
        parent = BaseImage(pinned(parent.reference, lock.bases[parent.reference]))
    steps = iter(lock.images[image.name].steps)
    return replace(image, parent=parent, instructions=tuple(_instructions(image, steps, lock)))


def _instructions(image: Image, steps: Iterator[LockedStep], lock: Lock) -> Iterator[Instruction]:
    for step in image.instructions:
        match step:
            case Bootstrap() | Install():
                yield _transaction(next(steps), step.packages, step, bootstrap=isinstance(step, Bootstrap))
            case UpdateAll():
                yield _transaction(next(steps), (), step)
            case Uninstall():
                next(steps)
                yield step
            case CopyPayload():
                yield replace(step, locked=lock.payloads[step.package.name])
            case Download() if not step.sha256 and step.url in lock.downloads:
                yield replace(step, sha256=lock.downloads[step.url])
            case Containerfile(others=others):
                references = ((item, pinned(item.reference, lock.bases[item.reference])) for item in others)
                yield replace(
                    step, others=tuple(replace(item, reference=reference) for item, reference in references)
                )
            case _:
                yield step


def _transaction(
    locked: LockedStep, asked: tuple[PackageName, ...], step: Instruction, *, bootstrap: bool = False
) -> Transaction:
    return Transaction(locked.packages, asked, bootstrap, locked.early, spot=step.spot)
