"""How to reach a registry: credentials, tokens, registries.conf, certificates, retries.

Credentials, registries.conf and certificates are read where skopeo and podman read them.
"""

from __future__ import annotations

import base64
import json
import os
import random
import re
import threading
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

from buildsys import programs
from buildsys.diagnostics import Code
from buildsys.interrupts import Interrupted
from buildsys.publish.errors import PublishError, Transient
from buildsys.publish.task import Patience

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Login:
    """User and password for a registry, and the file that has them."""

    user: str
    password: str = field(repr=False)
    file: str = ""

    @property
    def header(self) -> str:
        """The value of `Authorization`."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


def login(host: str, repository: str, authfile: Path | None) -> Login | None:
    """The credentials for a repository: the narrowest entry that covers it, of the first file that has one.

    Raises:
        PublishError: `authfile` does not exist (`no-auth-file`), or a file cannot be read (`bad-auth-file`).
    """
    named = authfile or (
        Path(os.environ["REGISTRY_AUTH_FILE"]) if os.environ.get("REGISTRY_AUTH_FILE") else None
    )
    if named is not None and not named.exists():
        hint = "`skopeo login --authfile FILE REGISTRY` creates one"
        raise PublishError(Code.NO_AUTH_FILE, f"there is no file of credentials {named}", hint)
    for file in [named] if named else _auth_files():
        if found := _login_in(file, host, repository):
            return found
    return None


def _auth_files() -> Iterator[Path]:
    home = Path.home()
    if os.environ.get("XDG_RUNTIME_DIR"):
        yield Path(os.environ["XDG_RUNTIME_DIR"], "containers/auth.json")
    yield Path(f"/run/containers/{os.getuid()}/auth.json")
    yield Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config", "containers/auth.json")
    yield Path(os.environ.get("DOCKER_CONFIG") or home / ".docker", "config.json")


def _login_in(file: Path, host: str, repository: str) -> Login | None:
    try:
        data = json.loads(file.read_bytes())
        entries, programs = data.get("auths") or {}, data.get("credHelpers") or {}
        place = f"{host}/{repository}"
        while place:
            for key in (place, f"https://{place}", f"https://{place}/v1/"):
                if auth := (entries.get(key) or {}).get("auth"):
                    user, _, password = base64.b64decode(auth).decode().partition(":")
                    return Login(user, password.rstrip("\0"), str(file))
            if program := programs.get(place) or (
                "/" not in place and place in entries and data.get("credsStore")
            ):
                return _asked(program, place, file)
            place = place.rpartition("/")[0]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, AttributeError) as error:
        raise PublishError(
            Code.BAD_AUTH_FILE, f"{file} cannot be read as a file of credentials: {error}"
        ) from error
    return None


def _asked(program: str, host: str, file: Path) -> Login | None:
    """The credentials that a helper program stores; None: it has none.

    Raises:
        PublishError: it cannot be run, or its answer is not a login (`bad-auth-helper`).
    """
    argv = [f"docker-credential-{program}", "get"]
    try:
        done = programs.run(argv, given=host)
        if done.status:
            return None
        answer = json.loads(done.out)
        return Login(str(answer["Username"]), str(answer["Secret"]), f"{file}, {argv[0]}")
    except OSError as error:
        message = f"{file} names {argv[0]} for {host}, which cannot be run: {error.strerror}"
        raise PublishError(Code.BAD_AUTH_HELPER, message) from error
    except (ValueError, KeyError, TypeError) as error:
        message = f"{file} names {argv[0]} for {host}, but its answer is not a login"
        raise PublishError(Code.BAD_AUTH_HELPER, message) from error


# ── registries.conf ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Way:
    """A repository's location by registries.conf, and whether its registry may lack a trusted certificate."""

    host: str
    repository: str
    insecure: bool = False


def way(host: str, repository: str, rules: list[Mapping[str, Any]]) -> Way:
    """The location of a repository, by the longest prefix that covers it. Mirrors serve only pulls.

    Raises:
        PublishError: the registry is blocked (`registry-blocked`).
    """
    full = f"{host}/{repository}"
    best: Mapping[str, Any] = {}
    for rule in rules:
        prefix = str(rule.get("prefix") or rule.get("location") or "")
        if _covers(prefix, full) and len(prefix) >= len(
            str(best.get("prefix") or best.get("location") or "")
        ):
            best = rule
    if best.get("blocked"):
        raise PublishError(
            Code.REGISTRY_BLOCKED, f"registries.conf blocks {best.get('prefix') or best.get('location')}"
        )
    prefix, location = str(best.get("prefix") or ""), str(best.get("location") or "")
    if prefix and location and not prefix.startswith("*."):
        full = location + full[len(prefix) :]
    there, _, name = full.partition("/")
    return Way(there, name, bool(best.get("insecure")))


def _covers(prefix: str, full: str) -> bool:
    if prefix.startswith("*."):
        return full.partition("/")[0].partition(":")[0].endswith(prefix[1:])
    return bool(prefix) and (full == prefix or full.startswith((f"{prefix}/", f"{prefix}:")))


