"""A set as jobs of a CI system: groups of images, and the script that all jobs run.

A job builds its images by the plan. The work registry (BS_REGISTRY) carries the plan and all images from job
to job, so any job may build anything: groups only divide the work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from buildsys.exporters.request import Request
from buildsys.graph import ImageGraph
from buildsys.image import Image
from buildsys.shell import words

RUNNERS = 4
"""Runners at once, where no other number is asked for."""
TRUNK = "trunk"

TEXT = Path(__file__).parent / "ci-job.sh"
HEAD = """\
#!/bin/bash
# A job of the image set {set}. Written by `buildsys export`: when {set} changes, export it again.
"""


@dataclass(frozen=True, slots=True)
class Job:
    """A job of a pipeline, in the order of the pipeline."""

    name: str
    """`plan`, `trunk`, `group-N`, `publish`."""
    words: tuple[str, ...]
    """The words that its script takes."""
    needs: tuple[str, ...]
    """Names of the jobs that end before it begins."""

    def command(self, request: Request) -> str:
        """The command of the job, as a shell reads it."""
        return words(("bash", script_path(request), *self.words))


def script_path(request: Request) -> str:
    """The path of the script in the repository."""
    return f"ci/{request.set.name}/job.sh"


def jobs(request: Request) -> list[Job]:
    """All jobs of a set, on as many runners at once as the option `runners` has, parents before children."""
    runners = int(request.options.get("runners") or RUNNERS)
    needed = ImageGraph(request.set.images).select(request.names, parents=True, children=False)
    trunk, groups = divided({name: request.set.images[name] for name in needed}, runners)
    made = [Job("plan", ("plan",), ())]
    if trunk:
        made.append(Job(TRUNK, ("build", *trunk), ("plan",)))
    before = made[-1].name
    for number, names in enumerate(groups, 1):
        made.append(Job(f"group-{number}", ("build", *names), (before,)))
    ends = tuple(job.name for job in made if job.name.startswith("group-")) or (before,)
    return [*made, Job("publish", ("publish",), ends)]


def divided(images: Mapping[str, Image], runners: int) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The trunk, which is built first, and at most `runners` groups that need nothing of one another.

    A group is made of whole subtrees. The trunk has the images whose subtree weighs more than the share of a
    runner, and those that another group reads. All names are in build order.
    """
    graph = ImageGraph(images)
    own = {name: weight(image) for name, image in images.items()}
    share = sum(own.values()) / runners
    trunk: set[str] = set()
    for name in graph.order():
        below = graph.descendants(name)
        if runners > 1 and below and own[name] + sum(own[child] for child in below) > share:
            trunk |= {name, *graph.ancestors(name)}
    while True:
        tree = _roots(graph, trunk)
        read = {
            need
            for name in tree
            for need in graph.parents_of(name)
            if need in tree and tree[need] != tree[name]
        }
        if not read:
            break
        for name in read:
            trunk |= {name, *graph.ancestors(name)}
    heaviness: dict[str, float] = {}
    for name, root in tree.items():
        heaviness[root] = heaviness.get(root, 0) + own[name]
    bins: list[tuple[float, set[str]]] = [(0, set()) for _ in range(runners)]
    for root in sorted(heaviness, key=lambda name: (-heaviness[name], name)):
        lightest = min(range(runners), key=lambda number: (bins[number][0], number))
        load, roots = bins[lightest]
        bins[lightest] = (load + heaviness[root], roots | {root})
    order = graph.order()
    groups = [tuple(name for name in order if tree.get(name) in roots) for _, roots in bins if roots]
    return tuple(name for name in order if name in trunk), groups


def weight(image: Image) -> float:
    """A rough cost, without a clock: the number of instructions and packages."""
    return 1.0 + sum(1 + len(getattr(step, "packages", ())) / 10 for step in image.instructions)


def _roots(graph: ImageGraph, trunk: Iterable[str]) -> dict[str, str]:
    """Image outside of the trunk -> the first image of its subtree."""
    left_out = set(trunk)
    found: dict[str, str] = {}
    for name in graph.order():
        if name not in left_out:
            above = next((need for need in graph.parents_of(name) if need in found), None)
            found[name] = found[above] if above else name
    return found


def script(request: Request) -> str:
    """The script of all jobs."""
    image_set, origin = request.set, request.set.origin
    arguments = [image_set.name, "--site", image_set.site.name]
    for path in origin.overlays:
        arguments += ["--overlay", path]
    for name, setting in origin.variables.items():
        if setting.where == "--variable":
            arguments += ["--set", f"{name}={setting.value}"]
    if image_set.part:
        arguments += ["--platform", image_set.platform]
    whole = len(request.names) == len(image_set.images)
    values = {
        "SET": words([image_set.name]),
        "FOLDER": words([".".join(part for part in (image_set.name, image_set.part) if part)]),
        "ARGUMENTS": f"({words(arguments)})",
        "GOALS": "()" if whole else f"({words(request.names)})",
    }
    head = HEAD.format(set=image_set.name)
    return head + "".join(f"{name}={value}\n" for name, value in values.items()) + TEXT.read_text("utf-8")
