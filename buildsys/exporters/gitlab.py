"""A pipeline of GitLab CI that builds and publishes a set."""

from __future__ import annotations

from typing import Any

from buildsys.exporters.ci_jobs import jobs, script, script_path
from buildsys.exporters.request import Export, Request
from buildsys.exporters.text import yaml

COMMENT = """\
The image set {set} on {runners} runners. Written by `buildsys export gitlab`.
Include it: `include: {{local: {path}}}`. The runners need root or subordinate ids, and the tools of the
plan; those of plan and publish need buildsys, too. BS_TO, a variable of the project, has the destinations."""
RETRIED = ["runner_system_failure", "stuck_or_timeout_failure"]
"""Failures of a runner; a failed image is not built again."""


def export(request: Request) -> Export:
    """The pipeline, to be included, and the script of its jobs; the project's registry carries images."""
    name, made = request.set.name, jobs(request)
    path = f"ci/{name}/gitlab-ci.yml"
    pipeline: dict[str, Any] = {
        "stages": ["plan", "build", "publish"],
        f".{name}": {
            "variables": {
                "BS_REGISTRY": "$CI_REGISTRY_IMAGE/work",
                "BS_REGISTRY_USER": "$CI_REGISTRY_USER",
                "BS_REGISTRY_PASSWORD": "$CI_REGISTRY_PASSWORD",
                "BS_RUN": "$CI_PIPELINE_ID",
            },
            "retry": {"max": 2, "when": RETRIED},
        },
    }
    for job in made:
        pipeline[f"{name}:{job.name}"] = {
            "extends": f".{name}",
            "stage": job.name if job.name in pipeline["stages"] else "build",
            "needs": [f"{name}:{need}" for need in job.needs],
            "script": [job.command(request)],
        }
    runners = sum(job.name.startswith("group-") for job in made)
    comment = COMMENT.format(set=name, runners=runners or 1, path=path)
    place = script_path(request)
    return Export({path: yaml(pipeline, comment), place: script(request)}, programs=frozenset([place]))
