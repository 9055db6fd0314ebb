"""A small set that was built, and real registries on the loopback address."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from buildsys.diagnostics import Refused
from buildsys.image import CopyContext, HealthCheck, Image, MakeDirectory, OciConfig
from buildsys.publish.destination import Destination, destinations
from buildsys.publish.manifest import DOCKER_MANIFEST, OCI_MANIFEST
from buildsys.publish.publication import publish
from buildsys.publish.task import Outcome, Patience, PublishOptions
from tests import command
from tests.busybox import OURS, Ground, put_base
from tests.conftest import ROOT
from tests.plan.sets import BASE, image
from tests.publish.proxy import Proxy, failing
from tests.stores import store

NAMES = ("base", "apps", "one", "two", "other")
QUICK = Patience(tries=4, pause=0.01, longest=1.0)


def folder(path: str) -> MakeDirectory:
    return MakeDirectory(paths=(path,), mode="", owner="")


def images(change: str = "") -> list[Image]:
    """Five images in three generations, two of them made from what is built elsewhere."""
    healthy = OciConfig(healthcheck=HealthCheck(("CMD", "true")))
    return [
        image("base", BASE, folder(f"/base{change}")),
        image("apps", "base", folder("/apps")),
        image("one", "apps", folder("/one"), config=healthy),
        image("two", "apps", CopyContext(source="large", to="/", mode="", owner="")),
        image("other", BASE, folder("/other")),
    ]


@dataclass(frozen=True)
class Bench:
    """A set that was built, in a store of its own."""

    ground: Ground

    @property
    def plan(self) -> Path:
        return self.ground.plan

    def build(self, change: str = "") -> None:
        self.ground.build(images(change))

    def publish(
        self,
        *texts: str,
        stand_ins: bool = False,
        patience: Patience = QUICK,
        only: tuple[str, ...] = (),
        tell: Callable[[Outcome], None] = lambda _: None,
        **wish: Any,
    ) -> list[Outcome]:
        """Publish it, in this process."""
        return publish(
            self.plan,
            destinations(texts),
            PublishOptions(patience=patience, **wish),
            store=self.ground.store.options,
            stand_ins=stand_ins,
            say=lambda _: None,
            only=only,
            tell=tell,
        )

    def refusal(self, *texts: str, **wish: Any) -> str:
        """What is said when it is refused."""
        with pytest.raises(Refused) as refused:
            self.publish(*texts, **wish)
        return refused.value.text()

    def argv(self, verb: str) -> list[str]:
        return [str(ROOT / ".venv/bin/buildsys"), verb, "tiny", "-o", str(self.plan)]

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        return {**kept, "BS_STORE": self.ground.store.options, "BS_PAUSE": "0.01", **more}

    def run(self, verb: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a verb of the command line on it."""
        return command.run([*self.argv(verb)[1:], *words], Path.cwd(), self.environment(**environment))


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """The set, built once; who changes it builds it back."""
    place = tmp_path_factory.mktemp("publishing")
    # TMPDIR of the run is short: podman takes no run root of more than 50 characters.
    with TemporaryDirectory(prefix="bs-") as short, store(Path(short)) as made:
        put_base(made, place / "root")
        (place / "set/files").mkdir(parents=True)
        (place / "set/files/large").write_bytes(os.urandom(3 << 20))
        bench = Bench(Ground(made, place / "plan"))
        bench.build()
        yield bench


@pytest.fixture
def bench(built: Bench) -> Bench:
    """The set, with nothing known of any destination."""
    subprocess.run(["rm", "-rf", str(built.plan / "state/publish")], check=True)
    return built


