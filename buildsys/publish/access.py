"""How a registry is reached: credentials, registries.conf, certificates, as the container tools have them."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from buildsys.diagnostics import Code
from buildsys.publish.errors import Problem


@dataclass(frozen=True, slots=True)
class Login:
    """Who we are to a registry, and which file says so."""

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
        Problem: the file that was named is not there (`no-auth-file`), or cannot be read (`bad-auth-file`).
    """
    named = authfile or (
        Path(os.environ["REGISTRY_AUTH_FILE"]) if os.environ.get("REGISTRY_AUTH_FILE") else None
    )
    if named is not None and not named.exists():
        hint = "`skopeo login --authfile FILE REGISTRY` makes one"
        raise Problem(Code.NO_AUTH_FILE, f"there is no file of credentials {named}", hint)
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
        raise Problem(
            Code.BAD_AUTH_FILE, f"{file} cannot be read as a file of credentials: {error}"
        ) from error
    return None


def _asked(program: str, host: str, file: Path) -> Login | None:
    """The credentials that a helper program keeps; None: it keeps none.

    Raises:
        Problem: it cannot be run, or answers as none does (`bad-auth-helper`).
    """
    argv = [f"docker-credential-{program}", "get"]
    try:
        said = subprocess.run(argv, input=host, capture_output=True, text=True, check=False)
        if said.returncode:
            return None
        answer = json.loads(said.stdout)
        return Login(str(answer["Username"]), str(answer["Secret"]), f"{file}, {argv[0]}")
    except OSError as error:
        message = f"{file} says to ask {argv[0]} for {host}, which cannot be run: {error.strerror}"
        raise Problem(Code.BAD_AUTH_HELPER, message) from error
    except (ValueError, KeyError, TypeError) as error:
        message = f"{file} says to ask {argv[0]} for {host}, and its answer is no login"
        raise Problem(Code.BAD_AUTH_HELPER, message) from error


# ── registries.conf ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Way:
    """What registries.conf makes of a repository: where it is, and whether it need not prove who it is."""

    host: str
    repository: str
    insecure: bool = False


def way(host: str, repository: str, rules: list[Mapping[str, Any]]) -> Way:
    """Where a repository is to be looked for, by the longest prefix that covers it. Mirrors are for pulling.

    Raises:
        Problem: the registry is blocked (`registry-blocked`).
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
        raise Problem(
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
    """The rules of registries.conf and what stands beside it, in either of its two forms.

    Raises:
        Problem: it is no TOML (`bad-registries-conf`).
    """
    rules: list[Mapping[str, Any]] = []
    for file in _registry_files():
        try:
            data = tomllib.loads(file.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise Problem(Code.BAD_REGISTRIES_CONF, f"{file} cannot be read: {error}") from error
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
    """Files of authorities to trust beside the system's, and ours to show: certificate and key."""

    authorities: tuple[str, ...] = ()
    own: tuple[str, str] | None = None


def certificates(host: str, folder: Path | None) -> Certificates:
    """What the folder named, or else the first `certs.d/HOST` that there is, holds.

    Raises:
        Problem: the folder that was named is not there (`no-certificates`).
    """
    if folder is not None and not folder.is_dir():
        raise Problem(Code.NO_CERTIFICATES, f"there is no folder of certificates {folder}")
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
