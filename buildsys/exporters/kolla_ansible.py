"""Kolla-Ansible: variables that make it deploy these images, to be given as `globals.d/*.yml`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from buildsys.diagnostics import Refused
from buildsys.exporters.names import same_names
from buildsys.exporters.request import Export, Subject
from buildsys.exporters.set_data import entries, require_known, texts
from buildsys.exporters.starting import without_starter
from buildsys.exporters.text import yaml


def export(subject: Subject) -> Export:
    """One file. Its variables are called after the images, unless the set's data says otherwise.

    What other images are made from is no service, so it has a variable only where the data gives it one.

    Raises:
        Refused: two images would have one variable (`export-bad-name`), or the set's data is wrong.
    """
    named = _variables(subject)
    below = {name for image in subject.set.images.values() for name in image.dependencies()}
    called = [
        (f"{variable}_image_full", name, subject.data.at(name) if name in named else image.spot)
        for name, image in zip(subject.names, subject.images, strict=True)
        if name in named or name not in below
        for variable in named.get(name, (name.replace("-", "_").replace(".", "_"),))
    ]
    if wrong := list(same_names(called, "Kolla-Ansible")):
        raise Refused(wrong)
    values = {variable: subject.pinned(name) for variable, name, _ in called}
    first = subject.naming(subject.set.images[subject.names[0]].reference)
    head = {
        "docker_registry": first.registry,
        "docker_namespace": first.namespace,
        "openstack_release": first.tag,
    }
    comment = f"{subject.set.name}, exported by `buildsys export kolla-ansible`.\nPut it into globals.d/."
    text = yaml({**head, **dict(sorted(values.items()))}, comment)
    notes = without_starter(subject, (name for _, name, _ in called), "Kolla-Ansible")
    return Export({f"{subject.set.name}.yml": text}, notes=tuple(notes))


def _variables(subject: Subject) -> Mapping[str, tuple[str, ...]]:
    """Images that go by other names there: `image: [variable, …]`, without the `_image_full`."""
    if subject.data.content is None:
        return {}
    return dict(_named(subject))


def _named(subject: Subject) -> Iterator[tuple[str, tuple[str, ...]]]:
    names = entries(subject, "Kolla-Ansible")
    require_known(subject, ((name, (name,)) for name in names))
    for name in names:
        yield name, texts(subject.data, name)
