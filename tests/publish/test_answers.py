"""What a registry answers, and what stands in the environment, is taken at its word only where it has one."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from buildsys.diagnostics import Refused
from buildsys.publish import publication
from buildsys.publish.errors import PublishError
from buildsys.publish.manifest import OCI_MANIFEST, Blob, Manifest
from buildsys.publish.registry_access import Reach, login
from buildsys.publish.registry_api import Registry
from buildsys.publish.registry_http import Host
from buildsys.publish.task import Patience, Work
from tests.publish.conftest import Bench
from tests.publish.proxy import Answer, Proxy

TWICE = Patience(tries=2, pause=0.01)
DATA = b"what a blob holds"
BLOB = Blob("sha256:" + hashlib.sha256(DATA).hexdigest(), len(DATA))


def opened(host: str, **more: Any) -> Registry:
    """A registry, one connection to it, and little patience."""
    reach: dict[str, Any] = {"insecure": True, "patience": TWICE, "connections": 1, **more}
    found = Host(Reach(host=host, **reach))
    found.open()
    return Registry(found)


def said(work: Callable[[], object]) -> str:
    with pytest.raises(PublishError) as problem:
        work()
    return problem.value.diagnostic.text()


# ── blobs that a registry keeps elsewhere ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_blobs_may_be_elsewhere(proxy: Proxy, status: int) -> None:
    def answers(request: str, _: Mapping[str, str]) -> Answer | None:
        if "/blobs/" in request:
            where = "/store/none" if "none" in request else f"http://{proxy.host}/store/blob?signed"
            return status, {"Location": where}, b"<a href='there'>there</a>" * 100
        if "/store/" in request:
            return (404, {}, b"none") if "none" in request else (200, {}, DATA)
        return None

    proxy.answers = answers
    registry = opened(proxy.host)
    for _ in range(3):  # on the one connection that there is
        assert registry.has("a/b", BLOB.digest)
        assert not registry.has("a/b", "none")
        assert registry.check("a/b", BLOB) == ""
        assert registry.check("a/b", Blob("none", 1)) == "none is missing"


def test_from_place_to_place(proxy: Proxy) -> None:
    proxy.answers = lambda request, _: (
        (307, {"Location": "/round"}, b"") if "/a/" in request or "/round" in request else None
    )
    registry = opened(proxy.host)
    path = f"/v2/a/b/blobs/{BLOB.digest}"
    assert said(lambda: registry.check("a/b", BLOB)) == (
        f"error: {proxy.host}: redirects without end for {path}; tried 2 times [registry-failing]"
    )
    assert said(lambda: registry.has("a/b", BLOB.digest)) == (
        f"error: {proxy.host}: redirects without end for {path}; tried 2 times [registry-failing]"
    )


@pytest.mark.parametrize("headers", [{}, {"Location": "http://[x"}, {"Location": "https://a:port/b"}])
def test_sent_on_to_nowhere(proxy: Proxy, headers: dict[str, str]) -> None:
    proxy.answers = lambda request, _: (202, headers, b"") if request.startswith("POST") else None
    registry = opened(proxy.host)
    told = said(lambda: registry.place("a/b", BLOB, lambda: DATA))
    if headers:
        assert told.startswith(f"error: {proxy.host} redirects to a bad address: ")
        assert told.endswith(" [bad-answer]")
    else:
        assert told == (f"error: {proxy.host} redirects without a location (status 202) [bad-answer]")


# ── each status to each request: what only saves work is done without, all else names its cause ────────────


STATUSES = (400, 401, 403, 404, 405, 409, 416, 501)


def refusing(pattern: str, status: int) -> Callable[[str, Mapping[str, str]], Answer | None]:
    return lambda request, _: (status, {}, b"") if re.search(pattern, request) else None


@pytest.mark.parametrize("status", [*STATUSES, 200, 204, 500, 503])
def test_a_registry_that_does_not_lend(proxy: Proxy, status: int) -> None:
    proxy.answers = refusing("^POST .*mount=", status)
    registry = opened(proxy.host)
    registry.place("tests/lends", BLOB, lambda: DATA)
    registry.place("tests/takes", BLOB, lambda: DATA)
    assert registry.has("tests/takes", BLOB.digest)
    assert registry.uploaded == [BLOB.digest] * 2


def test_a_registry_that_begins_an_upload_instead_of_lending(proxy: Proxy) -> None:
    registry = opened(proxy.host)
    registry.holds("tests/lends-not", [BLOB])
    registry.place("tests/takes", BLOB, lambda: DATA)
    assert registry.has("tests/takes", BLOB.digest)


def test_who_gives_tokens_and_gives_none_for_a_lender(proxy: Proxy) -> None:
    def answers(request: str, headers: Mapping[str, str]) -> Answer | None:
        if request.startswith("GET /token"):
            both = "lends" in request and "takes" in request
            return (403, {}, b"") if both else (200, {}, b'{"token": "t"}')
        wanted = {"WWW-Authenticate": f'Bearer realm="http://{proxy.host}/token"'}
        return None if headers.get("Authorization") else (401, wanted, b"")

    proxy.answers = answers
    registry = opened(proxy.host)
    registry.place("tests/lends", BLOB, lambda: DATA)
    registry.place("tests/takes", BLOB, lambda: DATA)
    assert registry.uploaded == [BLOB.digest] * 2


@pytest.mark.parametrize("status", STATUSES)
def test_a_registry_that_refuses_to_say_whether_a_blob_is_there(proxy: Proxy, status: int) -> None:
    proxy.answers = refusing("^HEAD .*/blobs/", status)
    registry = opened(proxy.host)
    registry.place("a/b", BLOB, lambda: DATA)
    assert registry.uploaded == [BLOB.digest]


@pytest.mark.parametrize("status", STATUSES)
def test_a_registry_that_refuses_head_of_manifests(proxy: Proxy, status: int) -> None:
    registry = opened(proxy.host)
    config = Blob("sha256:" + hashlib.sha256(b"{}").hexdigest(), 2)
    registry.place("a/b", config, lambda: b"{}")
    row = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config.digest, "size": 2}
    body = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": row, "layers": []}).encode()
    registry.put("a/b", "1", Manifest(OCI_MANIFEST, body))
    proxy.answers = refusing("^HEAD .*/manifests/", status)
    there = "sha256:" + hashlib.sha256(body).hexdigest()
    assert registry.digest("a/b", "1") == (None if status == 404 else there)
    assert registry.digest("a/b", "2") is None


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("request_", ["POST", "PUT blob", "PUT manifest", "PUT tag", "GET manifest"])
def test_what_cannot_be_done_without_names_its_cause(proxy: Proxy, request_: str, status: int) -> None:
    registry = opened(proxy.host)
    manifest = Manifest(OCI_MANIFEST, b"{}")
    pattern, work = {
        "POST": ("^POST .*/uploads/$", lambda: registry.place("a/b", BLOB, lambda: DATA)),
        "PUT blob": ("^PUT .*/uploads/", lambda: registry.place("a/b", BLOB, lambda: DATA)),
        "PUT manifest": ("^PUT .*/manifests/", lambda: registry.put("a/b", BLOB.digest, manifest)),
        "PUT tag": ("^PUT .*/manifests/", lambda: registry.put("a/b", "1", manifest)),
        "GET manifest": ("^(GET|HEAD) .*/manifests/", lambda: registry.digest("a/b", "1")),
    }[request_]
    proxy.answers = refusing(pattern, status)
    if (request_, status) == ("GET manifest", 404):
        assert registry.digest("a/b", "1") is None
        return
    text = said(work)
    if status == 401:
        assert text.startswith(f"error: {proxy.host} wants credentials, and there are none [no-access]")
    elif (request_, status) == ("PUT blob", 404):
        assert text == (f"error: {proxy.host}: lost an upload in progress; tried 2 times [registry-failing]")
    else:
        assert proxy.host in text
        assert "a/b" in text
        assert str(status) in text
    if status in (405, 416, 501) and "tag-protected" not in text:
        assert f"to {request_.partition(' ')[0]} /v2/a/b/" in text
        assert "[registry-refuses]" in text


# ── tokens ──────────────────────────────────────────────────────────────────────────────────────────────────


def guarding(proxy: Proxy, challenge: str, token: bytes) -> None:
    def answers(request: str, headers: Mapping[str, str]) -> Answer | None:
        if request.startswith("GET /token"):
            return 200, {}, token
        if headers.get("Authorization") == "Bearer right":
            return None
        return 401, {"WWW-Authenticate": challenge.replace("HOST", proxy.host)}, b""

    proxy.answers = answers


@pytest.mark.parametrize(
    "challenge", ['Bearer realm="http://HOST/token",service="s"', "bearer realm=http://HOST/token, service=s",
                  'Bearer service="s", Realm="http://HOST/token?a=b"']
)  # fmt: skip
@pytest.mark.parametrize(
    "token", ['{"token": "right"}', '{"access_token": "right", "expires_in": null}',
              '{"token": "right", "expires_in": "soon"}']
)  # fmt: skip
def test_tokens_as_they_are_given(proxy: Proxy, challenge: str, token: str) -> None:
    guarding(proxy, challenge, token.encode())
    assert opened(proxy.host).digest("a/b", "none") is None


@pytest.mark.parametrize(
    "token", [b"<html>Log in</html>", b"{}", b"[]", b"null", b'{"token": 3}', b'{"token": "a\\nb"}', b"\xff"]
)
def test_what_is_no_token(proxy: Proxy, token: bytes) -> None:
    guarding(proxy, 'Bearer realm="http://HOST/token"', token)
    registry = opened(proxy.host)
    assert said(lambda: registry.digest("a/b", "1")) == (
        f"error: {proxy.host}: the answer of http://{proxy.host}/token is not a token [bad-answer]"
    )


def test_no_word_of_where_tokens_are_given(proxy: Proxy) -> None:
    guarding(proxy, "Bearer", b"")
    registry = opened(proxy.host)
    assert said(lambda: registry.digest("a/b", "1")) == (
        f"error: {proxy.host} wants a token, but names no realm to get it from [bad-answer]"
    )


@pytest.mark.parametrize("pause", ["²", "soon", "-1", "", "Wed, 21 Oct 2015 07:28:00 -0000"])
def test_a_pause_that_is_none(proxy: Proxy, pause: str) -> None:
    proxy.answers = lambda request, _: (
        (429, {"Retry-After": pause.encode().decode("latin-1")}, b"") if "/a/b/" in request else None
    )
    registry = opened(proxy.host)
    assert said(lambda: registry.digest("a/b", "1")) == (
        f"error: {proxy.host}: answers 429; tried 2 times [registry-failing]"
    )


# ── the ways there ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_name_that_nobody_knows_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def unknown(*words: Any, **_: Any) -> Any:
        asked.append(words)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert said(lambda: opened("reg.example", insecure=False)) == (
        "error: reg.example: its name is not known [no-registry]"
    )
    assert len(asked) == 1

    def silent(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    assert said(lambda: opened("reg.example", insecure=False)) == (
        "error: reg.example: temporary failure in name resolution; tried 2 times [no-registry]"
    )


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    for name in ("no_proxy", "NO_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return lambda text: monkeypatch.setenv("https_proxy", text)


def test_a_proxy_with_a_password_and_without_a_scheme(proxy: Proxy, proxied: Callable[[str], None]) -> None:
    seen = []

    def answers(request: str, headers: Mapping[str, str]) -> Answer | None:
        seen.append((request, headers.get("Proxy-Authorization")))
        return 200, {}, b""

    proxy.answers = answers
    proxied(f"mia:p%40ss@{proxy.host}")
    opened("reg.example", patience=Patience(tries=1))
    assert seen == [("GET http://reg.example/v2/", "Basic " + base64.b64encode(b"mia:p@ss").decode())]


@pytest.mark.parametrize("text", ["socks5://proxy:1080", "http://[proxy", "http://proxy:port"])
def test_a_proxy_that_is_none(proxied: Callable[[str], None], text: str) -> None:
    proxied(text)
    assert said(lambda: opened("reg.example")) == (
        "error: `https_proxy` does not name a usable proxy [bad-proxy]\n"
        "  hint: http://[USER:PASSWORD@]HOST:PORT"
    )


@pytest.mark.parametrize("text", ["1s", "-1", "nan", "inf"])
def test_a_first_pause_that_is_none(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("BS_PAUSE", text)
    with pytest.raises(Refused) as refused:
        Patience.of_environment()
    assert refused.value.text() == f"error: BS_PAUSE is '{text}', not a number of seconds [bad-pause]"


@pytest.mark.parametrize(
    ("script", "wrong"),
    [
        (None, ", which cannot be run: No such file or directory"),
        ("echo '{}'", ", but its answer is not a login"),
        ("echo '[1]'", ", but its answer is not a login"),
        ("echo unlock me", ", but its answer is not a login"),
        ("exit 1", ""),
        ('echo \'{"Username": "mia", "Secret": "secret"}\'', ""),
    ],
)
def test_helpers_that_keep_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, wrong: str
) -> None:
    file = tmp_path / "auth.json"
    file.write_text(json.dumps({"credHelpers": {"reg.example": "tests"}}))
    program = tmp_path / "docker-credential-tests"
    if script is not None:
        program.write_text(f"#!/bin/sh\ncat >/dev/null\n{script}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    if wrong:
        assert said(lambda: login("reg.example", "a/b", file)) == (
            f"error: {file} names docker-credential-tests for reg.example{wrong} [bad-auth-helper]"
        )
    else:
        found = login("reg.example", "a/b", file)
        assert (found and found.user) == (None if script == "exit 1" else "mia")


# ── what nobody has thought of ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.real
def test_a_bug_at_one_destination_does_not_hide_the_others(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Work) -> None:
        raise KeyError("realm")

    monkeypatch.setitem(publication.PUBLISHERS, "dir", broken)
    told: list[tuple[str, bool]] = []
    with pytest.raises(KeyError):
        bench.publish(
            f"dir:{tmp_path}/a", f"oci:{tmp_path}/b",
            tell=lambda outcome: told.append((outcome.destination.transport, outcome.well())),
        )  # fmt: skip
    assert told == [("dir", False), ("oci", True)]


@pytest.mark.real
def test_sums_that_somebody_wrote_into(bench: Bench, tmp_path: Path) -> None:
    place = f"oci-archive:{tmp_path}/out"
    bench.publish(place)
    sums = tmp_path / "out/SHA256SUMS"
    right = sums.read_bytes()
    sums.write_bytes(b"hello\n\xff\n\n0  ..\n" + right)
    assert bench.publish(place)[0].well()
    assert sums.read_bytes() == right
