"""Passwords of repositories: taken from URLs and from netrc, and written nowhere."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.sites.ground import Ground, Outcome
from tests.sites.loopback import Web, web_server
from tests.sites.packages import make_key, make_package, make_repository
from tests.sites.sets import tree

pytestmark = pytest.mark.real

HARD = 'pa:s/s %"$w\\ö'
"""A password with letters that mean something to URLs, netrc, curl and shells."""
DNF = "installer: dnf\nbase: {bootstrap: [stone]}\n"
YUM = "installer: yum\ninside: true\nbase: {image: BASE}\n"
SITE = """\
site: far
{how}repositories:
  stones: {{url: "{web}/stones/", key: "{web}/key"}}
downloads:
  "{web}/program": {{sha256: a8076d3d28d21e02012b20eaf7dbf75409a6277134439025f282e368e3305abf}}
"""


@dataclass(frozen=True)
class Guarded:
    """A repository that asks who comes, and a set that takes packages and a download from it."""

    ground: Ground
    web: Web
    place: Path
    how: str

    def write(self, *, login: str) -> None:
        """Write the set, with this before the host in its URLs."""
        folder = self.place / "set"
        (folder / "sites").mkdir(parents=True, exist_ok=True)
        (folder / "images").mkdir(exist_ok=True)
        web = self.web.address.replace("://", f"://{login}")
        how = self.how.replace("BASE", self.ground.base)
        (folder / "set.yaml").write_text("set: set\nnamespace: guarded\ntag: '1'\nepoch: 1517443200\n")
        (folder / "sites/far.yaml").write_text(SITE.format(how=how, web=web))
        recipe = "image: base\nfrom: site\npackages: [pebble]\n"
        if self.how is YUM:  # the other root has no shell to put a download in its place
            recipe += f"steps:\n  - {{download: '{web}/program', to: /program, mode: '755'}}\n"
        (folder / "images/base.yaml").write_text(recipe)

    def run(self, *words: str, **environment: str) -> Outcome:
        whole = {"HOME": str(self.place / "home"), "NETRC": "", "XDG_CACHE_HOME": "", **environment}
        return self.ground.buildsys(
            *words, self.place / "set", "--build-dir", self.place / "build", environment=whole
        )

    def traces(self) -> list[str]:
        """Files that hold the password, written in whatever way."""
        secrets = {HARD.encode(), quote(HARD, safe="").encode(), b"mia:"}
        return [
            str(path)
            for path in (self.place / "build").rglob("*")
            if path.is_file() and not path.is_symlink() and any(it in path.read_bytes() for it in secrets)
        ]


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    place = tmp_path_factory.mktemp("guarded")
    folder = place / "web/stones"
    folder.mkdir(parents=True)
    key = make_key(place / "key", "quarry")
    key.sign(make_package(folder, "stone"), make_package(folder, "pebble"))
    make_repository(folder)
    (place / "web/key").write_bytes(key.public.read_bytes())
    (place / "web/program").write_text("#!/bin/sh\n")
    with web_server(place / "web") as made:
        made.account = f"mia:{HARD}"
        yield made


@pytest.fixture(params=[DNF, YUM], ids=["dnf", "yum"])
def guarded(ground: Ground, web: Web, tmp_path: Path, request: pytest.FixtureRequest) -> Guarded:
    (tmp_path / "home").mkdir()
    return Guarded(ground, web, tmp_path, request.param)


@pytest.mark.parametrize("road", ["url", "netrc"])
@pytest.mark.parametrize("locked", [False, True], ids=["unlocked", "locked"])
def test_a_password_is_used_and_written_nowhere(guarded: Guarded, road: str, *, locked: bool) -> None:
    if road == "url":
        guarded.write(login=f"mia:{quote(HARD, safe='')}@")
    else:
        guarded.write(login="")
        word = HARD.replace("\\", "\\\\").replace('"', '\\"')
        netrc = guarded.place / "home/.netrc"
        netrc.write_text(
            f'machine other login x password y\nmachine 127.0.0.1\n login mia password "{word}"\n'
        )
        netrc.chmod(0o600)
    said = []
    if locked:
        said.append(guarded.run("lock"))
        assert said[-1].status == 0, said[-1].text
    said.append(guarded.run("build"))
    assert said[-1].status == 0, said[-1].text + "".join(
        path.read_text() for path in (guarded.place / "build").rglob("*.log")
    )
    files = tree(guarded.ground.store, "localhost/guarded/base:1")
    assert {"usr/share/pebble/about", *(["program"] if guarded.how is YUM else [])} <= files
    assert guarded.traces() == []
    said.append(guarded.run("why"))
    assert "fresh" in said[-1].text
    for outcome in said:
        assert "mia" not in outcome.text
        assert HARD not in outcome.text


CONTAINERFILE = """\
FROM base
RUN --mount=type=secret,id=token cat /run/secrets/token >/dev/null && echo used >/used
"""
PROXY, HIDDEN = "pr0xy-canary", "t0ken-canary"


@pytest.mark.parametrize("guarded", [YUM], indirect=True, ids=["yum"])
def test_nothing_that_leaves_the_host_holds_a_secret(guarded: Guarded) -> None:
    """SBOMs and published layouts, all layers unpacked; and the plan with everything next to it."""
    guarded.write(login=f"mia:{quote(HARD, safe='')}@")
    leaf = guarded.place / "set/files/leaf"
    leaf.mkdir(parents=True)
    (leaf / "Containerfile").write_text(CONTAINERFILE)
    recipe = "image: leaf\ncontainerfile: ../files/leaf/Containerfile\nsecrets: [token]\n"
    (guarded.place / "set/images/leaf.yaml").write_text(recipe)
    token = guarded.place / "token"
    token.write_text(HIDDEN)
    proxy = {"https_proxy": f"http://tom:{PROXY}@127.0.0.1:9", "no_proxy": "127.0.0.1"}
    build = guarded.place / "build"
    for words in (
        ["lock"], ["build", "--secret", f"token={token}"], ["publish", "--to", f"oci:{build}/layout"],
        ["sbom", "-o", str(build / "sbom")], ["sbom", "--format", "cyclonedx", "-o", str(build / "sbom")],
    ):  # fmt: skip
        outcome = guarded.run(*words, **proxy)
        assert outcome.status == 0, outcome.text
        assert not any(word in outcome.text for word in (HARD, PROXY, HIDDEN))
    searched = {path: unpacked(path.read_bytes()) for path in build.rglob("*") if path.is_file()}
    # What must be searched is there: documents, and a layer that is packed, with the file of its RUN.
    assert {f"{name}.{form}.json" for name in ("base", "leaf") for form in ("spdx", "cdx")} <= {
        path.name for path in searched
    }
    assert any(b"used\n" in content and "layout" in path.parts for path, content in searched.items())
    canaries = [HARD.encode(), quote(HARD, safe="").encode(), PROXY.encode(), HIDDEN.encode()]
    found = [path for path, content in searched.items() if any(it in content for it in canaries)]
    assert found == []


def unpacked(content: bytes) -> bytes:
    """The content of a file; of a packed layer, what is in it."""
    return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content


def test_a_key_does_not_change_with_a_password(guarded: Guarded) -> None:
    keys = set()
    for login in ("", "mia:one@", "tom:two@"):
        guarded.write(login=login)
        outcome = guarded.run("plan", "--unlocked")
        assert outcome.status == 0, outcome.text
        keys.add((guarded.place / "build/set/keys/base").read_bytes())
    assert len(keys) == 1


def test_mistakes_show_no_password(guarded: Guarded) -> None:
    guarded.write(login="mia:wrong-word@")
    for words in (["lock"], ["build"]):
        outcome = guarded.run(*words)
        assert outcome.status == 1 if words == ["build"] else outcome.status
        assert "wrong-word" not in outcome.text
    site = guarded.place / "set/sites/far.yaml"
    site.write_text(site.read_text().replace('key: "http', 'kee: "http'))
    outcome = guarded.ground.buildsys("check", guarded.place / "set")
    assert "unknown-key" in outcome.text
    assert "wrong-word" not in outcome.text
    assert os.fsencode("wrong-word") not in b"".join(
        path.read_bytes() for path in (guarded.place / "build").rglob("*") if path.is_file()
    )
