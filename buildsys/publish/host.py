"""A registry's host: in which scheme it is spoken to, who we are to it, and how often it is asked again."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

from buildsys import __version__
from buildsys.diagnostics import Code
from buildsys.publish.access import Login
from buildsys.publish.errors import Problem, Transient
from buildsys.publish.http import Answer, Connections
from buildsys.publish.reach import Reach
from buildsys.publish.tokens import Challenge, challenge, granted

T = TypeVar("T")

ELSEWHERE = (301, 302, 303, 307, 308)
"""What is answered to who shall ask at another address."""
HOPS = 5
"""How often that is followed, for one question."""


class Host:
    """A registry's host. All of it may be used by several threads."""

    def __init__(self, reach: Reach) -> None:
        self.reach = reach
        self.name = reach.host
        self._line = Connections(
            reach.host,
            insecure=reach.insecure,
            certificates=reach.certificates,
            count=reach.connections,
            go_on=reach.go_on,
        )
        self._base = ""
        self._challenge = Challenge()
        self._tokens: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def open(self) -> None:
        """Find out whether it answers, in which scheme, and which proof of who we are it wants.

        Raises:
            Problem: it does not answer (`no-registry`), or cannot prove who it is (`wrong-certificate`).
        """
        # Plain HTTP is for who was declared insecure, and only where TLS is not spoken.
        schemes = ("https", "http") if self.reach.insecure else ("https",)
        problems: list[Problem] = []
        for scheme in schemes:
            try:
                answer = self.again(lambda scheme=scheme: self._greet(f"{scheme}://{self.name}"))  # type: ignore[misc]
            except Problem as problem:
                problems.append(problem)
                continue
            self._base = f"{scheme}://{self.name}"
            wants = answer.headers.get("www-authenticate", "") if answer.status == 401 else ""
            self._challenge = challenge(wants)
            return
        raise problems[-1]

    def _greet(self, base: str) -> Answer:
        try:
            answer = self._line.send("GET", f"{base}/v2/", {}, None)
        except Transient as failed:
            raise self._unreachable(failed) from failed
        if answer.status in (200, 401):
            return answer
        self._transient(answer)
        raise Problem(Code.NO_REGISTRY, f"{self.name} is no registry: it answers {answer.status} to GET /v2/")

    def _unreachable(self, failed: Transient) -> Problem | Transient:
        # Who refuses a connection now may be starting; who is not known will not be known in a second.
        text = str(failed)
        if "speaks no TLS" in text or "is not known" in text:
            hint = "declare it `insecure = true` in registries.conf if it is meant to speak plain HTTP"
            return Problem(Code.NO_REGISTRY, f"{self.name}: {text}", hint if "TLS" in text else "")
        return failed

    def again(self, work: Callable[[], T]) -> T:
        """Do something until it goes well, or has failed too often; pauses grow, as the server wants them to.

        Raises:
            Problem: it was refused, or goes on failing (`registry-failing`).
            Stopped: the run is to end.
        """
        patience = self.reach.patience
        pause = patience.pause
        for number in range(1, patience.tries + 1):
            self.reach.go_on()
            try:
                return work()
            except Transient as failed:
                if number == patience.tries or failed.pause > patience.longest:
                    asks = f"; it asks for a pause of {failed.pause:.0f} s" if failed.pause else ""
                    tried = f"{number} times" if number > 1 else "once"
                    message = f"{self.name}: {failed}; tried {tried}{asks}"
                    if not self._base:
                        raise Problem(Code.NO_REGISTRY, message) from failed
                    raise Problem(Code.REGISTRY_FAILING, message) from failed
                # Many that failed together must not come back together.
                self.reach.stop.wait(max(failed.pause, pause * random.uniform(0.5, 1.0)))  # noqa: S311 - no secret
                pause = min(pause * 2, patience.longest)
        raise AssertionError  # the last try raises or returns

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
        """One request, with the proof it wants. `path` may be a whole address, as the registry gave it.

        A question is asked again where the registry sends us.

        Raises:
            Transient: no answer, 429, or 5xx other than 501, which no pause mends.
        """
        url = self._address(self._base, path)
        for _ in range(HOPS):
            answer = self._asked(method, url, scopes, headers or {}, body)
            self._transient(answer)
            if method not in ("GET", "HEAD") or answer.status not in ELSEWHERE:
                return answer
            url = self._address(url, self.location(answer))
        raise Transient(f"sends us from place to place for {path}")

    def _asked(
        self,
        method: str,
        url: str,
        scopes: tuple[str, ...],
        headers: Mapping[str, str],
        body: bytes | Path | None,
    ) -> Answer:
        answer = self._line.send(method, url, {**(headers or {}), **self._proof(url, scopes)}, body)
        if answer.status == 401 and self._ours(url):
            # A token has run out, or this repository wants another proof than the registry itself.
            with self._lock:
                self._tokens.pop(" ".join(scopes), None)
                wants = answer.headers.get("www-authenticate", "")
                self._challenge = challenge(wants) if wants else self._challenge
            answer = self._line.send(method, url, {**(headers or {}), **self._proof(url, scopes)}, body)
        return answer

    def pieces(self, path: str, *, scopes: tuple[str, ...]) -> Iterator[bytes]:
        """A blob, piece by piece; where the registry sends us elsewhere, from there.

        Raises:
            Transient: no answer, or one that broke off.
            LookupError: there is no such blob.
        """
        url = self._address(self._base, path)
        for _ in range(HOPS):
            answers = self._line.pieces("GET", url, self._proof(url, scopes))
            with closing(answers):
                first = next(answers)
                if first.status == 200:
                    yield from (answer.body for answer in answers)
                    return
                # What is told beside it is read, so that the connection can be asked again.
                for _ in answers:
                    pass
            if first.status == 404:
                raise LookupError(path)
            if first.status not in ELSEWHERE:
                raise Transient(f"answers {first.status} to GET {path}")
            url = self._address(url, self.location(first))
        raise Transient(f"sends us from place to place for {path}")

    def location(self, answer: Answer) -> str:
        """Where an answer sends us.

        Raises:
            Problem: it does not say (`bad-answer`).
        """
        if "location" not in answer.headers:
            message = f"{self.name} sends us on, and does not say where (status {answer.status})"
            raise Problem(Code.BAD_ANSWER, message)
        return answer.headers["location"]

    def _transient(self, answer: Answer) -> None:
        if answer.status == 429 or (answer.status >= 500 and answer.status != 501):
            if answer.status == 507 or b"no space left" in answer.body:
                raise Problem(Code.REGISTRY_FULL, f"{self.name} has no space left: {said(answer)}")
            raise Transient(f"answers {answer.status}", _pause(answer.headers.get("retry-after", "")))

    # ── who we are ──────────────────────────────────────────────────────────────────────────────────────────

    def _address(self, base: str, path: str) -> str:
        """Where a path, or the whole address that the registry gave, leads to.

        Raises:
            Problem: into plain HTTP, though the host is not declared insecure (`plain-http`); to what is no
                address (`bad-answer`).
        """
        try:
            url = urljoin(base, path)
            scheme, where = urlsplit(url)[:2]
            origin(url)
        except ValueError as error:
            raise Problem(Code.BAD_ANSWER, f"{self.name} sends us on to no address: {error}") from error
        if scheme != "https" and not self.reach.insecure:
            message = f"{self.name} sends us on to {scheme}://{where}, which is not TLS"
            hint = "a registry behind a proxy that speaks TLS must be told so, by `X-Forwarded-Proto: https`"
            raise Problem(Code.PLAIN_HTTP, message, hint)
        return url

    def _ours(self, url: str) -> bool:
        return origin(url) == origin(self._base)

    def _proof(self, url: str, scopes: tuple[str, ...]) -> dict[str, str]:
        headers = {"User-Agent": f"buildsys/{__version__}"}
        # What the registry keeps elsewhere it gives away by an address that says all.
        if not self._challenge.kind or not self._ours(url):
            return headers
        login = self.reach.login(_repository(scopes))
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
            raise Problem(Code.BAD_ANSWER, f"{self.name} wants a token, and does not say from where")
        realm = self._address(self._base, wants.realm)
        answer = self._line.send("GET", realm + wants.query(scopes), _basic(login), None)
        self._transient(answer)
        if answer.status != 200:
            raise wrong_login(self.name, login, answer)
        try:
            token, seconds = granted(answer.body)
        except ValueError as error:
            raise Problem(Code.BAD_ANSWER, f"{self.name}: what {realm} gives is no token") from error
        with self._lock:
            self._tokens[key] = (token, time.monotonic() + max(10.0, seconds - 10.0))
        return token


