"""Whether a lock answers what a set asks; if not, what changed since, at the lines of the recipes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused, Spot
from buildsys.image import Image, ImageSet, ParentImage
from buildsys.lock import requests
from buildsys.lock.lockfile import Lock, LockedImage, LockedStep
from buildsys.lock.requests import present

Difference = tuple[Spot, str, str]
"""Spot, text, and the image (empty: the site)."""


def require_answer(image_set: ImageSet, lock: Lock, path: str) -> None:
    """Make sure that a lock answers the set as it is now. Images that the set no longer has are ignored.

    Raises:
        Refused: it does not (`lock-outdated`), each difference at its line.
    """
    command = f"buildsys lock {image_set.name} --site {image_set.site.name}"
    found = []
    for spot, what, image in differences(image_set, lock):
        newest = " ".join([command, "--update", *([image] if image else [])])
        hint = f"`{command}` asks for what is new and keeps the rest; `{newest}` takes the newest"
        found.append(Diagnostic(spot, Code.LOCK_OUTDATED, f"{what}; {path} was made before that", hint))
    if found:
        raise Refused(found)


def differences(image_set: ImageSet, lock: Lock) -> list[Difference]:
    """What a set asks and a lock does not answer. Images that the site cannot build are ignored."""
    image_set = present(image_set, lock.absent)
    found = [*_site(image_set, lock)]
    for image in image_set.images.values():
        found += [(spot, what, image.name) for spot, what in _image(image, lock)]
    for package, image in requests.payloads(image_set):
        if package.name not in lock.payloads:
            what = f"'{image.name}' now copies from the package {package.name}"
            found.append((package.spot, what, image.name))
    return [*dict.fromkeys(found)]


def _site(image_set: ImageSet, lock: Lock) -> Iterator[Difference]:
    for reference, spot in requests.bases(image_set).items():
        if reference not in lock.bases:
            yield spot, f"the base image is now {reference}", ""
    if not image_set.site.host_repositories:
        there = {item.id for item in image_set.site.repositories}
        for name in sorted({item.repository for item in lock.packages().values()} - there):
            yield NOWHERE, f"the site '{image_set.site.name}' no longer has the repository '{name}'", ""
    for step, image in requests.downloads(image_set):
        known = lock.downloads.get(step.url)
        if known is None:
            yield step.spot, f"'{image.name}' now downloads {step.url}", image.name
        elif step.sha256 and step.sha256 != known:
            yield step.spot, f"the checksum of {step.url} is now another", image.name


def _image(image: Image, lock: Lock) -> Iterator[tuple[Spot, str]]:
    locked = lock.images.get(image.name)
    if locked is None:
        yield image.spot, f"the image '{image.name}' is new"
        return
    parent = image.parent.name if isinstance(image.parent, ParentImage) else ""
    if parent != locked.parent:
        yield image.parent_spot, f"'{image.name}' is now made from {parent or 'the base of the site'}"
    yield from _steps(image, locked)


def _steps(image: Image, locked: LockedImage) -> Iterator[tuple[Spot, str]]:
    for step, then in zip_longest(requests.package_steps(image), locked.steps):
        if then is None:
            yield step.spot, f"'{image.name}' now has this instruction"
        elif step is None:
            yield image.spot, f"'{image.name}' no longer has an instruction to {' '.join(then.asked)}"
        else:
            yield from _step(image, step, then)


def _step(image: Image, step: requests.PackageStep, then: LockedStep) -> Iterator[tuple[Spot, str]]:
    now = requests.asked(step)
    if now == then.asked:
        return
    if now[0] != then.asked[0]:
        yield step.spot, f"'{image.name}' now has another instruction here"
        return
    for item in requests.names(step):
        if item.name not in then.asked[1:]:
            yield item.spot, f"'{image.name}' now names the package {item.name}"
    for name in then.asked[1:]:
        if name not in now[1:]:
            yield step.spot, f"'{image.name}' no longer names the package {name}"
