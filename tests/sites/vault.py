"""The vault as the site `rdo` knows it, holding stand-ins: a repository a path, and each with its own key."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests import rpms
from tests.sites.packages import Key, make_key, make_package, make_repository

REPOSITORIES = {
    "base": "7.9.2009/os/x86_64",
    "updates": "7.9.2009/updates/x86_64",
    "extras": "7.9.2009/extras/x86_64",
    "openstack-pike": "7.6.1810/cloud/x86_64/openstack-pike",
    "ceph-jewel": "7.6.1810/storage/x86_64/ceph-jewel",
    "opstools": "7.6.1810/opstools/x86_64",
    "qemu-ev": "7.6.1810/virt/x86_64/kvm-common",
}
DUMB_INIT = "Yelp/dumb-init/releases/download/v1.1.3/dumb-init_1.1.3_amd64"
BELONGS = {
    "openstack-pike": r"(openstack|python2-oslo)-.*",
    "ceph-jewel": r"(ceph|python-rados|python-rbd)-.*",
    "opstools": r"(collectd|fluentd)-.*",
    "qemu-ev": r"(qemu-kvm|qemu-img)-.*",
}
ELSEWHERE = {"sensu": r"sensu-.*", "opendaylight": r"opendaylight-.*"}
"""What the vault does not have. It lies beside it, as in a mirror of one's own: signed, and not signed."""
RELEASES = {
    "ceph-jewel": ("centos-release-ceph-jewel", "Storage"),
    "opstools": ("centos-release-opstools", "OpsTools"),
    "qemu-ev": ("centos-release-qemu-ev", "Virtualization"),
}
"""Packages of extras that bring the key of another repository."""


def make_vault(place: Path, stand_ins: Path, centos_key: Key) -> None:
    """Lay out the vault below `place`, and beside it what is fetched from elsewhere: a key, a program."""
    for path in REPOSITORIES.values():
        (place / path / "Packages").mkdir(parents=True)
    names = {name for name, _ in RELEASES.values()}
    for package in sorted((stand_ins / "repo").rglob("*.rpm")):
        name = package.name.rsplit("-", 2)[0]
        if name in names:
            continue
        owners = {**BELONGS, **ELSEWHERE}
        owner = next((r for r, pattern in owners.items() if re.fullmatch(pattern, package.name)), "base")
        folder = place / REPOSITORIES.get(owner, owner) / "Packages"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(package, folder / package.name)
    work = place.with_name(f"{place.name}-work")
    mine = make_key(work / "mine", "a mirror of one's own")
    mine.sign(*(place / "sensu").rglob("*.rpm"))
    (place / "sensu.key").write_bytes(mine.public.read_bytes())
    for package in (place / "opendaylight").rglob("*.rpm"):
        rpms.sign(package, None)
    for repository, (release, group) in RELEASES.items():
        key = make_key(work / group, f"interest group {group}")
        file = f"/etc/pki/rpm-gpg/RPM-GPG-KEY-CentOS-SIG-{group}"
        built = make_package(work, release, "2", files={file: key.public.read_text()})
        centos_key.sign(built)
        built.rename(place / REPOSITORIES["extras"] / "Packages" / built.name)
        key.sign(*(place / REPOSITORIES[repository]).rglob("*.rpm"))
    cloud = make_key(work / "Cloud", "interest group Cloud")
    cloud.sign(*(place / REPOSITORIES["openstack-pike"]).rglob("*.rpm"))
    (place / "keys").mkdir()
    (place / "keys/RPM-GPG-KEY-CentOS-SIG-Cloud").write_bytes(cloud.public.read_bytes())
    program = place / DUMB_INIT
    program.parent.mkdir(parents=True)
    shutil.copyfile(stand_ins / "downloads" / program.name, program)
    for path in (*REPOSITORIES.values(), *ELSEWHERE):
        make_repository(place / path)
