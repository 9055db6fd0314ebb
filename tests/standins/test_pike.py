"""The published repository: everything the facts of Pike ask for, and a root in which it works."""

from __future__ import annotations

import gettext
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from buildsys.standins.data import load
from buildsys.standins.payload import Package, packages
from buildsys.standins.tools import find_busybox, read_busybox
from tests.sites.packages import make_key

STANDINS = Path(__file__).parents[2] / "recipes/stable-pike/standins"
FACTS = Path(__file__).parents[1] / "conformance/facts"
KEY = STANDINS / "keys/RPM-GPG-KEY-stand-in"
HEALTHCHECKS = "/usr/share/openstack-tripleo-common/healthcheck"
DATABASE = ["--dbpath", "/var/lib/rpm"]


def facts(name: str) -> Any:
    return json.loads((FACTS / f"{name}.json").read_text())


def run(*argv: str | Path, **more: Any) -> str:
    """Standard output and error of a command that must succeed."""
    done = subprocess.run(
        argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **more
    )
    assert done.returncode == 0, done.stdout
    return str(done.stdout)


@pytest.fixture(scope="module")
def held() -> dict[str, Package]:
    found = packages(load(STANDINS / "packages.yaml"), STANDINS / "payload", read_busybox(find_busybox()))
    return {package.name: package for package in found}


# ── against the facts ───────────────────────────────────────────────────────────────────────────────────────


def test_every_package_that_an_image_names_is_there(held: dict[str, Package]) -> None:
    named = {name for image in facts("packages").values() for step in image for name in step["packages"]}
    assert len(named) == 351
    assert named - held.keys() == set()


def test_versions_are_those_of_pike(held: dict[str, Package]) -> None:
    wanted = facts("versions")
    assert {name: held[name].version for name in wanted} == wanted


def test_every_file_that_kolla_copies_is_payload_of_its_package(held: dict[str, Package]) -> None:
    wanted = {f"/usr/share/kolla/{file['source']}" for image in facts("files").values() for file in image}
    assert len(wanted) == 90
    found = {entry.path for entry in held["openstack-kolla"].entries if entry.kind == "file"}
    assert found == wanted


def test_every_health_check_is_there(held: dict[str, Package]) -> None:
    wanted = {
        step["target"]
        for image in facts("steps").values()
        for step in image
        if step["kind"] == "symlink" and step["link"] == "/openstack/healthcheck"
    }
    assert len(wanted) == 41
    entries = {entry.path: entry for entry in held["openstack-tripleo-common-container-base"].entries}
    assert {path for path in wanted if path in entries and entries[path].mode == 0o755} == wanted


def test_the_site_knows_the_downloads_and_the_bootstrap(repository: Path) -> None:
    site = (STANDINS.parent / "sites/embedded.yaml").read_text()
    manifest = json.loads((repository / "manifest.json").read_text())
    for path, file in manifest["files"].items():
        if path.startswith("downloads/"):
            assert f'file: "{{{{ stand_ins }}}}/{path}"\n    sha256: {file["sha256"]}\n' in site
    listed = site.partition("bootstrap: [")[2].partition("]")[0]
    assert [name.strip() for name in listed.split(",")] == manifest["bootstrap"]


def test_shell_programs_are_sound() -> None:
    found = [
        path for top in ("payload", "downloads") for path in (STANDINS / top).rglob("*") if path.is_file()
    ]
    shell = [path for path in found if path.read_bytes().startswith((b"#!/bin/sh", b"#!/bin/bash"))]
    assert len(shell) > 100
    # SC1090, SC1091: files are sourced that lie here under another name.
    run("shellcheck", "--shell=sh", "--exclude=SC1090,SC1091", *shell)


# ── in a root ───────────────────────────────────────────────────────────────────────────────────────────────


class Root:
    """An empty directory that dnf fills from a repository, with keys and a database of its own."""

    def __init__(self, top: Path, repository: Path) -> None:
        self.path = top / "root"
        self._config = top / "dnf.conf"
        self._home = top / "home"
        self._home.mkdir(parents=True)
        (self._home / ".rpmmacros").write_text("%_dbpath /var/lib/rpm\n")
        self._config.write_text(
            f"[main]\ngpgcheck=1\nplugins=0\nreposdir=/nonexistent\nvarsdir=/nonexistent\ncachedir={top}/cache\n"
            f"[stand-ins]\nname=stand-ins\nbaseurl={repository.as_uri()}/repo\n"
        )
        for name in ("proc", "dev", "sys"):
            (self.path / name).mkdir(parents=True)

    def rpm(self, *arguments: str | Path) -> str:
        return run("rpm", "--root", self.path, *DATABASE, *arguments)

    def install(self, *names: str) -> str:
        return self._inside("dnf", "--config", self._config, "--installroot", self.path, "--releasever=7",
                            "--assumeyes", "install", *names)  # fmt: skip

    def sh(self, script: str, **more: Any) -> str:
        return self._inside("chroot", self.path, "/bin/sh", "-ec", script, **more)

    def _inside(self, *argv: str | Path, **more: Any) -> str:
        """Run with /proc, /dev and /sys in the root, none of them the host's, and away from its network."""
        mounts = """
            mount -t proc proc "$0/proc"
            mount -t tmpfs sys "$0/sys"
            mount -t tmpfs -o mode=755 dev "$0/dev"
            cp -a /dev/null /dev/zero /dev/random /dev/urandom /dev/fd "$0/dev"
            exec "$@"
        """
        alone = ("unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc")
        env = {"HOME": str(self._home), "PATH": os.environ["PATH"], "SOURCE_DATE_EPOCH": "1517443200"}
        return run(*alone, "/bin/sh", "-ec", mounts, self.path, *argv, env=env, **more)


