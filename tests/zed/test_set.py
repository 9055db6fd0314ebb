"""What stable-zed promises of its recipes; that its images work is for its own tests and scenarios to say."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path

import pytest

from buildsys.image import Account, DeclareAccounts, Image, ParentImage
from buildsys.recipe.library import load_set
from buildsys.resolve import resolve
from tests.bench.zed import baseline

ROOT = Path(__file__).resolve().parents[2]
SERVICES = """
    mariadb rabbitmq memcached haproxy openvswitch keystone glance-api placement-api nova-api nova-conductor
    nova-scheduler nova-compute nova-novncproxy neutron-server neutron-dhcp-agent neutron-l3-agent
    neutron-metadata-agent neutron-openvswitch-agent cinder-api cinder-scheduler cinder-volume heat-api
    heat-engine horizon swift-proxy""".split()
OTHERS = (
    "base openstack-base storage-base nova-base neutron-base cinder-base heat-base openstackclient".split()
)
AS_IN_PIKE = """
    cinder glance haproxy heat horizon keystone mysql neutron nova openvswitch rabbitmq swift""".split()


def images_of(name: str) -> Mapping[str, Image]:
    return resolve(load_set(ROOT / "recipes" / name), site="host", variables={}, stand_ins=None).images


@pytest.fixture(scope="module")
def images() -> Mapping[str, Image]:
    return images_of("stable-zed")


def inherited(images: Mapping[str, Image], name: str, key: str) -> object:
    """A value of an image's configuration, or of the nearest ancestor that sets it."""
    image = images[name]
    value: object = getattr(image.config, key)
    if value or not isinstance(image.parent, ParentImage):
        return value
    return inherited(images, image.parent.name, key)


def accounts(images: Mapping[str, Image]) -> dict[str, Account]:
    steps = images["base"].instructions
    return {item.name: item for step in steps if isinstance(step, DeclareAccounts) for item in step.accounts}


def test_the_images_are_these(images: Mapping[str, Image]) -> None:
    assert sorted(images) == sorted([*SERVICES, *OTHERS])


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_an_account_of_its_own_that_says_how_it_is(
    images: Mapping[str, Image], name: str
) -> None:
    account = accounts(images)[str(inherited(images, name, "user"))]
    assert 42400 <= account.uid < 42500
    assert images[name].config.healthcheck is not None
    assert images[name].config.cmd
    assert inherited(images, name, "entrypoint") == ("tini", "--", "start")


def test_accounts_have_the_numbers_they_have_elsewhere(images: Mapping[str, Image]) -> None:
    here, there = accounts(images), accounts(images_of("stable-pike"))
    assert {name: (here[name].uid, here[name].gid) for name in AS_IN_PIKE} == {
        name: (there[name].uid, there[name].gid) for name in AS_IN_PIKE
    }
    assert here["memcache"].uid == there["memcached"].uid


def test_recipes_are_short() -> None:
    files = (ROOT / "recipes/stable-zed/images").rglob("*.yaml")
    assert statistics.median(len(file.read_text().splitlines()) for file in files) <= 12


def test_the_baseline_has_the_same_images_and_their_own_packages(images: Mapping[str, Image]) -> None:
    plain = baseline.graph(images)
    assert sorted(plain) == sorted(set(images) - {"storage-base"})
    assert plain["nova-base"].parent == plain["glance-api"].parent == "openstack-base"
    assert plain["nova-api"] == baseline.Plain("nova-api", "nova-base", ("nova-api",), "nova")
