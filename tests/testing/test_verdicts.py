"""What is made of what came out, without a container: commands, answers, health, values, JUnit."""

from __future__ import annotations

import json
import os
import re
import socket
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildsys.diagnostics import Code, Diagnostic, Spot
from buildsys.testing import http as client
from buildsys.testing.http import Answer
from buildsys.testing.junit import junit
from buildsys.testing.podman import Done
from buildsys.testing.result import Case, Outcome
from buildsys.testing.spec import CLOSE, OPEN, Exec, Http, one_line, spot
from buildsys.testing.values import Values
from buildsys.testing.verdicts import Health, of_answer, of_health, of_run, seconds

AT = {"run": Spot("a.yaml", 3, 5), "http": Spot("a.yaml", 9, 5), "output": Spot("a.yaml", 4, 9)}


def run(*argv: str, statuses: tuple[int, ...] = (0,), output: str = "") -> Exec:
    return Exec(argv or ("true",), "", {}, statuses, output, 60.0, AT)


def http(port: int = 80, path: str = "/", *, json: dict[str, object] | None = None, output: str = "") -> Http:
    return Http(port, path, "GET", {}, "", (200,), json or {}, output, AT)


# ── commands ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("command", "said", "message"),
    [
        (run(), Done(0, "", "", 0), ""),
        (run(statuses=(0, 2)), Done(2, "", "", 0), ""),
        (run(output="^b$"), Done(0, "a\nb\n", "", 0), ""),
        (run(output="^b$"), Done(0, "a\n", "b\n", 0), ""),
        (run(output=r"\Ab"), Done(0, "a\nb\n", "", 0), r"the output of `true` does not match '\Ab'"),
        (run(statuses=(0, 2)), Done(1, "", "", 0), "`true` ends with 1, not 0 or 2"),
        (run(), Done(0, "", "", 61, timed_out=True), "`true` took longer than 1m and was killed"),
        (run(), Done(126, "", "Error: no such user\n", 0), "`true` cannot be run: no such user"),
        (run(), Done(125, "", "", 0), "`true` cannot be run: exit status 125"),
        # A command may well end with podman's numbers, when that is what it should do.
        (run(statuses=(126,)), Done(126, "", "", 0), ""),
        (run("/bin/sh", "-ec", "a\n  b"), Done(3, "", "", 0), "`a b` ends with 3, not 0"),
    ],
)  # fmt: skip
def test_what_a_command_comes_to(command: Exec, said: Done, message: str) -> None:
    assert [mistake.message for mistake in of_run(command, said)] == ([message] if message else [])


def test_a_mistake_is_where_the_expectation_was_written() -> None:
    (wrong,) = of_run(run(output="x"), Done(0, "", "", 0))
    assert (wrong.spot, wrong.code) == (Spot("a.yaml", 4, 9), "wrong-output")
    (wrong,) = of_run(run(), Done(1, "", "", 0))
    assert (wrong.spot, wrong.code) == (Spot("a.yaml", 3, 5), "wrong-status")


def test_a_place_in_a_file_with_colons() -> None:
    assert spot("a:b.yaml:3:5") == Spot("a:b.yaml", 3, 5)


# ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────

BODY = json.dumps({"a": {"b": [{"c": 1}, "text"]}, "yes": True, "one": 1, "null": None, "é": "ü"})


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"a.b.0.c": 1, "a.b.1": "text", "yes": True, "é": "ü"}, ""),
        ({"one": True}, "has 1 at one, not true"),
        ({"yes": 1}, "has true at yes, not 1"),
        ({"null": "None"}, 'has null at null, not "None"'),
        ({"a.b.2": 1}, "has no a.b.2"),
        ({"a.b.x": 1}, "has no a.b.x"),
        ({"a.b.0.c.d": 1}, "has no a.b.0.c.d"),
        ({"a.b.1": "txet"}, 'has "text" at a.b.1, not "txet"'),
        ({"é": "u"}, 'has "ü" at é, not "u"'),
    ],
)
def test_values_of_an_answer(wanted: dict[str, object], message: str) -> None:
    said = [mistake.message for mistake in of_answer(http(json=wanted), Answer(200, BODY))]
    assert said == ([f"the answer to GET :80/ {message}"] if message else [])


def test_an_answer_that_is_no_json_is_told_once() -> None:
    said = [mistake.message for mistake in of_answer(http(json={"a": 1, "b": 2}), Answer(200, "<html>"))]
    assert said == ["the answer to GET :80/ is not JSON"]


