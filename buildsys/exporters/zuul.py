"""Jobs of Zuul that build and publish a set."""

from __future__ import annotations

from typing import Any

from buildsys.exporters.ci_jobs import jobs, script, script_path
from buildsys.exporters.request import Export, Request
from buildsys.exporters.text import yaml

COMMENT = """\
The image set {set}. Written by `buildsys export zuul`.
`bs_registry`, the work registry, and `bs_to`, the destinations, are variables of the site or of a parent job;
a secret `bs_registry_login` with `user` and `password` is for a registry that wants a login."""
PLAYBOOK = "Run by the jobs of the image set {set}. Written by `buildsys export zuul`."
ENVIRONMENT = {
    "BS_REGISTRY": "{{ bs_registry }}",
    "BS_REGISTRY_USER": "{{ (bs_registry_login | default({})).user | default('') }}",
    "BS_REGISTRY_PASSWORD": "{{ (bs_registry_login | default({})).password | default('') }}",
    "BS_RUN": "{{ zuul.buildset }}",
    "BS_TO": "{{ bs_to | default('') }}",
}


def export(request: Request) -> Export:
    """The jobs and the check pipeline of the project, the playbook that all of them run, and their script."""
    name = request.set.name
    playbook = f"ci/{name}/playbook.yaml"
    listed: list[Any] = []
    rows: list[Any] = []
    for job in jobs(request):
        called = f"{name}-{job.name}"
        listed.append(
            {
                "job": {
                    "name": called,
                    "run": playbook,
                    "vars": {"bs_command": job.command(request)},
                    "files": [f"^recipes/{name}/", f"^ci/{name}/"],
                }
            }
        )
        needs = {"dependencies": [f"{name}-{need}" for need in job.needs]} if job.needs else {}
        rows.append({called: needs} if needs else called)
    listed.append({"project": {"check": {"jobs": rows}}})
    task = {
        "name": "Run the script of the set",
        "command": {"cmd": "{{ bs_command }}", "chdir": "{{ zuul.project.src_dir }}"},
        "environment": ENVIRONMENT,
        "become": True,
    }
    texts = {
        f"zuul.d/{name}.yaml": yaml(listed, COMMENT.format(set=name)),
        playbook: yaml([{"hosts": "all", "tasks": [task]}], PLAYBOOK.format(set=name)),
        script_path(request): script(request),
    }
    return Export(texts, programs=frozenset([script_path(request)]))
