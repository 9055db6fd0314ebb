"""Slips of the pen in real recipes: what a person could write there, and the facts that it breaks.

Those of `LEAVES` stand in images of their own that nothing, or little, is made from: one build and one report
show them all. Where a fact is an ancestor's, a step of the descendant undoes it. Those of `BASE` stand in the
base itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Slip:
    """In a file of the set `was` becomes `now`; where `was` is empty, `now` is added at the end."""

    image: str
    """The image it is seen in."""
    file: str
    """The file, as a glob below the set's folder."""
    was: str
    now: str
    breaks: tuple[str, ...]
    """Facts as the report names them, or how their names begin; an ancestor's with its name before."""

    def facts(self) -> tuple[str, ...]:
        """The facts it breaks, each with its image's name."""
        return tuple(fact if ": " in fact else f"{self.image}: {fact}" for fact in self.breaks)

    def write(self, recipes: Path) -> None:
        """Make it in a copy of the set."""
        (file,) = recipes.glob(self.file)
        text = file.read_text("utf-8")
        assert not self.was or text.count(self.was) == 1, f"{file}: {self.was}"
        file.write_text(text.replace(self.was, self.now) if self.was else text + self.now, "utf-8")


def slip(image: str, was: str, now: str, *breaks: str) -> Slip:
    """A slip in the recipe of an image."""
    return Slip(image, f"images/**/{image}.yaml", was, now, breaks)


LEAVES = (
    # Configuration.
    slip("aodh-evaluator", "user: aodh", "user: root", "user aodh"),
    slip("aodh-listener", "user: aodh\n", "", "user aodh"),
    slip("cron", "", "cmd: [kolla_stop]\n", "cmd kolla_start"),
    slip("aodh-notifier", "", "entrypoint: [dumb-init, --]\n", "entrypoint none"),
    slip("memcached", "", "volumes: [/run/memcache]\n", "volumes none"),
    slip("ceilometer-ipmi", "", "healthcheck: /openstack/other\n", "healthcheck /openstack/healthcheck"),
    slip("ceilometer-compute", "", "healthcheck: /openstack/other\n", "healthcheck none"),
    slip("ceilometer-notification", "", "env: {HTTP_PROXY: 'http://proxy.example'}\n", "env inherited"),
    slip("ceilometer-central", "", "env: {KOLLA_BASE_DISTRO: debian}\n", "env inherited"),
    slip("cinder-scheduler", "", "labels: {maintainer: somebody}\n", "label maintainer"),
    slip("congress-api", "", "labels: {vendor: somebody}\n", "label inherited"),
    slip("etcd", "", "stop-signal: SIGKILL\n", "stop signal SIGTERM"),
    slip(
        "ovn-controller",
        "from: ovn-base",
        "from: openvswitch-base",
        "parent ovn-base",
        "ovn-base: file /usr/local/bin/kolla_extend_start",
        "ovn-base: step 1 touch",
        "ovn-base: step 2 chmod",
    ),
    # Packages.
    slip(
        "gnocchi-metricd", "packages: [openstack-gnocchi-metricd]\n", "", "package openstack-gnocchi-metricd"
    ),
    slip("gnocchi-statsd", "-statsd]", "-statsd, stunnel]", "package others"),
    slip("sahara-engine", "", "steps: [{append: left, in: /usr/bin/sahara-engine}]\n", "rpm -V"),
    slip("fluentd", "      - fluent-plugin-grep\n", "", "step 6 gem_install"),
    # Files that are copied, and such as were taken out.
    slip(
        "iscsid", "start-script: iscsid", "start-script: multipathd", "file /usr/local/bin/kolla_extend_start"
    ),
    slip("ironic-pxe", "to: /map-file", "to: /map-files", "file /map-file"),
    slip(
        "rabbitmq",
        "",
        "steps: [{mkdir: /usr/lib/rabbitmq/lib/rabbitmq_server-3.6}]\n",
        "dropped /usr/lib/rabbitmq/lib/rabbitmq_server-3.6",
    ),
    # Steps.
    slip("haproxy", "before:\n  - mkdir: /var/lib/kolla/haproxy\n", "", "step 4 mkdir", "step 5 chown"),
    slip("cinder-volume", "cinder_volume}", 'cinder_volume, mode: "640"}', "step 2 chmod"),
    slip("ironic-inspector", "{to: ironic-inspector,", "{to: ironic,", "step 5 chown"),
    slip(
        "panko-base",
        "",
        "steps: [{remove: /usr/local/bin/kolla_panko_extend_start}]\n",
        "step 6 touch",
        "step 7 chmod",
    ),
    slip("heat-api-cfn", "{healthcheck: heat-api-cfn}", "{healthcheck: heat-api}", "step 2 symlink"),
    slip(
        "nova-novncproxy",
        "healthcheck: nova-vnc-proxy",
        "account-home: {account: nova, home: /var/lib/nova, groups: [kolla, qemu]}",
        "healthcheck /openstack/healthcheck",
        "step 1 mkdir",
        "step 2 symlink",
        "step 3 chmod",
    ),
    slip(
        "mistral-api",
        "",
        "steps: [{replace: '^#Listen 80', in: /etc/httpd/conf/httpd.conf, with: Listen 80}]\n",
        "step 2 sed",
    ),
    slip("horizon", "with: WEBROOT = '/'", "with: WEBROOT = '/dashboard'", "step 10 sed"),
    slip(
        "glance-api",
        "httpd-cleanup: kolla_glance_extend_start",
        "httpd-cleanup: kolla_other_start",
        "step 7 append_line",
    ),
    slip(
        "horizon",
        "        python /usr/bin/manage.py compilemessages\n",
        "        true\n",
        "step 15 django_compilemessages",
    ),
    slip(
        "mongodb",
        "service-account: mongodb",
        "account-home: {account: mongodb, home: /var/lib/mongo}",
        "step 1 usermod",
    ),
    slip(
        "qdrouterd", "account: qdrouterd", "account: {account: qdrouterd, groups: [qemu]}", "step 1 usermod"
    ),
    slip(
        "cinder-api", "copy: /usr/bin/cinder-wsgi", "copy: /usr/bin/cinder-rootwrap", "step 2 copy_in_image"
    ),
    slip(
        "mariadb",
        "  - remove: [/etc/my.cnf.d/mariadb-server.cnf, /etc/my.cnf.d/auth_gssapi.cnf]\n",
        "",
        "step 9 remove",
    ),
    slip("opendaylight", 'enabled: "1"', 'enabled: "0"', "step 1 yum_repo_file"),
    slip(
        "collectd",
        "user: collectd",
        "  - append: ['[epel]', name=epel, enabled=1]\n    in: /etc/yum.repos.d/left.repo\nuser: collectd",
        "step 4 yum_repo_disable",
    ),
    slip("keystone", "", "  - mkdir: /plugins/one\n", "step 2 pip_install_if_present"),
    # Facts of an ancestor.
    slip(
        "ovn-northd",
        "",
        "steps: [{move: /usr/bin/tcpdump, to: /usr/sbin/tcpdump}]\n",
        "openvswitch-base: step 1 move",
    ),
    slip(
        "multipathd",
        "",
        "steps: [{replace: '^zun:x:42463:', in: /etc/passwd, with: 'zun:x:42464:'}]\n",
        "base: account zun",
    ),
    slip("swift-container", "", "steps: [{mkdir: /home/zun}]\n", "base: step 1 create_users"),
    slip(
        "barbican-api",
        "",
        "steps: [{replace: '^(.)', in: /root/.bashrc, with: 'x\\1'}]\n",
        "base: step 3 append_file",
    ),
    slip("zaqar", "", "steps: [{remove: /etc/yum.repos.d/delorean.repo}]\n", "base: step 8 download"),
    slip(
        "swift-object",
        "",
        "steps: [{remove: /etc/pki/rpm-gpg/RPM-GPG-KEY-CentOS-SIG-Storage}]\n",
        "base: step 12 rpm_import_key",
        "rpm -V",
    ),
    slip(
        "swift-account",
        "",
        "steps: [{replace: release 7, in: /etc/system-release, with: release 8}]\n",
        "base: step 4 assert_os_release",
        "rpm -V",
    ),
)

