"""Formats of other systems. Pure: a resolved set and options in, files out.

A format is a module with `export(Request) -> Export`, and one entry in FORMATS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from buildsys.exporters.request import Export, Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A format, and the parts of a set that it needs."""

    module: str
    """Module of this package."""
    about: str
    """A description for people."""
    options: tuple[str, ...] = ()
    """Options that only some formats have, as keys of `Request.options`."""
    tree: bool = False
    """It builds the images: so it needs their parents, and the packages of the lock."""
    packages: bool = False
    """It lists packages."""
    plan: bool = False
    """It carries the set's plan, which builds the images there; references are the plan's."""
    plan_names: bool = False
    """It builds by the set's plan, made there; references are the plan's."""
    data: bool = False
    """It reads data of the set: `exports/FORMAT.yaml`."""

    def export(self, request: Request) -> Export:
        """The files of this format.

        Raises:
            Refused: the format cannot express the request.
        """
        call: Callable[[Request], Export] = import_module(f"buildsys.exporters.{self.module}").export
        return call(request)


FORMATS = {
    "containerfiles": Format(
        module="containerfiles", tree=True, options=("packages", "git"),
        about="a Containerfile an image with its context, their order, and a script that builds them",
    ),
    "bake": Format(
        module="bake", tree=True, options=("packages",),
        about="the same for docker buildx bake, with docker-bake.json",
    ),
    "container-index": Format(
        module="container_index", tree=True, options=("packages", "git_url", "git_branch", "notify_email"),
        about="the same for the CentOS Container Pipeline, with index.d/ and a cccp.yml an image",
    ),
    "tripleo": Format(
        module="tripleo", data=True, options=("services", "neutron_driver", "insecure", "push_destination"),
        about="TripleO's environment file of image parameters, and its list of images",
    ),
    "kolla-ansible": Format(
        module="kolla_ansible", data=True, about="variables NAME_image_full for Kolla-Ansible's globals.d/",
    ),
    "openstack-helm": Format(
        module="openstack_helm", data=True, about="a file of values a chart of OpenStack-Helm: images.tags",
    ),
    "rpm-spec": Format(
        module="rpm_spec", plan=True, options=("archive", "license", "package_version"),
        about="a spec file with which rpmbuild builds the images by the plan, its source",
    ),
    "gitlab": Format(
        module="gitlab", plan_names=True, options=("runners",),
        about="a pipeline of GitLab CI that builds the set on several runners, through a work registry",
    ),
    "github": Format(
        module="github", plan_names=True, options=("runners",),
        about="the same as a workflow of GitHub Actions",
    ),
    "zuul": Format(module="zuul", plan_names=True, options=("runners",), about="the same as jobs of Zuul"),
    "images": Format(
        module="images", packages=True, about="images.txt and images.json, with digests and packages",
    ),
    "release-notes": Format(
        module="release_notes", packages=True, options=("since",),
        about="Markdown: images, digests, packages, and what changed since an earlier images.json",
    ),
}  # fmt: skip
