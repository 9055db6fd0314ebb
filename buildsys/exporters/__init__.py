"""Other systems' formats. Pure: a resolved set and what was asked for in, files out.

A module a format, with `export(Subject) -> Export`, and one line here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from buildsys.exporters.request import Export, Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """What a format is, and what of a set it needs."""

    module: str
    about: str
    options: tuple[str, ...] = ()
    """Options that not every format has."""
    tree: bool = False
    """It holds what images are made of: so their parents are in it, and packages as they are installed."""
    packages: bool = False
    """It tells of packages."""
    data: bool = False
    """The set's data of this consumer may say more: `exports/FORMAT.yaml`."""

    def export(self, subject: Subject) -> Export:
        """The files of this format.

        Raises:
            Refused: what is asked for cannot be said in it.
        """
        call: Callable[[Subject], Export] = import_module(f"buildsys.exporters.{self.module}").export
        return call(subject)


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
    "images": Format(
        module="images", packages=True, about="images.txt and images.json, with digests and packages",
    ),
    "release-notes": Format(
        module="release_notes", packages=True, options=("since",),
        about="Markdown: images, digests, packages, and what changed since an earlier images.json",
    ),
}  # fmt: skip
