"""OpenStack-Helm: values that make its charts deploy these images, one file for each chart."""

from __future__ import annotations

from buildsys.diagnostics import Code, Diagnostic, Refused
from buildsys.exporters.request import Export, Request
from buildsys.exporters.set_data import entries, mapping, require_known
from buildsys.exporters.text import yaml


def export(request: Request) -> Export:
    """A file for each chart of the data of the set, `chart: {tag of the chart: image}`, that has images.

    A note names the tags without an exported image: the chart uses its own images for them.

    Raises:
        Refused: the set has no data for OpenStack-Helm, or wrong data.
    """
    texts, notes = {}, []
    for chart in entries(request, "OpenStack-Helm"):
        tags = mapping(request.data, (chart,))
        for tag, name in tags.items():
            if not isinstance(name, str):
                spot = request.data.at(chart, tag)
                raise Refused([Diagnostic(spot, Code.WRONG_TYPE, "this must be the name of an image")])
        require_known(request, ((name, (chart, tag)) for tag, name in tags.items()))
        known = {tag: request.pinned(name) for tag, name in tags.items() if name in request.names}
        if known and (missing := sorted(tags.keys() - known.keys())):
            notes.append(f"{chart}: the chart's own images stay for {', '.join(missing)}")
        if known:
            comment = f"{request.set.name}, exported by `buildsys export openstack-helm`.\n"
            comment += f"helm upgrade --install {chart} ./{chart} --values {chart}.yaml"
            texts[f"{chart}.yaml"] = yaml({"images": {"tags": dict(sorted(known.items()))}}, comment)
    return Export(texts, notes=tuple(notes))
