"""What asks the services of stable-zed, asked on the loopback."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

FILES = Path(__file__).resolve().parents[2] / "recipes/stable-zed/files"


@contextmanager
def server(answer: bytes, family: socket.AddressFamily, at: tuple[str, int] | str) -> Iterator[socket.socket]:
    """A server that gives whoever connects the same answer, to a line or to a request of HTTP."""
    with socket.socket(family) as listening:
        listening.bind(at)
        listening.listen()
        threading.Thread(target=_serve, args=(listening, answer), daemon=True).start()
        yield listening


def _serve(listening: socket.socket, answer: bytes) -> None:
    connection, _ = listening.accept()
    with connection, connection.makefile("rb") as lines:
        if lines.readline().startswith(b"GET"):
            while lines.readline().strip():
                pass
        connection.sendall(answer)


def ask(name: str, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        [str(FILES / name), *words], capture_output=True, text=True, timeout=20, check=False
    )
    return done.returncode, done.stderr


@pytest.fixture
def health() -> Callable[..., tuple[int, str]]:
    """Ask `health`, with `{port}` of a server that gives this answer."""

    def run(answer: bytes, how: str, *words: str) -> tuple[int, str]:
        with server(answer, socket.AF_INET, ("127.0.0.1", 0)) as listening:
            port = str(listening.getsockname()[1])
            status, said = ask("health", how, port, *words)
        return status, said.replace(port, "PORT")

    return run


@pytest.mark.parametrize("line", ["HTTP/1.1 200 OK", "HTTP/1.1 300 Multiple Choices", "HTTP/1.0 204"])
def test_http_that_is_well(health: Callable[..., tuple[int, str]], line: str) -> None:
    assert health(f"{line}\r\n\r\n".encode(), "http", "/v3") == (0, "")


@pytest.mark.parametrize("line", ["HTTP/1.1 500 Oh", "HTTP/1.1 404 Gone", "HTTP/1.1 2000 Odd", "SSH-2.0-x"])
def test_http_that_is_not(health: Callable[..., tuple[int, str]], line: str) -> None:
    status, said = health(f"{line}\r\n\r\n".encode(), "http", "/v3")
    assert status == 1
    assert said.rstrip() == f"port PORT answers: {line}"


def test_a_line_of_a_protocol(health: Callable[..., tuple[int, str]]) -> None:
    assert health(b"VERSION 1.6\r\n", "ask", "version", "VERSION") == (0, "")
    assert health(b"ERROR\r\n", "ask", "version", "VERSION")[0] == 1
    assert health(b"", "ask", "version", "VERSION")[0] == 1


def test_a_port_where_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        status, said = ask("health", "http", str(unused.getsockname()[1]), "/")
    assert status == 1
    assert "Connection refused" in said


def test_a_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    assert ask("health-socket", path)[0] == 1
    with server(b"<title>Error</title>", socket.AF_UNIX, path):
        assert ask("health-socket", path) == (0, "")
    silent = str(tmp_path / "silent")
    with server(b"", socket.AF_UNIX, silent):
        assert ask("health-socket", silent) == (1, f"{silent} does not answer\n")