ACCOUNTS = "traits/accounts.yaml"

BASE = (
    Slip("base", ACCOUNTS, "nova: {uid: 42436}", "nova: {uid: 42536}", ("account nova",)),
    Slip("base", ACCOUNTS, ", gid: 65534", "", ("account mongodb",)),
    Slip("base", ACCOUNTS, "  zun: {uid: 42463}\n", "", ("account zun", "step 1 create_users")),
    slip("base", "[kolla_start]", "[kolla_stop]", "cmd kolla_start"),
    slip("base", "INSTALL_TYPE: binary", "INSTALL_TYPE: source", "env KOLLA_INSTALL_TYPE"),
    slip("base", "  KOLLA_INSTALL_METATYPE: rdo\n", "", "env KOLLA_INSTALL_METATYPE"),
    slip("base", "{{ kolla_version }}", "6.0.0", "label kolla_version"),
    slip("base", "stop-signal: SIGTERM", "stop-signal: SIGINT", "stop signal SIGTERM"),
    slip("base", "rsync, cronie", "cronie", "package rsync"),
    slip(
        "base",
        "  - {kolla-file: {file: base/curlrc, to: /root/.curlrc}}\n",
        "",
        "file /root/.curlrc",
    ),
    slip("base", 'to: /etc/sudoers, mode: "440"', 'to: /etc/sudoers, mode: "640"', "step 19 chmod"),
    slip("base", "  - {append-file: /tmp/kolla_bashrc, in: /root/.bashrc}\n", "", "step 3 append_file"),
    slip("base", "  - {remove: /tmp/kolla_bashrc}\n", "", "step 23 remove"),
    slip("base", "{append: centos,", "{append: fedora,", "step 7 append_line"),
    slip(
        "base",
        "  - download: https://trunk.rdoproject.org/centos7-pike/delorean-deps.repo\n"
        "    to: /etc/yum.repos.d/delorean-deps.repo\n",
        "",
        "step 9 download",
    ),
    slip("base", "mode: +x", 'mode: "644"', "step 15 chmod"),
    slip(
        "base",
        "  - {replace: '^#!', in: /usr/local/bin/kolla_start, with: '#!/usr/local/bin/dumb-init '}\n",
        "",
        "step 16 sed",
    ),
    slip("base", "owner: ':kolla'", "owner: ':mysql'", "step 21 chown"),
    slip("base", 'mode: "2775"', 'mode: "775"', "step 22 chmod"),
    slip("base", "  - {touch: /etc/ssh/ssh_known_hosts}\n", "", "step 25 touch"),
    slip(
        "base",
        "  - {update: true}\n",
        "  - {update: true}\n  - {touch: /etc/yum.repos.d/grafana.repo}\n",
        "dropped /etc/yum.repos.d/grafana.repo",
    ),
)