@contextmanager
def server(*answers: bytes, drip: float = 0.0) -> Iterator[int]:
    """A server on the loopback address; each connection gets the next answer, byte by byte where it drips."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            for answer in answers:
                connection, _ = listening.accept()
                with connection:
                    connection.recv(65536)
                    for byte in [answer[i : i + 1] for i in range(len(answer))] if drip else [answer]:
                        if done.wait(drip):
                            return
                        connection.sendall(byte)

        serving = threading.Thread(target=serve, daemon=True)
        serving.start()
        try:
            yield listening.getsockname()[1]
        finally:
            done.set()
            serving.join(5)


HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def test_a_server_is_asked_within_the_network_of_a_process() -> None:
    with server(HELLO) as port:
        assert client.ask(os.getpid(), http(port, "/a b?c=d&e=%20"), 5) == Answer(200, "hello")


def test_who_listens() -> None:
    with server(b"") as port:
        assert client.listens(os.getpid(), port, 5)
    assert not client.listens(os.getpid(), port, 5)
    assert not client.listens(2**22 + 1, port, 5)  # no process has that number


@pytest.mark.parametrize("answer", [b"220 mail.example ESMTP\r\n", b"", b"HTTP/1.1 abc\r\n\r\n"])
def test_what_is_no_http_is_no_answer(answer: bytes) -> None:
    with server(answer) as port, pytest.raises(OSError, match=r"this is not HTTP|reset"):
        client.ask(os.getpid(), http(port), 5)


def test_a_server_that_answers_byte_by_byte_is_not_waited_for() -> None:
    with server(HELLO * 10, drip=0.2) as port, pytest.raises(TimeoutError):
        client.ask(os.getpid(), http(port), 1)


# ── health, durations ───────────────────────────────────────────────────────────────────────────────────────


def test_health() -> None:
    at = Spot("a.yaml", 1, 1)
    assert list(of_health(Health("healthy"), "it", 60, at)) == []
    told = [
        next(of_health(health, "it", 90, at)).message
        for health in (Health("unchecked"), Health("unhealthy"), Health("unhealthy", "no\n  way"))
    ]
    assert told == [
        "it has no health check", "it is not healthy within 1m30s", "it is not healthy within 1m30s: no way",
    ]  # fmt: skip


@pytest.mark.parametrize(("number", "text"), [(0.5, "0.5s"), (60, "1m"), (61, "1m1s"), (1800, "30m")])
def test_durations(number: float, text: str) -> None:
    assert seconds(number) == text


# ── values that only a run knows ────────────────────────────────────────────────────────────────────────────


def named(name: str) -> str:
    return f"{OPEN}{name}{CLOSE}"


def test_secrets_are_new_each_time_and_long() -> None:
    first, second = (Values(["a", "b"]) for _ in range(2))
    made = {values.text(named(name)) for values in (first, second) for name in "ab"}
    assert len(made) == 4
    assert all(re.fullmatch("[A-Za-z0-9]{32}", value) for value in made)


def test_a_secret_is_masked_wherever_it_stands() -> None:
    values = Values(["word"])
    word = values.text(named("word"))
    mistake = Diagnostic(Spot("a.yaml"), Code.WRONG_OUTPUT, f"it says {word}")
    case = values.masked_case(Case(f"echo {word}", 0, (mistake,), f"<{word}>\n{word}"))
    assert (case.name, case.output) == ("echo {{ word }}", "<{{ word }}>\n{{ word }}")
    assert case.mistakes[0].message == "it says {{ word }}"
    cut = one_line(f"it says {word}", 20)
    assert values.masked(cut) == "it says {{ word }}…"


@given(st.text(min_size=1).filter(lambda text: OPEN not in text and CLOSE not in text))
def test_a_value_in_a_pattern_stands_for_itself(value: str) -> None:
    values = Values([])
    values.capture("it", value)
    assert re.search(values.pattern(f"\\A{named('it')}\\Z"), value)
    assert values.text(f"<{named('it')}>") == f"<{value}>"


def test_an_empty_capture_is_a_value_too() -> None:
    values = Values([])
    values.capture("it", "")
    assert values.text(f"<{named('it')}>") == "<>"


# ── JUnit ───────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.text(), st.text())
def test_junit_is_xml_whatever_was_said(name: str, output: str) -> None:
    mistake = Diagnostic(Spot("a.yaml", 1, 1), Code.WRONG_OUTPUT, output)
    cases = (Case(name, 1.25, (mistake,), output), Case("fine", 0.5))
    outcome = Outcome("image", "nova-api", "hash", {"nova-api": "1" * 64}, cases, 2.0)
    (suite,) = ET.fromstring(junit("tiny", [outcome]).encode())  # noqa: S314 - we wrote it
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == ("tiny.image.nova-api", "2", "1")
    failed, fine = suite.findall("testcase")
    assert failed.find("failure") is not None
    assert fine.find("failure") is None
