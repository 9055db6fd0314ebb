"""The Containerfiles, and a file by which `docker buildx bake` builds all of them, parents first."""

from __future__ import annotations

import re
from typing import Any

from buildsys.diagnostics import Refused
from buildsys.exporters import containerfiles
from buildsys.exporters.containerfiles.as_written import CONTEXT, folders, values
from buildsys.exporters.names import same_names
from buildsys.exporters.request import Export, Subject
from buildsys.exporters.text import as_json
from buildsys.image import Image


def export(subject: Subject) -> Export:
    """See `containerfiles.export`; bake does not read FROM, so `contexts` says who is made from whom.

    Raises:
        Refused: bake would call two images the same (`export-bad-name`).
    """
    called = ((target_name(image.name), image.name, image.spot) for image in subject.images)
    if wrong := list(same_names(called, "bake")):
        raise Refused(wrong)
    made = containerfiles.export(subject)
    targets = {target_name(image.name): _target(subject, image) for image in subject.images}
    group = {"default": {"targets": list(targets)}}
    made.texts["docker-bake.json"] = as_json({"group": group, "target": targets})
    return made


def target_name(image: str) -> str:
    """An image's name as one of bake, which takes no dots."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", image)


def _target(subject: Subject, image: Image) -> dict[str, Any]:
    target: dict[str, Any] = {
        "context": f"images/{image.name}/{CONTEXT}" if image.containerfile else f"images/{image.name}",
        "dockerfile": "../Containerfile" if image.containerfile else "Containerfile",
        "tags": [subject.reference(image.name)],
    }
    links = {
        subject.reference(name): f"target:{target_name(name)}"
        for name in image.dependencies()
        if name in subject.names
    }
    if image.containerfile:
        links |= {name: f"images/{image.name}/{place}" for name, place in folders(image.containerfile)}
        secrets = [f"id={item.name}" for item in image.containerfile.secrets]
        target |= {"secret": secrets} if secrets else {}
    if links:
        target["contexts"] = links
    if image.containerfile and (arguments := dict(values(subject, image.containerfile))):
        target["args"] = arguments
    annotations = [f"{name}={value}" for name, value in sorted(image.config.annotations.items())]
    return target | ({"annotations": annotations} if annotations else {})