def bootstrap(repository: Path) -> list[str]:
    names: list[str] = json.loads((repository / "manifest.json").read_text())["bootstrap"]
    return names


@pytest.fixture(scope="module")
def root(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Root]:
    """An empty root, filled with all that there is."""
    made = Root(tmp_path_factory.mktemp("root"), repository)
    made.rpm("--import", KEY)
    made.install(*bootstrap(repository))
    made.install("*")
    yield made
    shutil.rmtree(made.path)


@pytest.mark.real
def test_everything_installs_into_one_root_and_verifies(root: Root, held: dict[str, Package]) -> None:
    installed = set(root.rpm("-qa", "--qf", "%{NAME}\n").split()) - {"gpg-pubkey"}
    assert installed == held.keys()
    assert root.rpm("-Va") == ""


@pytest.mark.real
def test_packages_say_that_they_are_stand_ins(root: Root) -> None:
    form = "%{EPOCH}:%{VERSION}-%{RELEASE}|%{VENDOR}|%{SUMMARY}"
    assert root.rpm("-q", "--qf", form, "openstack-nova-api").split("|") == [
        "1:16.1.7-1.el7",
        "buildsys stand-in",
        "A stand-in for openstack-nova-api, not openstack-nova-api itself",
    ]


@pytest.mark.real
def test_what_scriptlets_leave_is_always_the_same(root: Root) -> None:
    passwd = (root.path / "etc/passwd").read_text()
    assert "\napache:x:48:48:Apache:/usr/share/httpd:/sbin/nologin\n" in passwd
    assert (root.path / "etc/machine-id").read_bytes() == b""
    assert (root.path / "etc/iscsi/initiatorname.iscsi").read_text().endswith(":buildsys-stand-in\n")


@pytest.mark.real
def test_every_program_answers_its_version(root: Root, held: dict[str, Package]) -> None:
    script = [
        f"[ \"$({program} --version)\" = '{Path(program).name} {held[name].version}' ]"
        for _, _, name, written in load(STANDINS / "packages.yaml").packages()
        for program in (*written.programs, *written.services)
    ]
    assert len(script) > 150
    root.sh("\n".join(script))
    assert "Apache/2.4.6" in root.sh("/usr/sbin/httpd -v")


@pytest.mark.real
def test_gem_installs_what_is_a_gem(root: Root, repository: Path) -> None:
    shutil.copytree(repository / "gems", root.path / "root/gems")
    said = root.sh("gem install --local --minimal-deps /root/gems/*.gem")
    assert said.splitlines()[-1] == "10 gems installed"
    assert "fluent-plugin-grok-parser (0.3.1)" in root.sh("gem list").splitlines()
    assert (root.path / "usr/share/gems/gems/minitest-5.11.3/lib/minitest.rb").is_file()
    assert root.sh("! gem install --local /etc/passwd") == "ERROR:  not a gem: /etc/passwd\n"
    assert "local files only" in root.sh("! gem install minitest")


@pytest.mark.real
def test_catalogues_are_compiled(root: Root) -> None:
    root.sh(
        "ln -s /usr/share/openstack-dashboard/openstack_dashboard /usr/lib/python2.7/site-packages/\n"
        "for locale in /usr/lib/python2.7/site-packages/*/locale; do\n"
        "  (cd ${locale%/locale}; /usr/share/openstack-dashboard/manage.py compilemessages)\n"
        "done"
    )
    site = root.path / "usr/lib/python2.7/site-packages"
    compiled = sorted(
        path.relative_to(site).parts[0] for path in site.glob("*/locale/de/LC_MESSAGES/django.mo")
    )
    assert compiled == [
        "designatedashboard", "horizon", "ironic_ui", "magnum_ui", "manila_ui", "mistraldashboard",
        "neutron_lbaas_dashboard", "sahara_dashboard",
    ]  # fmt: skip
    dashboard = root.path / "usr/share/openstack-dashboard/openstack_dashboard/locale"
    with (dashboard / "fr/LC_MESSAGES/django.mo").open("rb") as stream:
        french = gettext.GNUTranslations(stream)
    assert [french.gettext(text) for text in ("Sign out", "Unsure")] == ["Se déconnecter", "Unsure"]


