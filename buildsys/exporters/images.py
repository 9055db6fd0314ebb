"""Plain lists of the images: `images.txt` for people and shells, `images.json` for programs."""

from __future__ import annotations

from typing import Any

from buildsys.exporters.request import Export, Request, packages
from buildsys.exporters.text import as_json
from buildsys.image import Image, ImageSet, ParentImage


def export(request: Request) -> Export:
    """Both files; one line or entry for each image, parents before children."""
    lines = "".join(f"{request.pinned(name)}\n" for name in request.names)
    head = {"set": request.set.name, "site": request.set.site.name, "format": request.set.format}
    rows = [{"image": image.name, **described(request, image)} for image in request.images]
    return Export({"images.txt": lines, "images.json": as_json({**head, "images": rows})})


def described(request: Request, image: Image) -> dict[str, Any]:
    """The entry of an image; the next release notes are compared with it."""
    check = health_check(request.set, image)
    return {
        "reference": request.reference(image.name),
        "digest": request.digests.get(image.name),
        "tags": list(request.tags.get(image.name, ())),
        "parent": image.parent.name if isinstance(image.parent, ParentImage) else None,
        "reads": [name for name in image.dependencies() if name != getattr(image.parent, "name", None)],
        # The OCI format has no field for it: the deployment must run this command.
        "healthcheck": list(check) if check else None,
        "packages": [
            {"name": name, "evr": evr, "arch": arch}
            for name, evr, arch in sorted({(item.name, item.evr, item.arch) for item in packages(image)})
        ],
    }


def health_check(image_set: ImageSet, image: Image) -> tuple[str, ...] | None:
    """The command of the health check of an image or of its nearest parent that has one."""
    while image.config.healthcheck is None:
        if not isinstance(image.parent, ParentImage):
            return None
        image = image_set.images[image.parent.name]
    return image.config.healthcheck.command
