"""Requests to a registry's host: TLS or plain HTTP, proof of identity, redirects. The door to urllib3."""

from __future__ import annotations

import base64
import json
import re
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, InsecureRequestWarning, SSLError

from buildsys import __version__
from buildsys.diagnostics import Code
from buildsys.publish.errors import PublishError, Transient
from buildsys.publish.registry_access import Challenge, Login, Reach, challenge, granted, wrong_login

PIECE = 1 << 20
"""Bytes of a blob that are read or sent at a time."""
REDIRECTS = (301, 302, 303, 307, 308)
HOPS = 5
"""Redirects that are followed for one request."""

NO_TLS, UNKNOWN = "does not speak TLS", "its name is not known"
"""Reasons of a failure that another try does not mend."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of a server. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    request: str = ""
    """`METHOD PATH` without the query, where that is known."""

    @property
    def reason(self) -> str:
        """The error in the registry's own words, and the status."""
        try:
            error = json.loads(self.body)["errors"][0]
            words = [str(error.get("message") or error.get("code"))]
            if isinstance(error.get("detail"), str):
                words.append(error["detail"])
            return f"{': '.join(words)} ({self.status})"
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            return f"status {self.status}"


class Host:
    """A registry's host. Threads may share it."""

    def __init__(self, reach: Reach) -> None:
        self.reach = reach
        self.name = reach.host
        self._pools = _pools(reach)
        self._base = ""
        self._challenge = Challenge()
        self._tokens: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def open(self) -> None:
        """Find out whether the host answers, in which scheme, and which proof of identity it wants.

        Raises:
            PublishError: no answer (`no-registry`), or an untrusted certificate (`wrong-certificate`).
        """
        # Plain HTTP is only for hosts declared insecure, and only where they do not speak TLS.
        schemes = ("https", "http") if self.reach.insecure else ("https",)
        problems: list[PublishError] = []
        for scheme in schemes:
            base = f"{scheme}://{self.name}"
            try:
                answer = self.reach.again(lambda base=base: self._greet(base), Code.NO_REGISTRY)  # type: ignore[misc]
            except PublishError as problem:
                problems.append(problem)
                continue
            self._base = base
            wants = answer.headers.get("www-authenticate", "") if answer.status == 401 else ""
            self._challenge = challenge(wants)
            return
        raise problems[-1]

    def _greet(self, base: str) -> Answer:
        try:
            answer = self._send("GET", f"{base}/v2/", {}, None)
        except Transient as failed:
            # Retry refused connections, the registry may be starting; but not unknown host names.
            reason = str(failed)
            if reason in (NO_TLS, UNKNOWN):
                hint = "declare it `insecure = true` in registries.conf if it is meant to speak plain HTTP"
                message = f"{self.name}: {reason}"
                raise PublishError(Code.NO_REGISTRY, message, hint if reason == NO_TLS else "") from failed
            raise
        if answer.status in (200, 401):
            return answer
        self._refuse_transient(answer)
        message = f"{self.name} is not a registry: it answers {answer.status} to GET /v2/"
        raise PublishError(Code.NO_REGISTRY, message)

    # ── one request ─────────────────────────────────────────────────────────────────────────────────────────

    def ask(
        self,
        method: str,
        path: str,
        *,
        scopes: tuple[str, ...],
        headers: Mapping[str, str] | None = None,
        body: bytes | Path | None = None,
    ) -> Answer:
        """Send a request with the proof it needs. `path` may be a full URL that the registry gave.

        GET and HEAD follow redirects.

        Raises:
            Transient: no answer, 429, or 5xx other than 501, which stays wrong after any pause.
        """
        url = self._address(self._base, path)
        for _ in range(HOPS):
            answer = self._ask(method, url, scopes, headers or {}, body)
            self._refuse_transient(answer)
            if method not in ("GET", "HEAD") or answer.status not in REDIRECTS:
                return answer
            url = self._address(url, self.location(answer))
        raise Transient(f"redirects without end for {path}")

    def _ask(
        self,
        method: str,
        url: str,
        scopes: tuple[str, ...],
        headers: Mapping[str, str],
        body: bytes | Path | None,
    ) -> Answer:
        answer = self._send(method, url, {**headers, **self._proof(url, scopes)}, body)
        if answer.status == 401 and self._is_own(url):
            # A token has expired, or this repository wants another proof than the registry itself.
            with self._lock:
                self._tokens.pop(" ".join(scopes), None)
                wants = answer.headers.get("www-authenticate", "")
                self._challenge = challenge(wants) if wants else self._challenge
            answer = self._send(method, url, {**headers, **self._proof(url, scopes)}, body)
        return answer

    def pieces(self, path: str, *, scopes: tuple[str, ...]) -> Iterator[bytes]:
        """Read a blob piece by piece, through redirects.

        Raises:
            Transient: no answer, or one that broke off.
            LookupError: there is no such blob.
        """
        url = self._address(self._base, path)
        for _ in range(HOPS):
            answers = self._stream("GET", url, self._proof(url, scopes))
            with closing(answers):
                first = next(answers)
                if first.status == 200:
                    yield from (answer.body for answer in answers)
                    return
                # Read the rest, so that the connection can be used again.
                for _ in answers:
                    pass
            if first.status == 404:
                raise LookupError(path)
            if first.status not in REDIRECTS:
                raise Transient(f"answers {first.status} to GET {path}")
            url = self._address(url, self.location(first))
        raise Transient(f"redirects without end for {path}")

    def location(self, answer: Answer) -> str:
        """The `Location` of an answer.

        Raises:
            PublishError: it has none (`bad-answer`).
        """
        if "location" not in answer.headers:
            message = f"{self.name} redirects without a location (status {answer.status})"
            raise PublishError(Code.BAD_ANSWER, message)
        return answer.headers["location"]

    def _refuse_transient(self, answer: Answer) -> None:
        if answer.status == 429 or (answer.status >= 500 and answer.status != 501):
            if answer.status == 507 or b"no space left" in answer.body:
                raise PublishError(Code.REGISTRY_FULL, f"{self.name} has no space left: {answer.reason}")
            raise Transient(f"answers {answer.status}", _pause(answer.headers.get("retry-after", "")))

    # ── connections ─────────────────────────────────────────────────────────────────────────────────────────

    def _stream(self, method: str, url: str, headers: Mapping[str, str]) -> Generator[Answer]:
        """An answer: first without its body, then each piece of the body as an answer of its own.

        Raises:
            Transient: no answer, or one that broke off.
            PublishError: the certificate is not trusted (`wrong-certificate`).
        """
        try:
            answer = self._pools.request(method, url, headers=headers, preload_content=False, redirect=False)
        except (HTTPError, HTTPException, OSError) as error:
            raise self._failed(error) from error
        names = {key.lower(): value for key, value in answer.headers.items()}
        complete = False
        try:
            yield Answer(answer.status, names, b"")
            for piece in answer.stream(PIECE):
                yield Answer(answer.status, names, piece)
            complete = True
        except (HTTPError, HTTPException, OSError) as error:
            raise Transient(_reason(error)) from error
        finally:
            # The rest of this answer would be taken for the next one.
            if not complete:
                answer.close()
            answer.release_conn()

    def _send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | Path | None) -> Answer:
        """A request, and its complete answer. A body may be a file.

        Raises:
            Transient: no answer.
            PublishError: the certificate is not trusted (`wrong-certificate`).
        """
        if isinstance(body, Path):
            length = {"Content-Length": str(body.stat().st_size)}
            with body.open("rb") as file:
                return self._request(method, url, {**headers, **length}, self._read(file))
        return self._request(method, url, headers, body)

    def _read(self, file: IO[bytes]) -> Iterator[bytes]:
        while piece := file.read(PIECE):
            self.reach.go_on()
            yield piece

    def _request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | Iterator[bytes] | None
    ) -> Answer:
        try:
            answer = self._pools.request(method, url, headers=headers, body=body, redirect=False)
        except (HTTPError, HTTPException, OSError) as error:
            raise self._failed(error) from error
        names = {key.lower(): value for key, value in answer.headers.items()}
        return Answer(answer.status, names, answer.data)

    def _failed(self, error: Exception) -> Exception:
        reason = _reason(error)
        if isinstance(error, SSLError):
            if "CERTIFICATE_VERIFY_FAILED" in str(error) or "certificate" in str(error).lower():
                why = getattr(error.args[0], "verify_message", "") or reason
                folder = f"/etc/containers/certs.d/{self.name}"
                hint = f"put the certificate of its authority into {folder}/ca.crt, or use --cert-dir"
                message = f"{self.name} shows a certificate that is not trusted here: {why}"
                return PublishError(Code.WRONG_CERTIFICATE, message, hint)
            return Transient(NO_TLS if "WRONG_VERSION_NUMBER" in str(error) else reason)
        return Transient(reason)

    # ── identity ────────────────────────────────────────────────────────────────────────────────────────────

    def _address(self, base: str, path: str) -> str:
        """The URL of a path, or of a full URL that the registry gave.

        Raises:
            PublishError: plain HTTP, though the host is not declared insecure (`plain-http`); or not a URL
                (`bad-answer`).
        """
        try:
            url = urljoin(base, path)
            scheme, where = urlsplit(url)[:2]
            origin(url)
        except ValueError as error:
            raise PublishError(Code.BAD_ANSWER, f"{self.name} redirects to a bad address: {error}") from error
        if scheme != "https" and not self.reach.insecure:
            message = f"{self.name} redirects to {scheme}://{where}, which is not TLS"
            hint = "a registry behind a TLS proxy must get `X-Forwarded-Proto: https` from it"
            raise PublishError(Code.PLAIN_HTTP, message, hint)
        return url

    def _is_own(self, url: str) -> bool:
        return origin(url) == origin(self._base)

    def _proof(self, url: str, scopes: tuple[str, ...]) -> dict[str, str]:
        headers = {"User-Agent": f"buildsys/{__version__}"}
        # Other hosts get no credentials: the URL that the registry gives is enough there.
        if not self._challenge.kind or not self._is_own(url):
            return headers
        login = self.reach.login(scopes[0].split(":")[1] if scopes else "")
        if self._challenge.kind == "bearer":
            headers["Authorization"] = f"Bearer {self._token(scopes, login)}"
        elif login is not None:
            headers["Authorization"] = login.header
        return headers

    def _token(self, scopes: tuple[str, ...], login: Login | None) -> str:
        key = " ".join(scopes)
        with self._lock:
            token, until = self._tokens.get(key, ("", 0.0))
        if token and time.monotonic() < until:
            return token
        wants = self._challenge
        if not wants.realm:
            raise PublishError(
                Code.BAD_ANSWER, f"{self.name} wants a token, but names no realm to get it from"
            )
        realm = self._address(self._base, wants.realm)
        basic = {} if login is None else {"Authorization": login.header}
        answer = self._send("GET", realm + wants.query(scopes), basic, None)
        self._refuse_transient(answer)
        if answer.status != 200:
            raise wrong_login(self.name, login, answer.reason)
        try:
            token, seconds = granted(answer.body)
        except ValueError as error:
            raise PublishError(
                Code.BAD_ANSWER, f"{self.name}: the answer of {realm} is not a token"
            ) from error
        with self._lock:
            self._tokens[key] = (token, time.monotonic() + max(10.0, seconds - 10.0))
        return token


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of a URL, however they are written."""
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, parts.hostname or "", port


def _pause(text: str) -> float:
    """Seconds that `Retry-After` asks for: a number, or a date."""
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return 0.0


def _reason(error: Exception) -> str:
    inner: BaseException = error
    while True:
        inside = (getattr(inner, "reason", None), *inner.args, inner.__cause__)
        deeper = next((item for item in inside if isinstance(item, BaseException)), None)
        if deeper is None:
            break
        inner = deeper
    # EAI_AGAIN is a temporary DNS failure, not an unknown host.
    if isinstance(inner, socket.gaierror) and inner.errno != socket.EAI_AGAIN:
        return UNKNOWN
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror.lower()
    text = str(inner)
    if "Remote end closed" in text or "IncompleteRead" in text or "broken" in text.lower():
        return "the connection was cut"
    return re.sub(r"^<?[\w.]*Connection\w*\([^)]*\)>?: ", "", text) or type(inner).__name__


def _pools(reach: Reach) -> urllib3.PoolManager:
    context = ssl.create_default_context()
    for file in reach.certificates.authorities:
        context.load_verify_locations(file)
    if reach.certificates.own:
        context.load_cert_chain(*reach.certificates.own)
    if reach.insecure:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        urllib3.disable_warnings(InsecureRequestWarning)  # the user declared it insecure
    timeout = urllib3.Timeout(connect=20.0, read=300.0)
    options: dict[str, Any] = {
        "maxsize": reach.connections, "block": True, "ssl_context": context, "retries": False,
        "timeout": timeout,
    }  # fmt: skip
    proxy = urllib.request.getproxies().get("https", "")
    if not proxy or urllib.request.proxy_bypass(reach.host):
        return urllib3.PoolManager(**options)
    try:
        proxy = proxy if "://" in proxy else f"http://{proxy}"
        parts = urlsplit(proxy)
        headers = None
        if parts.username:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            headers = {"Proxy-Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
        return urllib3.ProxyManager(proxy, proxy_headers=headers, **options)
    except (ValueError, HTTPError) as error:
        # The value may hold a password, so the message does not show it.
        message = "`https_proxy` does not name a usable proxy"
        raise PublishError(Code.BAD_PROXY, message, "http://[USER:PASSWORD@]HOST:PORT") from error
