"""The files of a plan that order its steps, for make and for the shell. All Makefile text is here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from buildsys.image import Image, ImageSet
from buildsys.plan.step import Step
from buildsys.shell import assignment

FRONT = """\
# {set}: {count} images. Compiled by `buildsys plan {set}`; nothing here is meant to be edited.
#
#   make -j4              build what is stale, parents first, independent images side by side
#   make nova-api …       these images and what they are made from
#   make help             this text
#
# LAUNCH   a launcher each step is handed to (srun, …)       BS_STORE   options choosing the container store
# JOBS     images at once, without make's -j                 BS_FORCE=1 build even what is fresh
GOALS := $(or $(filter-out help,$(MAKECMDGOALS)),all)
.PHONY: .run help $(GOALS)
$(GOALS): .run ; @:
.run: ; +@MAKE='$(MAKE)' exec bash lib/run.sh $(GOALS)
help: ; @sed -n 's/^#  \\{{0,1\\}}//p' Makefile
"""


def front(image_set: ImageSet) -> str:
    """`Makefile`: passes the goals to lib/run.sh, which runs `images.mk`."""
    return FRONT.format(set=image_set.name, count=len(image_set.images))


def rules(steps: Sequence[Step], order: Sequence[str]) -> str:
    """`images.mk`: two stamps for each image. `order` is by remaining critical path, longest first.

    A step touches NAME.STAMP.checked whenever it examined the image, and NAME.id only if the id changed.
    Children depend on the second: a parent that is rebuilt with equal content leaves them alone.
    """
    lines = [
        "# Rules of the images; run by lib/run.sh, which knows the store. `all`: the longest chains first.",
        "MAKEFLAGS += --no-builtin-rules",
        ".SUFFIXES:",
        ".PHONY: all " + " ".join(order),
        "all: " + " ".join(f"state/{name}.id" for name in order),
        "",
    ]
    for step in steps:
        name = step.image.name
        checked = f"state/{name}.{step.stamp}.checked"
        needs = "".join(f" state/{parent}.id" for parent in step.image.dependencies())
        lines += [
            f"{checked}:{needs} ; @$(LAUNCH) steps/{name}.sh",
            f"state/{name}.id: {checked} ;",
            f"{name}: state/{name}.id",
        ]
    return "\n".join(lines) + "\n"


def graph(steps: Sequence[Step]) -> str:
    """`graph`: a line for each image, parents first: stamp, name, the images that it needs."""
    return "".join(
        " ".join((step.stamp, step.image.name, *step.image.dependencies())) + "\n" for step in steps
    )


def environment(values: Mapping[str, str]) -> str:
    """`plan.env`: variables that all steps and lib/run.sh share, as assignments."""
    return "".join(assignment(name, value) + "\n" for name, value in values.items())


def secrets(images: Iterable[Image]) -> str:
    """`secrets`: those that images mount, a line each: image, name, the Spot of the mount, the recipe's file.

    Tabs separate the fields. A secret that is optional and has no file is left out.
    """
    rows = (
        (image.name, item.name, str(item.spot), item.file)
        for image in images
        if image.containerfile
        for item in image.containerfile.secrets
        if item.required or item.file
    )
    return "".join("\t".join(row) + "\n" for row in rows)