@pytest.mark.real
def test_a_container_starts_as_kolla_starts_it(root: Root) -> None:
    shutil.copy(STANDINS / "downloads/dumb-init_1.1.3_amd64", root.path / "usr/local/bin/dumb-init")
    root.sh(
        "cd /usr/share/kolla/docker/base\n"
        "cp start.sh /usr/local/bin/kolla_start; cp set_configs.py /usr/local/bin/kolla_set_configs\n"
        "sed -i 's,^#!,#!/usr/local/bin/dumb-init ,' /usr/local/bin/kolla_start\n"
        "echo 'ARGS=--version' > /usr/local/bin/kolla_extend_start\n"
        "chmod 755 /usr/local/bin/*\n"
        "mkdir -p /var/lib/kolla/config_files\n"
        """echo '{"command": "nova-api", "config_files": []}' > /var/lib/kolla/config_files/config.json"""
    )
    start = "export PATH=/usr/local/bin:/usr/sbin:/usr/bin; "
    said = root.sh(f"{start} kolla_start").splitlines()
    assert said[-2:] == ["Running command: nova-api --version", "nova-api 16.1.7"]
    said = root.sh(
        f"{start} echo httpd > /run_command; rm /var/lib/kolla/config_files/*; kolla_start"
    ).splitlines()
    assert said[-1] == "Server version: Apache/2.4.6 (buildsys stand-in)"
    assert "neither /run_command nor $CMD" in root.sh(f"{start} rm /run_command; ! kolla_start")


@pytest.mark.real
def test_a_health_check_sees_whether_its_service_runs(root: Root) -> None:
    (root.path / "openstack").mkdir()
    said = root.sh(
        f"ln -s {HEALTHCHECKS}/nova-scheduler /openstack/healthcheck\n"
        "! /openstack/healthcheck\n"
        "nova-scheduler > /dev/null & service=$!\n"
        "until /openstack/healthcheck > /dev/null; do sleep 0.1; done\n"
        "/openstack/healthcheck\n"
        "kill $service; wait $service || true\n"
        "! /openstack/healthcheck",
        timeout=30,
    )
    assert said.splitlines() == [
        "no process of: nova-scheduler", "nova-scheduler runs", "no process of: nova-scheduler",
    ]  # fmt: skip


@pytest.mark.real
def test_accounts_are_made_and_changed(root: Root) -> None:
    said = root.sh(
        "groupadd --force --gid 42400 kolla; groupadd -f kolla\n"
        "useradd -l -M --shell=/usr/sbin/nologin --uid 42436 --gid kolla -c 'A name' nova\n"
        "usermod --append --home /var/lib/nova --groups kolla,apache nova; usermod -aG apache nova\n"
        "groupadd -r small; useradd -r tiny; usermod -g small -G kolla tiny\n"
        "! useradd nova; ! groupadd kolla; ! usermod -G nosuch nova; ! useradd -Z x\n"
        "! groupadd -g 42400 other\n"
        "grep -E '^(nova|tiny):' /etc/passwd; grep -E '^(kolla|apache|small|tiny):' /etc/group"
    )
    assert said.splitlines() == [
        "useradd: 'nova' already exists",
        "groupadd: 'kolla' already exists",
        "usermod: group 'nosuch' does not exist",
        "useradd: stand-in: does not know the option '-Z'",
        "groupadd: the number 42400 is taken",
        "nova:x:42436:42400:A name:/var/lib/nova:/usr/sbin/nologin",
        "tiny:x:996:997::/home/tiny:/bin/bash",
        "apache:x:48:nova",
        "kolla:x:42400:nova,tiny",
        "small:x:997:",
        "tiny:x:996:",
    ]


@pytest.mark.real
def test_a_package_signed_by_another_is_refused(repository: Path, tmp_path: Path) -> None:
    forged = tmp_path / "forged"
    shutil.copytree(repository / "repo", forged / "repo")
    (rpm,) = forged.glob("repo/Packages/rootfiles-*.rpm")
    make_key(tmp_path / "forger", "forger").sign(rpm)
    run("createrepo_c", "--quiet", forged / "repo")

    root = Root(tmp_path / "top", forged)
    root.rpm("--import", KEY)
    root.install(*(name for name in bootstrap(repository) if name != "rootfiles"))
    with pytest.raises(AssertionError, match=r"(?s)rootfiles.*GPG check FAILED"):
        root.install("rootfiles")
    assert "rootfiles" not in root.rpm("-qa")


@pytest.mark.real
def test_without_the_key_nothing_is_installed(repository: Path, tmp_path: Path) -> None:
    root = Root(tmp_path / "top", repository)
    with pytest.raises(AssertionError, match="do not have any GPG public keys"):
        root.install("filesystem")