def registry_rules() -> list[Mapping[str, Any]]:
    """The rules of registries.conf and registries.conf.d, in either of the two formats.

    Raises:
        PublishError: a file is not TOML (`bad-registries-conf`).
    """
    rules: list[Mapping[str, Any]] = []
    for file in _registry_files():
        try:
            data = tomllib.loads(file.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise PublishError(Code.BAD_REGISTRIES_CONF, f"{file} cannot be read: {error}") from error
        rules += data.get("registry") or []
        old = data.get("registries") or {}
        if isinstance(old, dict):
            rules += [
                {"location": name, word: True}
                for part, word in (("insecure", "insecure"), ("block", "blocked"))
                for name in (old.get(part) or {}).get("registries") or []
            ]
    return rules


def _registry_files() -> Iterator[Path]:
    if named := os.environ.get("CONTAINERS_REGISTRIES_CONF"):
        yield Path(named)
        return
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config", "containers")
    own = config / "registries.conf"
    system = Path("/etc/containers")
    main = own if own.is_file() else system / "registries.conf"
    if main.is_file():
        yield main
    for folder in (system, config):
        yield from sorted((folder / "registries.conf.d").glob("*.conf"))


# ── certs.d ─────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Certificates:
    """Authorities to trust besides those of the system, and our own certificate and key."""

    authorities: tuple[str, ...] = ()
    own: tuple[str, str] | None = None


def certificates(host: str, folder: Path | None) -> Certificates:
    """The certificates in `folder`, or else in the first `certs.d/HOST` that exists.

    Raises:
        PublishError: `folder` does not exist (`no-certificates`).
    """
    if folder is not None and not folder.is_dir():
        raise PublishError(Code.NO_CERTIFICATES, f"there is no folder of certificates {folder}")
    places = [folder] if folder else [base / "certs.d" / host for base in _certificate_bases()]
    for place in places:
        if place.is_dir():
            pairs = [(str(file), str(file.with_suffix(".key"))) for file in sorted(place.glob("*.cert"))]
            return Certificates(tuple(map(str, sorted(place.glob("*.crt")))), pairs[0] if pairs else None)
    return Certificates()


def _certificate_bases() -> Iterator[Path]:
    yield Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config", "containers")
    yield Path("/etc/containers")
    yield Path("/etc/docker")


# ── tokens ──────────────────────────────────────────────────────────────────────────────────────────────────


LASTS = 60.0
"""Seconds that a token is valid when its answer has no `expires_in`."""

_WORD = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,"]+))')


@dataclass(frozen=True, slots=True)
class Challenge:
    """The proof of identity that a registry wants: none, a login, or a token from its realm."""

    kind: str = ""
    """`bearer` for tokens."""
    realm: str = ""
    """URL of the token server."""
    service: str = ""

    def query(self, scopes: tuple[str, ...]) -> str:
        """The query for a token with these rights."""
        words = [("service", self.service), *(("scope", scope) for scope in scopes)]
        return f"{'&' if '?' in self.realm else '?'}{urlencode(words)}"


def challenge(header: str) -> Challenge:
    """A `WWW-Authenticate` header."""
    words = {name.lower(): quoted or plain for name, quoted, plain in _WORD.findall(header)}
    kind = header.split(maxsplit=1)[0].lower() if header.strip() else ""
    return Challenge(kind, words.get("realm", ""), words.get("service", ""))


def granted(body: bytes) -> tuple[str, float]:
    """A token, and for how many seconds it is valid.

    Raises:
        ValueError: this is not the answer of a token server.
    """
    data = json.loads(body)
    token = (data.get("token") or data.get("access_token")) if isinstance(data, dict) else None
    if not isinstance(token, str) or not re.fullmatch(r"[!-~]+", token):
        raise ValueError
    seconds = data.get("expires_in")
    return token, float(seconds) if isinstance(seconds, int | float) else LASTS


# ── all of it ───────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How to reach a host."""

    host: str
    """With its port, where that is not 443."""
    insecure: bool = False
    certificates: Certificates = field(default_factory=Certificates)
    login: Callable[[str], Login | None] = lambda _repository: None
    """The credentials for a repository."""
    patience: Patience = field(default_factory=Patience)
    connections: int = 4
    stop: threading.Event = field(default_factory=threading.Event)
    """Set when the run must end: no further request is sent."""

    def go_on(self) -> None:
        """Raises Interrupted when the run must end."""
        if self.stop.is_set():
            raise Interrupted

    def again(self, work: Callable[[], T], code: Code = Code.REGISTRY_FAILING) -> T:
        """Repeat `work` while it raises Transient, with growing pauses, or those that the server asks for.

        Raises:
            PublishError: `work` raised it, or still failed at the last try (`code`).
            Interrupted: the run must end.
        """
        pause = self.patience.pause
        for number in range(1, self.patience.tries + 1):
            self.go_on()
            try:
                return work()
            except Transient as failed:
                if number == self.patience.tries or failed.pause > self.patience.longest:
                    asks = f"; it asks for a pause of {failed.pause:.0f} s" if failed.pause else ""
                    tried = f"{number} times" if number > 1 else "once"
                    raise PublishError(code, f"{self.host}: {failed}; tried {tried}{asks}") from failed
                # Requests that failed together must not come back together.
                self.stop.wait(max(failed.pause, pause * random.uniform(0.5, 1.0)))  # noqa: S311 - no secret
                pause = min(pause * 2, self.patience.longest)
        raise AssertionError  # the last try raises or returns


def wrong_login(host: str, login: Login | None, reason: str) -> PublishError:
    """The registry refuses our credentials, or wants some and we have none."""
    if login is None:
        hint = f"`skopeo login {host}` stores credentials; --authfile names a file of them"
        return PublishError(Code.NO_ACCESS, f"{host} wants credentials, and there are none", hint)
    message = f"{host} refuses the credentials of {login.user} from {login.file}: {reason}"
    return PublishError(Code.NO_ACCESS, message, f"they may have expired: `skopeo login {host}`")
