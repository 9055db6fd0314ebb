"""SBOMs of stable-pike as it was built: their packages are those of the images."""

from __future__ import annotations

import pytest

from buildsys.inspect_image import stored_image
from buildsys.inspect_image.package_database import installed
from buildsys.plan import read
from buildsys.plan.inventory import Inventories
from tests.conftest import BuiltPike

IMAGES = ("base", "nova-api", "fluentd", "neutron-server", "horizon")
"""The base, gems, and long chains; all 108 take a minute."""


@pytest.mark.real
def test_packages_are_those_of_the_database_of_the_image(built_pike: BuiltPike) -> None:
    inventories = Inventories(built_pike.plan)
    current = read.current(built_pike.plan)
    for name in IMAGES:
        with stored_image.opened([current[name]], built_pike.store.options) as (image,):
            held = {
                (package, arch, version)
                for (package, arch), versions in installed(image).items()
                for version, _ in versions
                if package != "gpg-pubkey"
            }
        inventory = inventories.of(name)
        assert {(item.name, item.arch, item.evr) for item in inventory.packages} == held
        assert inventory.gaps == ()
        assert held
