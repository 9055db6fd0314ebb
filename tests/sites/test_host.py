"""Packages of the host's own repositories: reached as the host reaches them, and nothing of that is told."""

from __future__ import annotations

import os
import shlex
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from buildsys.standins.tools import find_busybox
from tests.conftest import ROOT
from tests.docs.pages import carry_out
from tests.sites.ground import Outcome
from tests.sites.loopback import Web, web_server
from tests.sites.packages import Key, make_key, make_package, make_repository, run
from tests.sites.sets import found, unpacked, write_set
from tests.stores import Store, store

pytestmark = pytest.mark.real

PAGE = ROOT / "docs/how-to/build-from-host-repositories.md"
SITE = """\
site: far
installer: dnf
base: {bootstrap: [ground-floor]}
repositories: host
"""
REPOSITORIES = """\
[behind-a-certificate]
name=reached with the host's certificate, name and password
baseurl=https://$mirror/certified/
username=host-account
password=host-password
sslcacert={place}/authority.pem
sslclientcert={place}/entitlement.pem
sslclientkey={place}/entitlement.key
gpgkey=file://{place}/key/public.asc

[behind-a-proxy]
name=reached through the host's proxy
baseurl=http://mirror-of-the-host.example/proxied/
proxy={proxy}
proxy_username=proxy-account
proxy_password=proxy-password
gpgkey=file://{place}/key/public.asc
"""
SECRETS = (
    "host-account",
    "host-password",
    "proxy-account",
    "proxy-password",
    "mirror-of-the-host",
    "entitlement",
    "BEGIN PRIVATE KEY",
    "BEGIN CERTIFICATE",
)
IN_PLACE_OF_ETC = """\
set -e
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$1,workdir=$2" /etc
shift 2
exec "$@"
"""


