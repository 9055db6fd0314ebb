"""The address of a Dask scheduler, and the certificates that client, scheduler and workers show one another.

Whoever can speak to a scheduler can run any program on its workers. So all traffic has mutual TLS; without,
only addresses of this machine itself are taken.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from buildsys.diagnostics import Code
from buildsys.engines.engine import refused

TLS_FILES = ("ca.pem", "cert.pem", "key.pem")
"""In the folder BS_TLS_DIR: the authority that all trust, this machine's certificate, and its key."""


@dataclass(frozen=True, slots=True)
class Address:
    """A scheduler's address, checked."""

    text: str
    host: str
    port: int
    tls: Path | None
    """The folder of certificates; None on loopback without TLS."""


def parsed(text: str, environment: Mapping[str, str]) -> Address:
    """The address `tls://HOST:PORT`, or `tcp://` on loopback; certificates are where BS_TLS_DIR says.

    Raises:
        Refused: it has another form, it would be without TLS, or certificates are missing.
    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    if not host or not port or parts.scheme not in {"tls", "tcp"} or parts.path:
        raise refused(
            Code.BAD_ENGINE_ADDRESS,
            f"not the address of a scheduler: {text or 'nothing'}",
            "dask=tls://HOST:8786",
        )
    if parts.scheme == "tcp":
        if not _is_loopback(host):
            raise refused(
                Code.ENGINE_WITHOUT_TLS,
                f"{text} is without TLS: anybody who reaches that port could run programs on all workers",
                f"use tls://{parts.netloc}; only loopback addresses may be without",
            )
        return Address(text, host, port, None)
    folder = Path(environment.get("BS_TLS_DIR") or Path.home() / ".config/buildsys/tls")
    missing = [name for name in TLS_FILES if not (folder / name).is_file()]
    if missing:
        raise refused(
            Code.NO_CERTIFICATES,
            f"{folder} lacks {', '.join(missing)}, for {text}",
            "BS_TLS_DIR names the folder; the how-to for Dask has the commands that make them",
        )
    return Address(text, host, port, folder)


def security(address: Address) -> Any:
    """What Dask needs to know of TLS."""
    from distributed.security import Security as Untyped

    made: Any = Untyped
    if address.tls is None:
        return made(require_encryption=False)
    authority, certificate, key = (str(address.tls / name) for name in TLS_FILES)
    roles = {
        f"tls_{role}_{what}": path
        for role in ("client", "scheduler", "worker")
        for what, path in (("cert", certificate), ("key", key))
    }
    return made(tls_ca_file=authority, require_encryption=True, **roles)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