# ── registries ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Running:
    """A registry that runs."""

    host: str
    place: Path
    scheme: str = "http"
    ca: Path | None = None
    login: str = ""

    @property
    def destination(self) -> str:
        return f"docker://{self.host}"

    def ask(self, path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
        """One request of the test's own."""
        import ssl

        request = urllib.request.Request(f"{self.scheme}://{self.host}{path}", method=method)
        request.add_header("Accept", f"{OCI_MANIFEST}, {DOCKER_MANIFEST}")
        if self.login:
            request.add_header("Authorization", "Basic " + base64.b64encode(self.login.encode()).decode())
        context = ssl.create_default_context(cafile=str(self.ca)) if self.ca else None
        try:
            with urllib.request.urlopen(request, context=context) as answer:
                return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read()

    def tags(self, namespace: str = "tests") -> dict[str, str]:
        """Digest that each tag of each image leads to."""
        found = {}
        for name in NAMES:
            status, _, body = self.ask(f"/v2/{namespace}/t-{name}/tags/list")
            for tag in (json.loads(body).get("tags") or []) if status == 200 else []:
                _, headers, _ = self.ask(f"/v2/{namespace}/t-{name}/manifests/{tag}", "HEAD")
                found[f"{name}:{tag}"] = headers["docker-content-digest"]
        return found

    def requests(self) -> list[str]:
        """What it was asked, as `METHOD PATH STATUS`."""
        lines = (self.place / "log").read_text("utf-8").splitlines()
        found = []
        for line in lines:
            if '"' in line and "HTTP/1.1" in line:
                words = line.split('"')[1].split()
                found.append(f"{words[0]} {words[1]} {line.split(chr(34))[2].split()[0]}")
        return found


def free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
        return port


@contextmanager
def serving(
    place: Path,
    *,
    tls: tuple[Path, Path] | None = None,
    htpasswd: Path | None = None,
    ca: Path | None = None,
    login: str = "",
    host: str = "",
) -> Iterator[Running]:
    """The distribution registry until the end of the block; `place` may have its storage already."""
    place.mkdir(parents=True, exist_ok=True)
    host = host or f"127.0.0.1:{free_port()}"
    config: dict[str, Any] = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": False}},
        "storage": {"filesystem": {"rootdirectory": str(place / "data")}, "delete": {"enabled": True}},
        "http": {"addr": host, "secret": "no secret"},
    }
    if tls:
        config["http"]["tls"] = {"certificate": str(tls[0]), "key": str(tls[1])}
    if htpasswd:
        config["auth"] = {"htpasswd": {"realm": "tests", "path": str(htpasswd)}}
    (place / "config.yml").write_text(json.dumps(config))
    with (place / "log").open("ab") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(place / "config.yml")], stdout=log, stderr=subprocess.STDOUT
        )
        try:
            for _ in range(200):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", int(host.rpartition(":")[2]))) == 0:
                        break
                assert process.poll() is None, (place / "log").read_text()
                time.sleep(0.05)
            yield Running(host, place, "https" if tls else "http", ca, login)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=20)


@pytest.fixture
def insecure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Declare registries insecure, as an administrator does."""
    file = tmp_path / "registries.conf"
    file.write_text("")
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(file))

    def declare(host: str) -> None:
        file.write_text(file.read_text() + f'[[registry]]\nlocation = "{host}"\ninsecure = true\n')

    return declare


@pytest.fixture
def registry(tmp_path: Path, insecure: Callable[[str], None]) -> Iterator[Running]:
    """An empty registry that speaks plain HTTP, and is declared insecure."""
    with serving(tmp_path / "registry") as running:
        insecure(running.host)
        yield running


@pytest.fixture
def proxy(registry: Running, insecure: Callable[[str], None]) -> Iterator[Proxy]:
    with failing(registry.host) as made:
        insecure(made.host)
        yield made


def problems(outcomes: list[Outcome]) -> str:
    """What stood in the way, as a person reads it."""
    return "\n".join(mistake.text() for outcome in outcomes for mistake in outcome.mistakes)


def only(outcomes: list[Outcome]) -> Outcome:
    (outcome,) = outcomes
    assert outcome.mistakes == [], problems(outcomes)
    return outcome


def place(text: str) -> Destination:
    (found,) = destinations([text])
    return found
