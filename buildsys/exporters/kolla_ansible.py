"""Kolla-Ansible: variables that make it deploy these images, for `globals.d/*.yml`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from buildsys.diagnostics import Refused
from buildsys.exporters.request import Export, Request, same_names
from buildsys.exporters.set_data import entries, require_known, texts
from buildsys.exporters.starting import without_starter
from buildsys.exporters.text import yaml


def export(request: Request) -> Export:
    """One file. Its variables are named after the images, unless the data of the set names them.

    A parent of other images is not a service: it has a variable only if the data names one.

    Raises:
        Refused: two images would have one variable (`export-bad-name`), or the data of the set is wrong.
    """
    named = _variables(request)
    below = {name for image in request.set.images.values() for name in image.dependencies()}
    called = [
        (f"{variable}_image_full", name, request.data.at(name) if name in named else image.spot)
        for name, image in zip(request.names, request.images, strict=True)
        if name in named or name not in below
        for variable in named.get(name, (name.replace("-", "_").replace(".", "_"),))
    ]
    if wrong := list(same_names(called, "Kolla-Ansible")):
        raise Refused(wrong)
    values = {variable: request.pinned(name) for variable, name, _ in called}
    first = request.naming(request.set.images[request.names[0]].reference)
    head = {
        "docker_registry": first.registry,
        "docker_namespace": first.namespace,
        "openstack_release": first.tag,
    }
    comment = f"{request.set.name}, exported by `buildsys export kolla-ansible`.\nPut it into globals.d/."
    text = yaml({**head, **dict(sorted(values.items()))}, comment)
    notes = without_starter(request, (name for _, name, _ in called), "Kolla-Ansible")
    return Export({f"{request.set.name}.yml": text}, notes=tuple(notes))


def _variables(request: Request) -> Mapping[str, tuple[str, ...]]:
    """Images with other names there: `image: [variable, …]`, without the suffix `_image_full`."""
    if request.data.content is None:
        return {}
    return dict(_named(request))


def _named(request: Request) -> Iterator[tuple[str, tuple[str, ...]]]:
    names = entries(request, "Kolla-Ansible")
    require_known(request, ((name, (name,)) for name in names))
    for name in names:
        yield name, texts(request.data, name)