def wrong_login(host: str, login: Login | None, answer: Answer) -> Problem:
    """The registry does not take us for who we say we are."""
    if login is None:
        hint = f"`skopeo login {host}` keeps credentials; --authfile names a file of them"
        return Problem(Code.NO_ACCESS, f"{host} wants credentials, and there are none", hint)
    message = f"{host} does not take the credentials of {login.user} from {login.file}: {said(answer)}"
    return Problem(Code.NO_ACCESS, message, f"they may have expired: `skopeo login {host}`")


def origin(url: str) -> tuple[str, str, int | None]:
    """Who answers at an address: scheme, host and port, however they are written."""
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, parts.hostname or "", port


def said(answer: Answer) -> str:
    """What a registry says is wrong, in its own words."""
    try:
        error = json.loads(answer.body)["errors"][0]
        words = [str(error.get("message") or error.get("code"))]
        if isinstance(error.get("detail"), str):
            words.append(error["detail"])
        return f"{': '.join(words)} ({answer.status})"
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return f"status {answer.status}"


def _basic(login: Login | None) -> dict[str, str]:
    return {} if login is None else {"Authorization": login.header}


def _repository(scopes: tuple[str, ...]) -> str:
    return scopes[0].split(":")[1] if scopes else ""


def _pause(text: str) -> float:
    """Seconds that `Retry-After` asks for: a number, or a date."""
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return 0.0
