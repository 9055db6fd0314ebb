"""The CentOS Container Pipeline: `index.d/NAMESPACE.yaml`, and a `cccp.yml` beside each Containerfile."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused
from buildsys.exporters import containerfiles
from buildsys.exporters.containerfiles.as_written import CONTEXT
from buildsys.exporters.names import same_names
from buildsys.exporters.request import Export, Subject
from buildsys.exporters.text import yaml
from buildsys.image import BaseImage, Image, ImageReference

_JOB = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def export(subject: Subject) -> Export:
    """One file of the index, named by the namespace; each image is built after all that it is made from.

    Raises:
        Refused: the repository or the address for mails is not told (`export-needs-option`), or the pipeline
            would give two images one name, or none (`export-bad-name`).
    """
    _require(subject)
    made = containerfiles.export(subject)
    namespace = _called(subject, subject.images[0]).namespace
    entries = [_entry(subject, image, number) for number, image in enumerate(subject.images, 1)]
    comment = f"{subject.set.name}: exported by `buildsys export container-index`; edit the recipes instead."
    made.texts[f"index.d/{namespace}.yaml"] = yaml({"Projects": entries}, comment)
    for image in subject.images:
        job = {"job-id": _called(subject, image).name, "test-skip": True}
        made.texts[f"images/{image.name}/cccp.yml"] = yaml(job)
    return made


def _called(subject: Subject, image: Image) -> ImageReference:
    called = subject.naming(image.reference)
    return ImageReference(called.registry, called.namespace, "", called.prefix + called.name, called.tag)


def _entry(subject: Subject, image: Image, number: int) -> dict[str, Any]:
    called = _called(subject, image)
    needs = list(_needs(subject, image))
    return {
        "id": number,
        "app-id": called.namespace,
        "job-id": called.name,
        "git-url": subject.options["git_url"],
        "git-branch": subject.options.get("git_branch") or "master",
        "git-path": f"images/{image.name}",
        "target-file": "Containerfile",
        "desired-tag": called.tag,
        "notify-email": subject.options["notify_email"],
        "build-context": f"./{CONTEXT}" if image.containerfile else "./",
        "depends-on": (needs[0] if len(needs) == 1 else needs) if needs else None,
    }


def _needs(subject: Subject, image: Image) -> Iterator[str]:
    """What must be there before, by the index's names; a base of another registry is not in the index."""
    registry = subject.naming(image.reference).registry
    written = image.containerfile
    outside = [image.parent.reference] if isinstance(image.parent, BaseImage) else []
    outside += [item.reference for item in written.others] if written else []
    for reference in dict.fromkeys(outside):
        if reference.startswith(f"{registry}/"):
            path = reference.removeprefix(f"{registry}/")
            yield path if ":" in path else f"{path}:latest"
    for name in image.dependencies():
        called = _called(subject, subject.set.images[name])
        yield f"{called.namespace}/{called.name}:{called.tag}"


def _require(subject: Subject) -> None:
    found = [
        Diagnostic(NOWHERE, Code.EXPORT_NEEDS_OPTION, f"the format container-index needs --{option}: {what}")
        for option, what in (
            ("git-url", "the repository that this tree is pushed to"),
            ("notify-email", "who is told of failures"),
        )
        if not subject.options.get(option.replace("-", "_"))
    ]
    jobs = []
    for image in subject.images:
        called = _called(subject, image)
        job = re.sub("[_/.:]", "-", f"{called.namespace}-{called.name}-{called.tag}").lower()
        if not _JOB.fullmatch(job):
            message = f"the pipeline cannot take {job} for the name of a job"
            found.append(Diagnostic(image.spot, Code.EXPORT_BAD_NAME, message))
        jobs.append((job, image.name, image.spot))
    found += same_names(jobs, "the pipeline")
    if found:
        raise Refused(found)
