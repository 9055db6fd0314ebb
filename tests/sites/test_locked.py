"""stable-pike from the vault under a lock: solved against the base, installed by the image's own rpm."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildsys.lock.bases import pinned
from buildsys.lock.lockfile import read
from tests.sites.ground import Ground
from tests.sites.loopback import Web

pytestmark = pytest.mark.real


def test_keystone(ground: Ground, vault: Web, tmp_path: Path) -> None:
    file = tmp_path / "lock.yaml"
    plan = tmp_path / "plan"
    variables = [f"{name}={vault.address}" for name in ("vault", "github")]
    variables += [f"keys={vault.address}/keys", f"base_image={ground.base}"]
    options = [word for variable in variables for word in ("--variable", variable)]
    options += ["--site", "rdo", "--build-dir", str(tmp_path / "build")]
    made = ground.buildsys("lock", "stable-pike", "-o", file, *options)
    assert made.status == 0, made.text
    for image, reason in {
        "fluentd": ": it has no gems",
        "opendaylight": ": it has no package opendaylight",
        "sensu-base": ", nor what is made from it (sensu-client): it has no package sensu",
    }.items():
        assert f": warning: the site 'rdo' cannot build '{image}'{reason} [not-at-this-site]\n" in made.text
    lock = read(file, image_set="stable-pike", site="rdo")
    assert len(lock.images) == 104
    # What centos:7 holds is in no image's part; keys come from the base, from an address, and with packages.
    assert "bash" not in {item.name for image in lock.images.values() for item in image.packages()}
    assert lock.keys["base"].startswith("sha256:")
    assert lock.keys["openstack-pike"].startswith("sha256:")
    assert lock.keys["ceph-jewel"] == "centos-release-ceph-jewel-2-1.el7.noarch"

    written = ground.buildsys("plan", "stable-pike", "--lock", file, "-o", plan, *options)
    assert written.status == 0, written.text
    ground.buildsys("plan", "stable-pike", "--lock", file, "-o", plan, *options)
    pull = ["buildah", *ground.store.options.split(), "pull", "--quiet"]
    assert ground._run((*pull, pinned(ground.base, lock.bases[ground.base])), None).status == 0
    asked = len(vault.asked)
    done = ground._run(
        ("unshare", "--net", "make", "--no-print-directory", "-C", str(plan), "keystone"), None
    )
    assert done.status == 0, done.text
    assert len(vault.asked) == asked
    chain = ("base", "openstack-base", "keystone-base", "keystone")
    wanted = {item.nevra for name in chain for item in lock.images[name].packages()}
    query = ("rpm", "-qa", "--queryformat", "%{NAME}-%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}.%{ARCH}\n")
    container = ground.store.buildah(
        "from", "localhost/tripleopike/centos-binary-keystone:current-tripleo"
    ).strip()
    try:
        run = ("run", "--isolation", "chroot", "--user", "0:0", container, "--")
        assert wanted <= set(ground.store.buildah(*run, *query).split())
    finally:
        ground.store.buildah("rm", container)
    assert ground.buildsys("lock", "stable-pike", "--check", "-o", file, *options).status == 0
