"""stable-pike from the vault: the real recipes, a real yum inside, a real registry, all on the loopback."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.docs.pages import carry_out
from tests.sites.ground import Ground
from tests.sites.loopback import Web
from tests.sites.sets import tree, unpacked

pytestmark = pytest.mark.real

PAGE = ROOT / "docs/how-to/build-from-the-vault.md"
IMAGE = "localhost/tripleopike/centos-binary-{}:current-tripleo"


@pytest.fixture(scope="module")
def wrong(ground: Ground, vault: Web, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Carry out the page, with the mirrors on the loopback; what came out otherwise than it says."""
    folder = tmp_path_factory.mktemp("rdo")
    for name in (".venv", "recipes"):
        (folder / name).symlink_to(ROOT / name)
    page = PAGE.read_text()
    page = page.replace("http://mirror.example.org", vault.address)
    page = page.replace("registry.example.org/library/centos:7", ground.base)
    page = page.replace("/srv/gems", str(ground.stand_ins / "gems"))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return carry_out(page, folder, {**kept, **ground.environment})


def test_the_page_does_what_it_says(wrong: list[str]) -> None:
    assert not wrong, "\n".join(wrong)


@pytest.mark.usefixtures("wrong")
def test_keystone_is_there(ground: Ground) -> None:
    paths = tree(ground.store, IMAGE.format("keystone"))
    assert {
        "usr/bin/keystone-manage",
        "usr/local/bin/dumb-init",
        "usr/local/bin/kolla_start",
        "usr/local/bin/kolla_keystone_bootstrap",
        "etc/pki/rpm-gpg/RPM-GPG-KEY-CentOS-SIG-Storage",
        "var/www/cgi-bin/keystone/main",
    } <= paths


@pytest.mark.usefixtures("wrong")
def test_keys_and_packages_are_in_the_database_of_the_image(ground: Ground) -> None:
    container = ground.store.buildah("from", "--pull-never", IMAGE.format("keystone")).strip()
    try:
        query = ("rpm", "--query", "--all", "--queryformat", "%{NAME} %{SUMMARY}\\n")
        rows = ground.store.buildah("run", "--isolation", "chroot", container, "--", *query).splitlines()
    finally:
        ground.store.buildah("rm", container)
    assert {"openstack-keystone", "httpd", "crudini"} <= {row.split()[0] for row in rows}
    keys = [row for row in rows if row.startswith("gpg-pubkey")]
    for group in ("Cloud", "OpsTools", "Storage", "Virtualization"):
        assert [row for row in keys if f"interest group {group}" in row], keys


@pytest.mark.usefixtures("wrong")
@pytest.mark.parametrize("name", ["base", "openstack-base"])
def test_nothing_stays_of_installing(ground: Ground, tmp_path: Path, name: str) -> None:
    image = unpacked(ground.store, IMAGE.format(name), tmp_path / name)
    files = {path.relative_to(image).as_posix() for path in image.rglob("*") if not path.is_dir()}
    assert not [path for path in files if path.startswith(("dev/", "run/", "var/cache/", "var/lib/dnf/"))]
    assert not [
        path for path in files if path.endswith((".log", ".rpm", ".solv", "resolv.conf", "etc/hosts"))
    ]
