"""What the packages of the perfect set hold: just enough for every step of the facts to act on."""

from __future__ import annotations

import hashlib
import struct
from functools import cache

_DASHBOARD = "/usr/share/openstack-dashboard"
_SITE = "/usr/lib/python2.7/site-packages"
_HEALTH = "/usr/share/openstack-tripleo-common/healthcheck"
_SCRIPTS = """
    aodh-evaluator aodh-listener aodh-notifier ceilometer-agent-central ceilometer-agent-ipmi
    ceilometer-agent-notification cinder-backup cinder-scheduler cinder-volume glance-api heat-api
    heat-api-cfn heat-engine ironic-conductor keystone-public manila-scheduler mariadb mistral-engine
    mistral-executor neutron-dhcp neutron-l3 neutron-metadata neutron-ovs-agent nova-api nova-compute
    nova-conductor nova-consoleauth nova-ironic nova-scheduler nova-vnc-proxy octavia-health-manager
    octavia-housekeeping octavia-worker opendaylight-api rabbitmq sahara-engine sensu-client
    swift-account-server swift-container-server swift-object-server swift-proxy
""".split()

Files = dict[str, str | None]
"""Path to content; None is a directory, `-> target` a link, `KEY` a public key of its own."""

BEGINNING: Files = {
    "/run": None,
    "/var": None,
    "/var/run": "-> ../run",
    "/var/lib": None,
    "/var/lib/rpm": None,
    "/home": None,
    "/etc/passwd": "",
    "/etc/group": "",
    "/etc/bashrc": "# bashrc\n",
    "/root/.bashrc": "# bashrc\n",
    "/etc/system-release": "CentOS Linux release 7.4.1708 (Core)\n",
    "/etc/yum.conf": "override_install_langs=en_US.utf8\n",
    "/etc/machine-id": "",
    "/etc/pki/rpm-gpg/RPM-GPG-KEY-CentOS-7": "KEY",
    "/etc/pki/rpm-gpg/RPM-GPG-KEY-CentOS-SIG-OpsTools": "KEY",
    "/etc/pki/rpm-gpg/RPM-GPG-KEY-CentOS-SIG-Storage": "KEY",
    "/etc/pki/rpm-gpg/RPM-GPG-KEY-CentOS-SIG-Virtualization": "KEY",
}

PAYLOAD: dict[str, Files] = {
    "openstack-tripleo-common-container-base": {f"{_HEALTH}/{name}": "#!/bin/bash\n" for name in _SCRIPTS},
    "sudo": {"/etc/sudoers": "root ALL\n", "/etc/sudoers.d": None},
    "iscsi-initiator-utils": {"/etc/iscsi/initiatorname.iscsi": "InitiatorName=x\n"},
    "fluentd": {"/etc/fluentd/fluent.conf": ""},
    "mariadb-server": {
        "/var/lib/mysql/test": "",
        "/etc/my.cnf.d/mariadb-server.cnf": "",
        "/etc/my.cnf.d/auth_gssapi.cnf": "",
    },
    "pacemaker-libs": {"/var/lib/pacemaker": None, "/var/lib/pacemaker/cib": None},
    "httpd": {"/etc/httpd/conf/httpd.conf": "ServerRoot /etc/httpd\nListen 80\n"},
    "mod_ssl": {"/etc/httpd/conf.d/ssl.conf": "Listen 443 https\n"},
    "openstack-aodh-common": {f"{_SITE}/aodh/api/app.wsgi": "aodh"},
    "openstack-cinder": {"/usr/bin/cinder-wsgi": "cinder"},
    "openstack-keystone": {
        "/usr/bin/keystone-wsgi-public": "public",
        "/usr/bin/keystone-wsgi-admin": "admin",
    },
    "collectd": {"/etc/collectd.conf": "", "/etc/collectd.d/one.conf": ""},
    "openstack-dashboard": {
        "/etc/openstack-dashboard/local_settings": "DEBUG = False\nWEBROOT = '/dashboard/'\n",
        f"{_DASHBOARD}/manage.py": "manage",
        f"{_DASHBOARD}/static/app.css": "",
        f"{_DASHBOARD}/openstack_dashboard/locale/de/django.po": "",
        f"{_DASHBOARD}/openstack_dashboard/local/enabled/__init__.py": "",
        f"{_DASHBOARD}/openstack_dashboard/local/enabled/_1810_data.py": "sahara",
        f"{_DASHBOARD}/openstack_dashboard/local/enabled/_1000_project.py": "",
    },
    "openstack-sahara-ui": {
        f"{_SITE}/sahara_dashboard/enabled": None,
        f"{_SITE}/sahara_dashboard/locale/fr/django.po": "",
    },
    "openstack-ironic-common": {"/etc/ironic/ironic.conf": ""},
    "openstack-ironic-inspector": {"/etc/ironic-inspector/inspector.conf": ""},
    "OVMF": {"/usr/share/OVMF/OVMF_CODE.secboot.fd": "", "/usr/share/OVMF/OVMF_CODE.fd": ""},
    "tcpdump": {"/usr/sbin/tcpdump": "tcpdump"},
}

REQUIRES: dict[str, tuple[str, ...]] = {"pacemaker": ("pacemaker-libs",)}
"""A dependency nobody names: in haproxy it comes after a `chown -R /var/lib`, and stays root's."""

VALUES = {"docker/swift/swift-base/rootwrap.conf": "exec_dirs=/bin\n"}
"""Lines a copied file must hold for a later edit to find."""


@cache
def public_key(name: str) -> tuple[bytes, str]:
    """An OpenPGP public key with its short id: a number made of the name, nobody's and worth nothing."""
    number = int.from_bytes(hashlib.sha512(name.encode()).digest() * 4, "big") | 1 << 2047 | 1
    body = b"\x04" + struct.pack(">I", 0) + b"\x01" + _mpi(number) + _mpi(65537)
    packet = b"\x99" + struct.pack(">H", len(body)) + body
    user = name.encode()[:200]
    return packet + b"\xb4" + bytes([len(user)]) + user, hashlib.sha1(
        packet, usedforsecurity=False
    ).hexdigest()[-8:]


def _mpi(number: int) -> bytes:
    return struct.pack(">H", number.bit_length()) + number.to_bytes((number.bit_length() + 7) // 8, "big")
