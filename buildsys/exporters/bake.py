"""The Containerfiles, and a file for `docker buildx bake` that builds all of them, parents first."""

from __future__ import annotations

import re
from typing import Any

from buildsys.diagnostics import Refused
from buildsys.exporters import containerfiles
from buildsys.exporters.containerfiles.as_written import CONTEXT, folders, values
from buildsys.exporters.request import Export, Request, same_names
from buildsys.exporters.text import as_json
from buildsys.image import Image


def export(request: Request) -> Export:
    """See `containerfiles.export`; bake does not read FROM, so `contexts` names the parents.

    Raises:
        Refused: two images would have one name in bake (`export-bad-name`).
    """
    called = ((target_name(image.name), image.name, image.spot) for image in request.images)
    if wrong := list(same_names(called, "bake")):
        raise Refused(wrong)
    made = containerfiles.export(request)
    targets = {target_name(image.name): _target(request, image) for image in request.images}
    group = {"default": {"targets": list(targets)}}
    made.texts["docker-bake.json"] = as_json({"group": group, "target": targets})
    return made


def target_name(image: str) -> str:
    """The name of an image in bake, which allows no dots."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", image)


def _target(request: Request, image: Image) -> dict[str, Any]:
    target: dict[str, Any] = {
        "context": f"images/{image.name}/{CONTEXT}" if image.containerfile else f"images/{image.name}",
        "dockerfile": "../Containerfile" if image.containerfile else "Containerfile",
        "tags": [request.reference(image.name)],
    }
    links = {
        request.reference(name): f"target:{target_name(name)}"
        for name in image.dependencies()
        if name in request.names
    }
    if image.containerfile:
        links |= {name: f"images/{image.name}/{place}" for name, place in folders(image.containerfile)}
        secrets = [f"id={item.name}" for item in image.containerfile.secrets]
        target |= {"secret": secrets} if secrets else {}
    if links:
        target["contexts"] = links
    if image.containerfile and (arguments := dict(values(request, image.containerfile))):
        target["args"] = arguments
    annotations = [f"{name}={value}" for name, value in sorted(image.config.annotations.items())]
    return target | ({"annotations": annotations} if annotations else {})
