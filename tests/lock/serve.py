"""A web server on the loopback that misbehaves when told to, and gives parts of files as real ones do."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote


@dataclass
class Server:
    """What was asked of it, and how it is to answer."""

    address: str
    asked: list[str] = field(default_factory=list)
    """Path of each request, with `@N` behind it when it asks for what follows N bytes."""
    breaks: dict[str, int] = field(default_factory=dict)
    """End of a path -> how many answers more break off in the middle."""
    refuses: dict[str, list[int]] = field(default_factory=dict)
    """End of a path -> statuses of the next answers."""

    def count(self, end: str) -> int:
        """How often something that ends like this was asked for."""
        return sum(path.partition("@")[0].endswith(end) for path in self.asked)


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, *arguments: object, serving: Server, directory: str) -> None:
        self.serving = serving
        super().__init__(*arguments, directory=directory)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        begin = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        path = unquote(self.path)
        self.serving.asked.append(path + (f"@{begin[1]}" if begin else ""))
        for end, statuses in self.serving.refuses.items():
            if path.endswith(end) and statuses:
                self.send_error(statuses.pop(0))
                return
        file = Path(self.translate_path(self.path))
        if not file.is_file():
            self.send_error(404)
            return
        start = int(begin[1]) if begin else 0
        data = file.read_bytes()
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        for end, left in self.serving.breaks.items():
            if path.endswith(end) and left > 0:
                self.serving.breaks[end] -= 1
                self.wfile.write(data[start : start + (len(data) - start) // 2])
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
        self.wfile.write(data[start:])

    def log_message(self, *_: object) -> None:
        """Nothing: what was asked for is kept."""


@contextmanager
def serve(folder: Path) -> Iterator[Server]:
    """Serve a folder."""
    serving = Server("")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, serving=serving, directory=str(folder)))
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign] # clients that leave are expected
    serving.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield serving
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
