"""Each way in which an image or a scenario can fail, with exactly what is said of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.testing.conftest import Bench

HERE = Path(__file__).parent
HOST = re.compile(r"^podman runs here with .*\n", re.MULTILINE)
"""Differs between hosts."""
TIMES = re.compile(r"(?<=asked )(once|\d+ times) in \d+\.\d s")
"""Depends on how fast the machine is."""


def steady(text: str) -> str:
    """The text, without what differs between hosts and runs."""
    return TIMES.sub("N times in S s", HOST.sub("", text))


IMAGES = {
    "images/base.yaml": """\
image: base
from: site
accounts: {web: {uid: 1000}}
user: web
""",
    "images/commands.yaml": """\
image: commands
from: base
test:
  run:
    - "true"
    - [sh, -c, echo so it says; exit 3]
    - {run: "exit 0", status: [4, 5]}
    - {run: nobody-has-this}
    - {run: [cat, /etc/passwd], output: "^nova:"}
    - {run: sleep 100, timeout: 1s}
    - {run: id -u, user: "0", output: ^0$}
""",
    "images/bits.yaml": """\
image: bits
from: base
steps:
  - {touch: /bin/su, mode: "4755"}
  - {touch: /bin/wall, mode: "2755"}
  - {touch: /bin/allowed, mode: "4755"}
  - {mkdir: /srv/shared, mode: "2775"}
test:
  user: root
  setuid: [/bin/allowed]
  size: 1MB
""",
    "images/silent.yaml": """\
image: silent
from: base
cmd: [sh, -c, echo starting; busybox sleep 1000]
healthcheck: echo not yet; test -e /ready
test:
  service:
    healthy: true
    port: [80, 8080]
    http: {port: 8080, path: /v3}
    within: 2s
""",
    "images/dies.yaml": """\
image: dies
from: base
cmd: [sh, -c, echo no such database; exit 7]
test: {service: {port: 8080}}
""",
    "images/wrong.yaml": """\
image: wrong
from: base
steps:
  - {mkdir: /www, owner: web}
  - run: echo '{"version":{"id":"v3"},"ready":1,"list":[{"a":true}]}' >/www/index.html
cmd: [busybox, httpd, -f, -p, "8080", -h, /www]
test:
  service:
    port: 8080
    http:
      - {port: 8080, json: {version.id: v3, list.0.a: true}, output: '^\\{"version"'}
      - {port: 8080, path: /missing}
      - {port: 8080, path: /index.html, json: {version.id: v4, ready: true, list.1: 1}, output: nothing}
    run: [[cat, /no/such/file]]
    within: 3s
""",
}

SCENARIOS = {
    "scenarios/never-healthy.yaml": """\
scenario: never-healthy
containers:
  database:
    image: silent
    within: 2s
  client: {image: base, cmd: [busybox, sleep, "1000"], after: [database]}
""",
    "scenarios/dies.yaml": """\
scenario: dies
containers:
  database: {image: base, cmd: [busybox, sleep, "2"]}
steps:
  - {in: database, run: [busybox, sleep, "4"], retry: 5s}
""",
    "scenarios/first-fails.yaml": """\
scenario: first-fails
secrets: [password]
containers:
  database:
    image: base
    cmd: [busybox, sleep, "1000"]
    env: {PASSWORD: "{{ password }}"}
    first: ["echo tried {{ password }}; exit 9"]
""",
    "scenarios/steps-fail.yaml": """\
scenario: steps-fail
containers:
  client: {image: base, cmd: [busybox, sleep, "1000"]}
steps:
  - {about: a token is issued, in: client, run: [cat, /etc/passwd], capture: {token: "token=(.*)"}}
  - {about: never made, in: client, run: [echo, "{{ token }}"]}
""",
    "scenarios/checks-fail.yaml": """\
scenario: checks-fail
containers:
  client: {image: base, cmd: [busybox, sleep, "1000"]}
checks:
  - {in: client, run: echo a.b, output: axb}
  - {http: {port: 9, path: /}}
  - {in: client, run: echo fine}
""",
    "scenarios/too-long.yaml": """\
scenario: too-long
timeout: 4s
containers:
  client: {image: base, cmd: [busybox, sleep, "1000"]}
steps:
  - {in: client, run: test -e /ready, retry: 60s}
""",
}


CODES = {
    "no-answer", "no-capture", "no-container", "no-listener", "not-healthy", "service-ended", "time-limit",
    "too-large", "unexpected-setuid", "wrong-answer", "wrong-output", "wrong-status", "wrong-user",
}  # fmt: skip


def test_every_code_of_a_failure_is_among_them() -> None:
    said = "".join(path.read_text() for path in (HERE / "expected").iterdir())
    # How podman words it is its own affair: see test_a_container_that_cannot_be_made.
    assert set(re.findall(r"\[([a-z]+(?:-[a-z]+)+)\]$", said, re.MULTILINE)) == CODES - {"no-container"}


@pytest.mark.real
def test_of_images(bench: Bench, golden: Callable[[str, Path], None]) -> None:
    bench.write(IMAGES)
    tried = bench.test()
    assert tried.returncode == 1
    golden(steady(tried.stderr), HERE / "expected/images.txt")
    assert bench.containers() == []
    assert "no such database" in (bench.plan / "logs/tests/dies.log").read_text()


@pytest.mark.real
def test_of_scenarios(bench: Bench, golden: Callable[[str, Path], None]) -> None:
    bench.write(
        {"images/base.yaml": IMAGES["images/base.yaml"], "images/silent.yaml": IMAGES["images/silent.yaml"]}
    )
    bench.write(SCENARIOS)
    names = [Path(name).stem for name in SCENARIOS]
    tried = bench.test("--scenario", " ".join(names))
    assert tried.returncode == 1
    golden(steady(tried.stderr), HERE / "expected/scenarios.txt")
    assert bench.containers() == []
    log = bench.plan / "logs/scenarios/never-healthy/database.log"
    assert log.read_text() == "starting\n"
    # A secret is nowhere, neither in what is kept nor in what is printed.
    assert "tried {{ password }}" in (bench.plan / "logs/scenarios/first-fails/database.log").read_text()


@pytest.mark.real
def test_a_container_that_cannot_be_made(bench: Bench) -> None:
    bench.write({
        # The step would refuse a user of its own that the image does not have; this one is inherited.
        "images/parent.yaml": "image: parent\nfrom: site\naccounts: {web: {uid: 1000}}\nuser: web\n",
        "images/base.yaml": "image: base\nfrom: parent\nsteps: [{remove: /etc/passwd}]\n"
        "test:\n  run: ['true']\n  service: {port: 80}\n",
        "scenarios/one.yaml": "scenario: one\ncontainers: {base: {}}\n",
    })  # fmt: skip
    tried = bench.test()
    assert tried.returncode == 1
    for place, what in (
        ("images/base.yaml:5:9", "`true` cannot be run"),
        ("images/base.yaml:6:12", "the service of base cannot be started"),
        ("scenarios/one.yaml:2:14", "the container base cannot be started"),
    ):
        assert re.search(rf"^tiny/{place}: error: {what}: .+ \[no-container\]$", tried.stderr, re.MULTILINE)
    assert bench.containers() == []
