"""OpenStack-Helm: values that make its charts deploy these images, one file a chart."""

from __future__ import annotations

from buildsys.diagnostics import Code, Diagnostic, Refused
from buildsys.exporters.request import Export, Subject
from buildsys.exporters.set_data import entries, mapping, require_known
from buildsys.exporters.text import yaml


def export(subject: Subject) -> Export:
    """A file for each chart of the set's data, `chart: {tag of the chart: image}`; without images, no file.

    Tags whose images are not exported are said in a note: the chart would take its own for them.

    Raises:
        Refused: the set has no data for OpenStack-Helm, or wrong data.
    """
    texts, notes = {}, []
    for chart in entries(subject, "OpenStack-Helm"):
        tags = mapping(subject.data, (chart,))
        for tag, name in tags.items():
            if not isinstance(name, str):
                spot = subject.data.at(chart, tag)
                raise Refused([Diagnostic(spot, Code.WRONG_TYPE, "the name of an image is wanted here")])
        require_known(subject, ((name, (chart, tag)) for tag, name in tags.items()))
        known = {tag: subject.pinned(name) for tag, name in tags.items() if name in subject.names}
        if known and (missing := sorted(tags.keys() - known.keys())):
            notes.append(f"{chart}: the chart's own images stay for {', '.join(missing)}")
        if known:
            comment = f"{subject.set.name}, exported by `buildsys export openstack-helm`.\n"
            comment += f"helm upgrade --install {chart} ./{chart} --values {chart}.yaml"
            texts[f"{chart}.yaml"] = yaml({"images": {"tags": dict(sorted(known.items()))}}, comment)
    return Export(texts, notes=tuple(notes))
