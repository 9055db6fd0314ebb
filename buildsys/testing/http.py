"""An HTTP client inside the network namespace of a container, so that the image needs no client program.

A thread enters the network namespace, talks to the loopback address there, and ends.
"""

from __future__ import annotations

import ctypes
import http.client
import json
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from buildsys.testing.spec import Http

CLONE_NEWNET = 0x40000000
"""setns(2): the namespace must be a network namespace."""
LONGEST = 1 << 20
"""Bytes of an answer that are read."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a server."""

    status: int
    body: str

    def value(self, path: str) -> Any:
        """The value at a path of the JSON: `versions.0.id`.

        Raises:
            KeyError: the path leads nowhere.
            ValueError: the body is not JSON.
        """
        data = json.loads(self.body)
        for step in path.split("."):
            if isinstance(data, list) and step.isdigit() and int(step) < len(data):
                data = data[int(step)]
            elif isinstance(data, dict) and step in data:
                data = data[step]
            else:
                raise KeyError(path)
        return data


def listens(process: int, port: int, timeout: float) -> bool:
    """Whether a TCP port of the loopback address accepts connections in the network of a process."""
    try:
        within(process, lambda: _connection(port, timeout).close(), timeout)
    except OSError:
        return False
    return True


def ask(process: int, request: Http, timeout: float) -> Answer:
    """Send a request to the loopback address in the network of a process.

    Raises:
        OSError: no answer, or not one of HTTP.
    """

    def exchange() -> Answer:
        connection = http.client.HTTPConnection("localhost", request.port, timeout=timeout)
        connection.sock = _connection(request.port, timeout)
        try:
            path = quote(request.path, safe="/?&=%:+,;@~!$'()*[]")
            connection.request(request.method, path, request.body.encode() or None, dict(request.headers))
            response = connection.getresponse()
            return Answer(response.status, response.read(LONGEST).decode("utf-8", errors="replace"))
        except http.client.HTTPException as error:
            raise OSError(f"this is not HTTP: {error!r}") from error
        finally:
            connection.close()

    return within(process, exchange, timeout)


def _connection(port: int, timeout: float) -> socket.socket:
    try:
        return socket.create_connection(("127.0.0.1", port), timeout)
    except ConnectionRefusedError:
        return socket.create_connection(("::1", port), timeout)


def within(process: int, do: Callable[[], T], timeout: float) -> T:
    """Call `do` in the network namespace of a process, in a thread that ends afterwards; the result of `do`.

    Raises:
        OSError: the namespace cannot be entered, `do` took longer than `timeout` seconds, or `do` raised it.
    """
    done: list[T] = []
    failed: list[OSError] = []

    def thread() -> None:
        try:
            _enter(process)
            done.append(do())
        except OSError as error:
            failed.append(error)
        except ValueError as error:
            failed.append(OSError(str(error)))

    running = threading.Thread(target=thread, daemon=True)
    running.start()
    running.join(timeout)
    if failed:
        raise failed[0]
    if not done:
        # The timeout of a socket never ends a server that sends one byte at a time.
        raise TimeoutError("timed out")
    return done[0]


def _enter(process: int) -> None:
    # os.setns exists since Python 3.12. The call affects only the calling thread.
    setns = ctypes.CDLL(None, use_errno=True).setns
    with Path(f"/proc/{process}/ns/net").open("rb") as namespace:
        if setns(namespace.fileno(), CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), namespace.name)
