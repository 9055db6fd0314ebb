"""What the sites of stable-pike can give: known before anything is asked or built."""

from __future__ import annotations

import pytest

from buildsys.lock.requests import buildable
from buildsys.recipe.library import load_set
from buildsys.resolve import resolve
from tests.conftest import ROOT

PIKE = ROOT / "recipes/stable-pike"
LACKS = {
    "embedded": {},
    "host": {"fluentd": "no gems"},
    "rdo": {
        "fluentd": "no gems",
        "opendaylight": "no package opendaylight",
        "sensu-base": "no package sensu",
        "sensu-client": "no package sensu",
    },
}


@pytest.mark.parametrize("site", LACKS)
def test_what_a_site_cannot_build_and_why(site: str) -> None:
    image_set = resolve(load_set(PIKE), site=site, variables={}, stand_ins=None)
    absent = {name: item.reason.removeprefix("it has ") for name, item in image_set.absent.items()}
    assert absent == LACKS[site]
    assert len(image_set.images) == 108
    can = len(buildable(image_set).images)
    (row,) = [line for line in (PIKE / "README.md").read_text().splitlines() if f"| `{site}` | " in line]
    assert f"| {can}" in row
