"""A workflow of GitHub Actions that builds and publishes a set."""

from __future__ import annotations

from typing import Any

from buildsys.exporters.ci_jobs import jobs, script, script_path
from buildsys.exporters.request import Export, Request
from buildsys.exporters.text import yaml

COMMENT = """\
The image set {set}. Written by `buildsys export github`.
Variables of the repository: BS_REGISTRY, the work registry, such as ghcr.io/OWNER/work in lower case; BS_TO,
the destinations; BS_RUNNER, a label of runners that have the tools of the plan, and buildsys."""


def export(request: Request) -> Export:
    """The workflow, and the script of its jobs; the registry of the repository carries images."""
    name = request.set.name
    workflow: dict[str, Any] = {
        "name": name,
        "on": {"workflow_dispatch": {}, "push": {"paths": [f"recipes/{name}/**", f"ci/{name}/**"]}},
        "permissions": {"contents": "read", "packages": "write"},
        "concurrency": {"group": name},
        "env": {
            "BS_REGISTRY": "${{ vars.BS_REGISTRY }}",
            "BS_REGISTRY_USER": "${{ github.actor }}",
            "BS_REGISTRY_PASSWORD": "${{ secrets.GITHUB_TOKEN }}",
            "BS_RUN": "${{ github.run_id }}",
            "BS_TO": "${{ vars.BS_TO }}",
        },
        "jobs": {},
    }
    for job in jobs(request):
        needs = {"needs": list(job.needs)} if job.needs else {}
        workflow["jobs"][job.name] = {
            **needs,
            "runs-on": "${{ vars.BS_RUNNER || 'self-hosted' }}",
            "steps": [{"uses": "actions/checkout@v4"}, {"run": job.command(request)}],
        }
    place, path = script_path(request), f".github/workflows/{name}.yml"
    texts = {path: yaml(workflow, COMMENT.format(set=name)), place: script(request)}
    return Export(texts, programs=frozenset([place]))
