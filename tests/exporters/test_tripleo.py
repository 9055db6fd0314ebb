"""TripleO's files for stable-pike, beside what its Heat templates ask for."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from buildsys.diagnostics import Refused, Spot
from buildsys.exporters import FORMATS
from buildsys.exporters.request import Data, Naming, Request
from buildsys.image import ImageSet
from buildsys.recipe import document
from buildsys.recipe.library import load_set
from buildsys.resolve import resolve
from tests.conftest import ROOT
from tests.exporters.sets import request

FACTS: dict[str, list[str]] = json.loads((Path(__file__).parent / "facts/tripleo.json").read_text())
"""Parameter -> the images that may be its value: two where the network's driver decides."""
PIKE = Path("recipes/stable-pike")
PREFIX = "localhost/tripleopike/centos-binary-"


@cache
def pike() -> ImageSet:
    return resolve(load_set(ROOT / PIKE), site=None, variables={}, stand_ins=None)


@cache
def data() -> Data:
    written = document.read(ROOT / PIKE / "exports/tripleo.yaml")
    return Data("exports/tripleo.yaml", written.data, written.key_spot)


def exported(of: Request) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """The parameters and the images."""
    texts = FORMATS["tripleo"].export(of).texts
    environment, images = (yaml.safe_load(text) for _, text in sorted(texts.items(), reverse=True))
    assert list(environment) == ["parameter_defaults"]
    assert list(images) == ["container_images"]
    return environment["parameter_defaults"], images["container_images"]


def test_every_parameter_of_pike_has_an_image_that_may_be_its_value() -> None:
    parameters, images = exported(request(pike(), data=data()))
    assert len(parameters) == 130
    assert parameters.keys() == FACTS.keys()
    for name, value in parameters.items():
        assert value in [f"{PREFIX}{image}:current-tripleo" for image in FACTS[name]], name
    assert {image["imagename"] for image in images} >= set(parameters.values())
    assert len(images) == len({image["imagename"] for image in images})


@pytest.mark.parametrize(
    ("driver", "server", "count"),
    [
        ("ovs", "neutron-server", 128),
        ("ovn", "neutron-server", 128),
        ("odl", "neutron-server-opendaylight", 130),
    ],
)
def test_the_driver_decides_who_serves_the_network(driver: str, server: str, count: int) -> None:
    parameters, images = exported(request(pike(), data=data(), options={"neutron_driver": driver}))
    assert parameters["DockerNeutronApiImage"] == f"{PREFIX}{server}:current-tripleo"
    assert len(parameters) == count
    names = {image["imagename"] for image in images}
    assert (f"{PREFIX}opendaylight:current-tripleo" in names) == (driver == "odl")


def test_services_choose() -> None:
    chosen = {"services": ("OS::TripleO::Services::Keystone", "OS::TripleO::Services::HeatEngine")}
    parameters, images = exported(request(pike(), data=data(), options=chosen))
    assert set(parameters) == {
        "DockerHeatApiConfigImage", "DockerHeatApiImage", "DockerHeatConfigImage", "DockerHeatEngineImage",
        "DockerKeystoneConfigImage", "DockerKeystoneImage",
    }  # fmt: skip
    short = [image["imagename"].removeprefix(PREFIX).partition(":")[0] for image in images]
    assert short == ["heat-api", "heat-engine", "keystone"]


def test_names_and_digests_are_those_of_the_registry() -> None:
    naming = Naming(registry="192.0.2.1:8787", namespace="mine", prefix="os-", suffix="-x", tag="1")
    digest = "sha256:" + "a" * 64
    options = {"insecure": ("192.0.2.1:8787",), "services": ("OS::TripleO::Services::Keystone",)}
    of = request(pike(), data=data(), naming=naming, digests={"keystone": digest}, options=options)
    parameters, images = exported(of)
    assert parameters == {
        "DockerInsecureRegistryAddress": ["192.0.2.1:8787"],
        "DockerKeystoneConfigImage": f"192.0.2.1:8787/mine/os-keystone-x@{digest}",
        "DockerKeystoneImage": f"192.0.2.1:8787/mine/os-keystone-x@{digest}",
    }
    assert images == [{"imagename": f"192.0.2.1:8787/mine/os-keystone-x@{digest}"}]


def test_images_that_are_pushed_first_are_deployed_from_there() -> None:
    options = {"push_destination": "192.0.2.1:8787", "services": ("OS::TripleO::Services::Keystone",)}
    parameters, images = exported(request(pike(), data=data(), options=options))
    there = "192.0.2.1:8787/tripleopike/centos-binary-keystone:current-tripleo"
    assert set(parameters.values()) == {there}
    here = f"{PREFIX}keystone:current-tripleo"
    assert images == [{"imagename": here, "push_destination": "192.0.2.1:8787"}]


def refused(of: Request) -> str:
    with pytest.raises(Refused) as found:
        FORMATS["tripleo"].export(of)
    return found.value.text()


def test_an_unknown_service() -> None:
    assert refused(
        request(pike(), data=data(), options={"services": ("OS::TripleO::Services::Keyston",)})
    ) == (
        "error: no image is for the service 'OS::TripleO::Services::Keyston' [export-unknown-service]\n"
        "  hint: did you mean 'OS::TripleO::Services::Keystone', 'OS::TripleO::Services::Redis' or "
        "'OS::TripleO::Services::NeutronApi'?"
    )


def test_an_unknown_driver() -> None:
    assert refused(request(pike(), data=data(), options={"neutron_driver": "midonet"})) == (
        "error: no image is for the network driver 'midonet' [bad-choice]\n"
        "  hint: choose one of odl, ovn, ovs"
    )


def test_a_set_without_data() -> None:
    assert refused(request(pike(), data=Data("recipes/stable-pike/exports/tripleo.yaml"))) == (
        "error: the set stable-pike has no data for TripleO: "
        "recipes/stable-pike/exports/tripleo.yaml does not exist [no-export-data]"
    )


WRONG = {
    "keyston:\n  parameters: [A]\n": """\
t.yaml:1:1: error: no image is called 'keyston' [unknown-image]
  1 | keyston:
    | ^
  hint: did you mean 'keystone' or 'keystone-base'?""",
    "keystone:\n  parameter: [A]\n": """\
t.yaml:2:3: error: unknown key 'parameter' [unknown-key]
  2 |   parameter: [A]
    |   ^
  hint: known are parameters, services and neutron-drivers""",
    "keystone:\n  parameters: A\n": """\
t.yaml:2:3: error: this must be a list of texts [wrong-type]
  2 |   parameters: A
    |   ^""",
    "keystone: A\n": """\
t.yaml:1:1: error: this must be a map [wrong-type]
  1 | keystone: A
    | ^""",
    "- keystone\n": """\
t.yaml:1:1: error: this must be a map [wrong-type]
  1 | - keystone
    | ^""",
}


@pytest.mark.parametrize("text", WRONG)
def test_wrong_data_is_told_with_its_place(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forget: Callable[[], None]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.yaml").write_text(text)
    forget()
    written = document.read("t.yaml")

    def at(*path: str) -> Spot:
        return written.key_spot(*path) if path else written.spot()

    assert refused(request(pike(), data=Data("t.yaml", written.data, at))) == WRONG[text]
