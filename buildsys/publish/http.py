"""Requests to a host and their answers, in TLS or plain; what goes wrong in words. The door to urllib3."""

from __future__ import annotations

import base64
import re
import socket
import ssl
import urllib.request
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, InsecureRequestWarning, SSLError

from buildsys.diagnostics import Code
from buildsys.publish.access import Certificates
from buildsys.publish.errors import Problem, Transient

PIECE = 1 << 20
"""Bytes of a blob that are read at a time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered. Names of headers are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    request: str = ""
    """What it answers, as `METHOD PATH` without the query, where that is known."""


class Connections:
    """Connections to a host, kept and shared by threads; `count` of them at most.

    `go_on` is asked before every piece of a file that is sent; what it raises breaks off.
    """

    def __init__(
        self,
        host: str,
        *,
        insecure: bool,
        certificates: Certificates,
        count: int,
        go_on: Callable[[], None],
    ) -> None:
        self.host = host
        self._go_on = go_on
        self._pools = _pools(host, insecure=insecure, certificates=certificates, count=count)

    def pieces(self, method: str, url: str, headers: Mapping[str, str]) -> Generator[Answer]:
        """An answer: first without its body, then each piece of that as a body of its own.

        Raises:
            Transient: no answer, or one that broke off.
            Problem: whoever answers cannot prove who it is (`wrong-certificate`).
        """
        try:
            answer = self._pools.request(method, url, headers=headers, preload_content=False, redirect=False)
        except (HTTPError, HTTPException, OSError) as error:
            raise self._failed(error) from error
        said = {key.lower(): value for key, value in answer.headers.items()}
        whole = False
        try:
            yield Answer(answer.status, said, b"")
            for piece in answer.stream(PIECE):
                yield Answer(answer.status, said, piece)
            whole = True
        except (HTTPError, HTTPException, OSError) as error:
            raise Transient(_reason(error)) from error
        finally:
            # On a connection that something is left on, the next answer would be this one's rest.
            if not whole:
                answer.close()
            answer.release_conn()

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | Path | None) -> Answer:
        """A request, and its whole answer. A body may be a file.

        Raises:
            Transient: no answer.
            Problem: whoever answers cannot prove who it is (`wrong-certificate`).
        """
        if isinstance(body, Path):
            length = {"Content-Length": str(body.stat().st_size)}
            with body.open("rb") as file:
                return self._sent(method, url, {**headers, **length}, self._pieces_of(file))
        return self._sent(method, url, headers, body)

    def _pieces_of(self, file: IO[bytes]) -> Iterator[bytes]:
        while piece := file.read(PIECE):
            self._go_on()
            yield piece

    def _sent(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | Iterator[bytes] | None
    ) -> Answer:
        try:
            answer = self._pools.request(method, url, headers=headers, body=body, redirect=False)
        except (HTTPError, HTTPException, OSError) as error:
            raise self._failed(error) from error
        return Answer(
            answer.status, {key.lower(): value for key, value in answer.headers.items()}, answer.data
        )

    def _failed(self, error: Exception) -> Exception:
        if isinstance(error, SSLError):
            if "CERTIFICATE_VERIFY_FAILED" in str(error) or "certificate" in str(error).lower():
                why = getattr(error.args[0], "verify_message", "") or _reason(error)
                folder = f"/etc/containers/certs.d/{self.host}"
                hint = f"put its authority's certificate into {folder}/ca.crt, or say --cert-dir"
                message = f"{self.host} shows a certificate that is not trusted here: {why}"
                return Problem(Code.WRONG_CERTIFICATE, message, hint)
            return Transient("speaks no TLS" if "WRONG_VERSION_NUMBER" in str(error) else _reason(error))
        return Transient(_reason(error))


def _reason(error: Exception) -> str:
    inner: BaseException = error
    while True:
        inside = (getattr(inner, "reason", None), *inner.args, inner.__cause__)
        deeper = next((item for item in inside if isinstance(item, BaseException)), None)
        if deeper is None:
            break
        inner = deeper
    # Of a name server that does not answer now another is said.
    if isinstance(inner, socket.gaierror) and inner.errno != socket.EAI_AGAIN:
        return "its name is not known"
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror.lower()
    text = str(inner)
    if "Remote end closed" in text or "IncompleteRead" in text or "broken" in text.lower():
        return "the connection was cut"
    return re.sub(r"^<?[\w.]*Connection\w*\([^)]*\)>?: ", "", text) or type(inner).__name__


def _pools(host: str, *, insecure: bool, certificates: Certificates, count: int) -> urllib3.PoolManager:
    context = ssl.create_default_context()
    for file in certificates.authorities:
        context.load_verify_locations(file)
    if certificates.own:
        context.load_cert_chain(*certificates.own)
    if insecure:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        urllib3.disable_warnings(InsecureRequestWarning)  # who declared it so knows
    timeout = urllib3.Timeout(connect=20.0, read=300.0)
    options: dict[str, Any] = {
        "maxsize": count, "block": True, "ssl_context": context, "retries": False, "timeout": timeout,
    }  # fmt: skip
    proxy = urllib.request.getproxies().get("https", "")
    if proxy and not urllib.request.proxy_bypass(host):
        return _proxied(proxy if "://" in proxy else f"http://{proxy}", options)
    return urllib3.PoolManager(**options)


def _proxied(proxy: str, options: Mapping[str, Any]) -> urllib3.ProxyManager:
    try:
        user = urlsplit(proxy)
        headers = None
        if user.username:
            pair = f"{unquote(user.username)}:{unquote(user.password or '')}"
            headers = {"Proxy-Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
        return urllib3.ProxyManager(proxy, proxy_headers=headers, **options)
    except (ValueError, HTTPError) as error:
        # What it says may hold a password: it is not told.
        message = "`https_proxy` names no proxy that can be used"
        raise Problem(Code.BAD_PROXY, message, "http://[USER:PASSWORD@]HOST:PORT") from error
