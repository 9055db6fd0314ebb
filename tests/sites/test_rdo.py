"""stable-pike from the vault: the real recipes, a real yum inside, a real registry, all on the loopback."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sites.ground import Ground
from tests.sites.sets import tree, unpacked

pytestmark = pytest.mark.real

IMAGE = "localhost/of-the-page/{}"


def test_the_page_does_what_it_says(page: list[str]) -> None:
    assert not page, "\n".join(page)


@pytest.mark.usefixtures("page")
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


@pytest.mark.usefixtures("page")
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


@pytest.mark.usefixtures("page")
@pytest.mark.parametrize("name", ["base", "openstack-base"])
def test_nothing_stays_of_installing(ground: Ground, tmp_path: Path, name: str) -> None:
    image = unpacked(ground.store, IMAGE.format(name), tmp_path / name)
    files = {path.relative_to(image).as_posix() for path in image.rglob("*") if not path.is_dir()}
    assert not [path for path in files if path.startswith(("dev/", "run/", "var/cache/", "var/lib/dnf/"))]
    assert not [
        path for path in files if path.endswith((".log", ".rpm", ".solv", "resolv.conf", "etc/hosts"))
    ]
