"""Servers on the loopback interface: a web server that can be made to misbehave, and a container registry."""

from __future__ import annotations

import base64
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen


@dataclass
class Web:
    """A web server of one folder, and what it was asked for."""

    address: str
    asked: list[str] = field(default_factory=list)
    """Paths, in order; of a request by proxy the whole address."""
    drops: dict[str, int] = field(default_factory=dict)
    """End of a path -> how many more answers to it break off in the middle."""
    account: str = ""
    """`name:password` that each request must give; empty: anybody may ask."""

    def count(self, end: str) -> int:
        """How often something that ends like this was asked for."""
        return sum(path.endswith(end) for path in self.asked)


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, *arguments: object, web: Web, directory: str) -> None:
        self.web = web
        super().__init__(*arguments, directory=directory)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.web.asked.append(self.path)
        if self.web.account and not self._known():
            self._ask_who()
            return
        self.path = urlsplit(self.path).path
        for end, left in self.web.drops.items():
            if self.path.endswith(end) and left > 0:
                self.web.drops[end] -= 1
                self._break_off()
                return
        super().do_GET()

    def _ask_who(self) -> None:
        proxy = "://" in self.path
        self.send_response(407 if proxy else 401)
        self.send_header("Proxy-Authenticate" if proxy else "WWW-Authenticate", 'Basic realm="loopback"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _known(self) -> bool:
        expected = "Basic " + base64.b64encode(self.web.account.encode()).decode()
        return expected in {self.headers.get("Authorization"), self.headers.get("Proxy-Authorization")}

    def _break_off(self) -> None:
        data = Path(self.translate_path(self.path)).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2])
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Nothing: what was asked for is kept, and pytest's output is not the place."""


@contextmanager
def web_server(folder: Path, context: ssl.SSLContext | None = None) -> Iterator[Web]:
    """Serve a folder, over TLS when a context is given."""
    web = Web("")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, web=web, directory=str(folder)))
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign] # clients that leave are expected
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    web.address = f"http{'s' if context else ''}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def registry(place: Path) -> Iterator[str]:
    """A container registry over plain HTTP; `host:port`."""
    place.mkdir(parents=True, exist_ok=True)
    address = f"127.0.0.1:{free_port()}"
    (place / "config.yml").write_text(
        "version: 0.1\n"
        "log: {level: error, accesslog: {disabled: true}}\n"
        f"storage: {{filesystem: {{rootdirectory: {place}/storage}}}}\n"
        f"http: {{addr: {address}}}\n"
    )
    with (place / "log").open("wb") as log:
        server = subprocess.Popen(
            ["docker-registry", "serve", str(place / "config.yml")], stdout=log, stderr=subprocess.STDOUT
        )
    try:
        _await(f"http://{address}/v2/", server, place / "log")
        yield address
    finally:
        server.terminate()
        server.wait()


def _await(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        assert server.poll() is None, log.read_text()
        try:
            with urlopen(address, timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(log.read_text())
