"""Ask a server in a container, from within its network: the image needs no program for that.

A thread enters the container's network namespace, asks the loopback address there, and ends.
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
LONGEST = 1 << 20
"""Bytes of an answer that are read."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered."""

    status: int
    body: str

    def value(self, place: str) -> Any:
        """What stands at a place of the JSON: `versions.0.id`.

        Raises:
            KeyError: there is no such place.
            ValueError: the answer is no JSON.
        """
        data = json.loads(self.body)
        for step in place.split("."):
            if isinstance(data, list) and step.isdigit() and int(step) < len(data):
                data = data[int(step)]
            elif isinstance(data, dict) and step in data:
                data = data[step]
            else:
                raise KeyError(place)
        return data


def listens(process: int, port: int, timeout: float) -> bool:
    """Whether something listens at a TCP port of the loopback address that a process sees."""
    try:
        within(process, lambda: _connection(port, timeout).close(), timeout)
    except OSError:
        return False
    return True


def ask(process: int, request: Http, timeout: float) -> Answer:
    """What a server answers that a process would ask at the loopback address.

    Raises:
        OSError: nobody answers, or not in HTTP.
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
            raise OSError(f"this is no HTTP: {error!r}") from error
        finally:
            connection.close()

    return within(process, exchange, timeout)


def _connection(port: int, timeout: float) -> socket.socket:
    try:
        return socket.create_connection(("127.0.0.1", port), timeout)
    except ConnectionRefusedError:
        return socket.create_connection(("::1", port), timeout)


def within(process: int, do: Callable[[], T], timeout: float) -> T:
    """Do something within the network namespace of a process; in a thread of its own, which ends there.

    Raises:
        OSError: the namespace cannot be entered, it took longer than `timeout` seconds, or what `do` raises.
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
        # A server may answer byte by byte, for ever.
        raise TimeoutError("timed out")
    return done[0]


def _enter(process: int) -> None:
    # os.setns came with Python 3.12. It concerns the calling thread alone.
    setns = ctypes.CDLL(None, use_errno=True).setns
    with Path(f"/proc/{process}/ns/net").open("rb") as namespace:
        if setns(namespace.fileno(), CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), namespace.name)
