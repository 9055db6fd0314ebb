"""A proxy before a registry that fails when it is told to: at the n-th request, or from there on."""

from __future__ import annotations

import http.client
import http.server
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Fault = Literal["cut", "answer lost", "delay", "429", "500", "403"]
FAULTS: tuple[Fault, ...] = ("cut", "answer lost", "delay", "429", "500")


Answer = tuple[int, dict[str, str], bytes]
"""Status, headers, body."""


@dataclass
class Proxy:
    """What it does, and what went through it."""

    host: str
    fails: Callable[[int, str], Fault | None] = lambda _number, _request: None
    """The fault for a request, by its number (from 1) and `METHOD PATH`."""
    answers: Callable[[str, Mapping[str, str]], Answer | None] = lambda _request, _headers: None
    """What it answers itself to `METHOD PATH` with these headers; None: the registry does."""
    notes: Callable[[str, bytes], dict[str, str]] = lambda _path, _body: {}
    """Headers that it adds to the answer to a manifest, by path and body."""
    requests: list[str] = field(default_factory=list)
    """`METHOD PATH STATUS` of all that reached the registry."""
    count: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def destination(self) -> str:
        return f"docker://{self.host}"

    def reset(self, fails: Callable[[int, str], Fault | None] = lambda _number, _request: None) -> None:
        """Count anew, and fail otherwise."""
        with self.lock:
            self.count, self.fails = 0, fails
            self.requests.clear()


@contextmanager
def failing(registry: str, tls: tuple[Path, Path] | None = None) -> Iterator[Proxy]:
    """A proxy before this registry; with a certificate and its key it speaks TLS, and does not tell of it."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16

        def log_message(self, *_: Any) -> None:
            pass

        def handle_any(self) -> None:
            with proxy.lock:
                proxy.count += 1
                fault = proxy.fails(proxy.count, f"{self.command} {self.path}")
            length = int(self.headers.get("Content-Length") or 0)
            if fault == "cut":
                # In the middle of what is sent, where there is enough of it.
                self.rfile.read(length // 2)
                self.close_connection = True
                return
            body = self.rfile.read(length)
            own = proxy.answers(f"{self.command} {self.path}", dict(self.headers))
            if own is not None:
                self.answer(*own)
                return
            if fault == "delay":
                time.sleep(0.2)
            if fault in ("403", "429", "500"):
                self.answer(int(fault), {"Retry-After": "0"} if fault == "429" else {}, b"")
                return
            status, headers, answer = self.passed_on(body)
            proxy.requests.append(f"{self.command} {self.path} {status}")
            if self.command == "PUT" and "/manifests/" in self.path:
                headers |= proxy.notes(self.path, body)
            if fault == "answer lost":
                self.close_connection = True
                return
            self.answer(status, headers, answer)

        def passed_on(self, body: bytes) -> Answer:
            connection = http.client.HTTPConnection(registry, timeout=30)
            headers = {
                key: value for key, value in self.headers.items() if key.lower() not in ("host", "connection")
            }
            # The registry shall name itself by our address.
            headers["Host"] = proxy.host
            connection.request(self.command, self.path, body=body, headers=headers)
            answer = connection.getresponse()
            data = answer.read()
            connection.close()
            return answer.status, dict(answer.getheaders()), data

        def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for key, value in headers.items():
                if key.lower() not in ("connection", "transfer-encoding", "date", "content-length"):
                    self.send_header(key, value)
            length = str(len(body))
            if self.command == "HEAD":
                length = next(
                    (value for key, value in headers.items() if key.lower() == "content-length"), "0"
                )
            self.send_header("Content-Length", length)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        proxy = Proxy(f"127.0.0.1:{server.server_address[1]}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield proxy
        server.shutdown()