@dataclass(frozen=True)
class Host:
    """A host that has repositories, for whoever runs in namespaces of his own."""

    place: Path
    store: Store
    certified: Web
    proxied: Web
    key: Key

    @property
    def secrets(self) -> tuple[str, ...]:
        ports = (web.address.rpartition(":")[2] for web in (self.certified, self.proxied))
        return (*SECRETS, *(f"127.0.0.1:{port}" for port in ports), str(self.place / "key"))

    @property
    def inside(self) -> list[str]:
        """What stands before a command that runs on this host."""
        folders = (str(self.place / "etc"), str(self.place / "work"))
        return ["unshare", "--mount", "sh", "-c", IN_PLACE_OF_ETC, "sh", *folders]

    @property
    def environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
            "BS_STORE": self.store.options,
            "BS_PAUSE": "0",
            "XDG_CACHE_HOME": str(self.place / "cache"),
        }

    def run(self, *command: str | Path) -> Outcome:
        """Run a command on this host."""
        done = subprocess.run(
            [*self.inside, *command],
            cwd=ROOT,
            env=self.environment,
            check=False,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return Outcome(done.returncode, done.stdout)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    place = tmp_path_factory.mktemp("host")
    key = make_key(place / "key", "host")
    certified, proxied = place / "web/certified", place / "web/proxied"
    for folder in (certified, proxied):
        folder.mkdir(parents=True)
    # A shell, and the programs that a copy needs.
    programs = "cat chmod chown cp dirname mkdir mv readlink rm sh stat touch".split()
    files: dict[str, str | Path] = {"/etc/ground": "firm\n", "/bin/busybox": find_busybox()}
    files |= {f"/bin/{program}": "-> busybox" for program in programs}
    shell = make_package(certified, "ground-floor", files=files, requires=["staircase"])
    stairs = make_package(proxied, "staircase", files={"/usr/bin/stairs": "up\n"})
    cellar = make_package(
        proxied, "cellar", files={"/usr/share/cellar/wine": "red\n", "/usr/share/cellar/tap": "\n"}
    )
    key.sign(shell, stairs, cellar)
    stranger = make_key(place / "stranger", "stranger")
    stranger.sign(make_package(proxied, "forged"))
    for folder in (certified, proxied):
        make_repository(folder)
    context = certificates(place)
    with (
        web_server(place / "web", context) as first,
        web_server(place / "web") as second,
        store(place / "store") as made,
    ):
        first.account = "host-account:host-password"
        second.account = "proxy-account:proxy-password"
        etc = place / "etc"
        (etc / "yum.repos.d").mkdir(parents=True)
        (etc / "dnf/vars").mkdir(parents=True)
        (place / "work").mkdir()
        (etc / "dnf/vars/mirror").write_text(first.address.removeprefix("https://"))
        (etc / "yum.repos.d/host.repo").write_text(REPOSITORIES.format(place=place, proxy=second.address))
        yield Host(place, made, first, second, key)


def certificates(place: Path) -> ssl.SSLContext:
    """A server's context that takes only clients whom its authority knows; what they need lies in `place`."""
    for name, options in {
        "authority": ["-addext", "basicConstraints=critical,CA:TRUE"],
        "server": ["-addext", "subjectAltName=IP:127.0.0.1"],
        "entitlement": [],
    }.items():
        if name != "authority":
            options += ["-CA", str(place / "authority.pem"), "-CAkey", str(place / "authority.key")]
        new = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            f"/CN={name}",
        ]
        run(*new, *options, "-keyout", place / f"{name}.key", "-out", place / f"{name}.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(place / "server.pem", place / "server.key")
    context.load_verify_locations(place / "authority.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@pytest.fixture(scope="module")
def built(host: Host) -> tuple[Path, Outcome]:
    folder = host.place / "house"
    payload = "  - copy: /usr/share/cellar/wine\n    from: {package: cellar}\n    to: /etc/wine\n"
    recipes = {
        "base": "from: site\n",
        "cellar": "from: base\npackages: [cellar]\n",
        "label": f"from: base\nsteps:\n{payload}",
        "forged": "from: base\npackages: [forged]\n",
        "missing": "from: base\npackages: [attic]\n",
    }
    write_set(folder, SITE, recipes)
    plan = host.place / "plan"
    written = host.run(ROOT / ".venv/bin/buildsys", "plan", folder, "-o", plan)
    assert written.status == 0, written.text
    return plan, host.run("make", "-C", plan, "-j2")


def test_certificates_accounts_variables_and_proxies_of_the_host_are_used(
    host: Host, built: tuple[Path, Outcome], tmp_path: Path
) -> None:
    _, done = built
    assert "house: 5 images: 3 built, 0 fresh, 2 failed" in done.text, done.text
    assert host.certified.count("/certified/ground-floor-1.0-1.el7.noarch.rpm") == 1
    assert "http://mirror-of-the-host.example/proxied/cellar-1.0-1.el7.noarch.rpm" in host.proxied.asked
    image = unpacked(host.store, "localhost/house/cellar:1", tmp_path / "image")
    assert (image / "usr/share/cellar/wine").read_text() == "red\n"


def test_a_payload_comes_the_same_way(host: Host, built: tuple[Path, Outcome], tmp_path: Path) -> None:
    assert built
    image = unpacked(host.store, "localhost/house/label:1", tmp_path / "image")
    assert (image / "etc/wine").read_text() == "red\n"
    assert not (image / "usr/share/cellar").exists()


def test_refusals_name_the_line(host: Host, built: tuple[Path, Outcome]) -> None:
    plan, _ = built
    for image, sentence in {
        "forged": "no key of the site far signs forged-1.0-1.el7.noarch; it is not installed",
        "missing": "no repository of the site far has a package attic",
    }.items():
        line = f"error: {host.place}/house/images/{image}.yaml:3:12: {sentence}\n"
        assert line in (plan / f"logs/{image}.log").read_text()


def test_nothing_of_the_host_is_in_plan_or_images(
    host: Host, built: tuple[Path, Outcome], tmp_path: Path
) -> None:
    plan, done = built
    assert found(host.place / "etc", *host.secrets), "these are what to look for"
    assert found(plan, *host.secrets) == []
    assert not [word for word in host.secrets if word in done.text]
    for name in ("base", "cellar", "label"):
        image = unpacked(host.store, f"localhost/house/{name}:1", tmp_path / name)
        assert found(image, *host.secrets) == []


def test_a_second_run_finds_all_fresh(host: Host, built: tuple[Path, Outcome]) -> None:
    plan, _ = built
    assert "repository host\n" in (plan / "keys/base").read_text()
    done = host.run("make", "-C", plan, "base", "cellar", "label")
    assert "0 built, 3 fresh" in done.text, done.text


def test_out_of_reach_without_a_word_about_where(host: Host, built: tuple[Path, Outcome]) -> None:
    plan, _ = built
    host.certified.account = "somebody:else"
    try:
        done = host.run("make", "-C", plan, "BS_FORCE=1", "base")
    finally:
        host.certified.account = "host-account:host-password"
    assert done.status
    assert "note: the repository host cannot be reached; it counts as unchanged\n" in done.text
    log = (plan / "logs/base.log").read_text()
    assert ": the repository behind-a-certificate cannot be read\n" in log
    assert "  hint: it is a repository of this host; try: dnf makecache --repo behind-a-certificate\n" in log
    assert not [word for word in host.secrets if word in done.text + log]


def test_the_page_does_what_it_says(host: Host, tmp_path: Path) -> None:
    command = tmp_path / ".venv/bin/buildsys"
    command.parent.mkdir(parents=True)
    command.write_text(f'#!/bin/sh\nexec {shlex.join(host.inside)} {ROOT}/.venv/bin/buildsys "$@"\n')
    command.chmod(0o755)
    wrong = carry_out(PAGE.read_text(), tmp_path, host.environment)
    assert not wrong, "\n".join(wrong)


def test_a_host_without_repositories(host: Host, built: tuple[Path, Outcome]) -> None:
    plan, _ = built
    repositories = host.place / "etc/yum.repos.d/host.repo"
    text = repositories.read_text()
    repositories.write_text("")
    try:
        built_by_plan = host.run("make", "-C", plan, "base")
        built_by_us = host.run(
            ROOT / ".venv/bin/buildsys", "build", host.place / "house", "--build-dir", host.place / "build"
        )
    finally:
        repositories.write_text(text)
    sentence = "error: this site takes packages from the host's repositories, and none is enabled\n"
    assert sentence in built_by_plan.text
    assert built_by_us.status == 2
    assert (
        "error: this site takes packages from the host's own repositories, and dnf has none"
        in built_by_us.text
    )


def test_locked_with_what_the_host_knows(host: Host) -> None:
    """By the solver and by the fetching of packages, which run dnf's library and not its program."""
    folder = host.place / "locked"
    write_set(folder, SITE, {"base": "from: site\n", "cellar": "from: base\npackages: [cellar]\n"})
    asked = len(host.proxied.asked)
    buildsys = (ROOT / ".venv/bin/buildsys", "--debug")
    plan = host.place / "locked-plan"
    locked = host.run(*buildsys, "lock", folder)
    assert locked.status == 0, locked.text
    done = host.run(*buildsys, "plan", folder, "-o", plan, "--pool", host.place / "pool")
    assert done.status == 0, done.text
    lock = (folder / "locks/far.yaml").read_text()
    for name in ("ground-floor", "staircase", "cellar"):
        assert f'"{name}-1.0-1.el7.noarch": ' in lock
    fetched = {"cellar-1.0-1.el7.noarch.rpm", "staircase-1.0-1.el7.noarch.rpm"}
    addresses = {f"http://mirror-of-the-host.example/proxied/{name}" for name in fetched}
    assert addresses <= set(host.proxied.asked[asked:])
    assert not [word for word in host.secrets if word in locked.text + done.text + lock]
    assert found(plan, *host.secrets) == []
