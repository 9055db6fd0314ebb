"""Plain lists of the images: `images.txt` for people and shells, `images.json` for programs."""

from __future__ import annotations

from typing import Any

from buildsys.exporters.request import Export, Subject, packages
from buildsys.exporters.text import as_json
from buildsys.image import Image, ImageSet, ParentImage


def export(subject: Subject) -> Export:
    """Both files; a line an image, parents before children."""
    lines = "".join(f"{subject.pinned(name)}\n" for name in subject.names)
    head = {"set": subject.set.name, "site": subject.set.site.name, "format": subject.set.format}
    rows = [{"image": image.name, **described(subject, image)} for image in subject.images]
    return Export({"images.txt": lines, "images.json": as_json({**head, "images": rows})})


def described(subject: Subject, image: Image) -> dict[str, Any]:
    """What is told of an image; the next release notes are held against it."""
    check = health_check(subject.set, image)
    return {
        "reference": subject.reference(image.name),
        "digest": subject.digests.get(image.name),
        "parent": image.parent.name if isinstance(image.parent, ParentImage) else None,
        "reads": [name for name in image.dependencies() if name != getattr(image.parent, "name", None)],
        # In an OCI image there is no place for it: whoever deploys one runs this.
        "healthcheck": list(check) if check else None,
        "packages": [
            {"name": name, "evr": evr, "arch": arch}
            for name, evr, arch in sorted({(item.name, item.evr, item.arch) for item in packages(image)})
        ],
    }


def health_check(image_set: ImageSet, image: Image) -> tuple[str, ...] | None:
    """The command that says whether a container is well: the image's own, or the nearest parent's."""
    while image.config.healthcheck is None:
        if not isinstance(image.parent, ParentImage):
            return None
        image = image_set.images[image.parent.name]
    return image.config.healthcheck.command
