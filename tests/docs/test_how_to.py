"""The how-to pages whose commands need nothing but a clone, carried out as they stand."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.docs.conftest import Clone, write_first_set
from tests.docs.pages import carry_out

UNDERCLOUD = """\
set -eu
ip link set lo up
ip link add provisioning type veth peer name node
ip address add 192.168.24.1/24 dev provisioning
ip link set provisioning up
ip link set node up
for place in /srv /etc/containers/registries.conf.d; do mount -t tmpfs place "$place"; done
docker-registry serve "$1" >"$1.log" 2>&1 &
tries=0
until (: </dev/tcp/192.168.24.1/8787) 2>/dev/null; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || exit 1
    sleep 0.1
done
shift
"$@"
"""
"""The undercloud's provisioning network with its registry, and places to write to that are nobody else's."""


@pytest.mark.real
@pytest.mark.parametrize(
    "page",
    [
        "overlay", "carry-a-plan", "rpm-build-root", "test-images", "export-containerfiles",
        "deploy-with-tripleo", "containerfile-in-a-set", "import-kolla-overrides", "install",
        "import-containerfiles", "import-tcib", "read-the-report",
    ],
)  # fmt: skip
def test_a_page(page: str, clone: Clone) -> None:
    write_first_set(clone.folder)
    wrong = carry_out((ROOT / f"docs/how-to/{page}.md").read_text(), clone.folder, clone.environment)
    assert not wrong, "\n".join(wrong)


@pytest.mark.real
def test_a_vendors_driver_on_the_undercloud(clone: Clone, tmp_path: Path) -> None:
    registry = tmp_path / "registry.yml"
    registry.write_text(
        "version: 0.1\nlog: {level: error}\nhttp: {addr: '192.168.24.1:8787'}\n"
        f"storage: {{filesystem: {{rootdirectory: {tmp_path}/registry}}}}\n"
    )
    apart = ("unshare", "--net", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
             "--mount-proc")  # fmt: skip
    within = (*apart, "bash", "-c", UNDERCLOUD, "undercloud", str(registry))
    page = (ROOT / "docs/how-to/build-a-vendors-driver.md").read_text()
    # rpmbuild works below its home.
    environment = {**clone.environment, "HOME": str(tmp_path)}
    wrong = carry_out(page, clone.folder, environment, within)
    assert not wrong, "\n".join(wrong)
    # What is there is the driver: the one layer that only this image has.
    held = []
    for path in (tmp_path / "registry/docker/registry/v2/blobs").rglob("data"):
        if tarfile.is_tarfile(path):
            with tarfile.open(path) as layer:
                held += layer.getnames()
    assert held.count("usr/lib/python2.7/site-packages/networking_acme/__init__.py") == 1
