"""The CentOS Container Pipeline: `index.d/NAMESPACE.yaml`, and a `cccp.yml` for each Containerfile."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused
from buildsys.exporters import containerfiles
from buildsys.exporters.containerfiles.as_written import CONTEXT
from buildsys.exporters.request import Export, Request, same_names
from buildsys.exporters.text import yaml
from buildsys.image import BaseImage, Image, ImageReference

_JOB = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def export(request: Request) -> Export:
    """One file of the index, named by the namespace; each image depends on those that it is built from.

    Raises:
        Refused: the option for the repository or the mail address is missing (`export-needs-option`), or two
            images would have one name in the pipeline, or none (`export-bad-name`).
    """
    _require(request)
    made = containerfiles.export(request)
    namespace = _called(request, request.images[0]).namespace
    entries = [_entry(request, image, number) for number, image in enumerate(request.images, 1)]
    comment = f"{request.set.name}: exported by `buildsys export container-index`; edit the recipes instead."
    made.texts[f"index.d/{namespace}.yaml"] = yaml({"Projects": entries}, comment)
    for image in request.images:
        job = {"job-id": _called(request, image).name, "test-skip": True}
        made.texts[f"images/{image.name}/cccp.yml"] = yaml(job)
    return made


def _called(request: Request, image: Image) -> ImageReference:
    called = request.naming(image.reference)
    return ImageReference(called.registry, called.namespace, "", called.prefix + called.name, called.tag)


def _entry(request: Request, image: Image, number: int) -> dict[str, Any]:
    called = _called(request, image)
    needs = list(_needs(request, image))
    return {
        "id": number,
        "app-id": called.namespace,
        "job-id": called.name,
        "git-url": request.options["git_url"],
        "git-branch": request.options.get("git_branch") or "master",
        "git-path": f"images/{image.name}",
        "target-file": "Containerfile",
        "desired-tag": called.tag,
        "notify-email": request.options["notify_email"],
        "build-context": f"./{CONTEXT}" if image.containerfile else "./",
        "depends-on": (needs[0] if len(needs) == 1 else needs) if needs else None,
    }


def _needs(request: Request, image: Image) -> Iterator[str]:
    """Images to be built before, by their names in the index, which has no images of other registries."""
    registry = request.naming(image.reference).registry
    written = image.containerfile
    outside = [image.parent.reference] if isinstance(image.parent, BaseImage) else []
    outside += [item.reference for item in written.others] if written else []
    for reference in dict.fromkeys(outside):
        if reference.startswith(f"{registry}/"):
            path = reference.removeprefix(f"{registry}/")
            yield path if ":" in path else f"{path}:latest"
    for name in image.dependencies():
        called = _called(request, request.set.images[name])
        yield f"{called.namespace}/{called.name}:{called.tag}"


def _require(request: Request) -> None:
    found = [
        Diagnostic(NOWHERE, Code.EXPORT_NEEDS_OPTION, f"the format container-index needs --{option}: {what}")
        for option, what in (
            ("git-url", "the repository that this tree is pushed to"),
            ("notify-email", "the address for mails about failures"),
        )
        if not request.options.get(option.replace("-", "_"))
    ]
    jobs = []
    for image in request.images:
        called = _called(request, image)
        job = re.sub("[_/.:]", "-", f"{called.namespace}-{called.name}-{called.tag}").lower()
        if not _JOB.fullmatch(job):
            message = f"the pipeline cannot have a job named {job}"
            found.append(Diagnostic(image.spot, Code.EXPORT_BAD_NAME, message))
        jobs.append((job, image.name, image.spot))
    found += same_names(jobs, "the pipeline")
    if found:
        raise Refused(found)
