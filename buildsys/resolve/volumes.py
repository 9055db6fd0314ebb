"""RUNs of Containerfiles that name a path below a volume: what they write there is in no image."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from buildsys.diagnostics import Code, Diagnostic
from buildsys.image import Image, ParentImage
from buildsys.recipe.containerfile import Containerfile


def written_below(images: Mapping[str, Image], read: Mapping[str, Containerfile]) -> Iterator[Diagnostic]:
    """A remark for each such RUN; `read`: the Containerfile of each image that has one.

    A builder takes back what a RUN changes below a volume, of the file or of an image that it begins with.
    """
    for name, file in read.items():
        step = images[name].containerfile
        named = {item.written: item.image for item in step.images} if step else {}
        for command in file.commands:
            own = dict.fromkeys(command.volumes, "")
            inherited = _volumes(named.get(command.base, ""), images, read)
            for volume, where in (inherited | own).items():
                if re.search(rf"(?<![\w./-]){re.escape(volume)}(?=/|[^\w./-]|$)", command.text):
                    said = f" of '{where}'" if where else ""
                    message = f"what this RUN writes below {volume} is lost: it is a volume{said}"
                    hint = "write it before VOLUME is said, or COPY it there"
                    yield Diagnostic(command.spot, Code.BELOW_A_VOLUME, message, hint)


def _volumes(name: str, images: Mapping[str, Image], read: Mapping[str, Containerfile]) -> dict[str, str]:
    """The volumes that an image of the set has, each with the image that declares it; their parents' too."""
    found: dict[str, str] = {}
    while image := images.get(name):
        said = read[name].volumes if name in read else image.config.volumes
        found = {volume.rstrip("/"): name for volume in said} | found
        name = image.parent.name if isinstance(image.parent, ParentImage) else ""
    return found
