"""Runs of `buildsys test`: what passes, what is remembered, the mark, and what any end leaves behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

from buildsys.testing.passed import promoted
from tests.testing.conftest import Bench

BASE = """\
image: base
from: site
accounts: {web: {uid: 1000}}
user: web
test: {user: web, setuid: [], size: 10 MB, run: [{run: echo hello, output: ^hello$}]}
"""
WEB = """\
image: web
from: base
steps:
  - run: mkdir /www; echo '{"id":"v3"}' >/www/index.html
cmd: [busybox, httpd, -f, -p, "8080", -h, /www]
healthcheck: test -e /www/index.html
test:
  service:
    healthy: true
    port: 8080
    http: {port: 8080, path: /index.html, json: {id: v3}}
    run: [[cat, /www/index.html]]
"""
TALK = """\
scenario: talk
about: One asks the other.
secrets: [word]
files:
  pages/index.html: "{{ word }}"
  token: "secret"
volumes: [notes]
containers:
  web:
    mounts: {/www: pages}
    then: [test -e /www/index.html]
  client:
    image: base
    cmd: [busybox, sleep, "1000"]
    after: [web]
    env: {WORD: "{{ word }}"}
    mounts: {/notes: notes, /token: token}
    first:
      - echo first >/notes/order
      - {run: 'busybox id -u >>/notes/order', user: "0"}
steps:
  - about: a container is found by its name
    in: client
    run: busybox wget -q -O - http://web:8080/index.html
    output: "^{{ word }}$"
  - {in: client, run: cat /notes/order /token; busybox hostname, output: '\\Afirst\\n0\\nsecrettalk\\n\\Z'}
  - {in: client, run: echo id=a.c, capture: {id: id=(.+)}}
  - {in: client, run: "(busybox sleep 2; echo there >/notes/late) >/dev/null 2>&1 &"}
checks:
  - {in: client, run: "echo abc; echo {{ id }}", output: "\\\\Aabc\\n{{ id }}\\n\\\\Z"}
  - {about: what comes late is waited for, in: client, run: cat /notes/late, output: there, retry: 30s}
  - {http: {port: 8080, output: "^{{ word }}$"}}
  - {about: there is no other network, in: client, run: cat /proc/net/dev, output: '\\A(?!.*eth)'}
  - {about: the secret is in the environment, in: client, run: 'test "$WORD" = "{{ word }}"'}
"""


def said(text: str, pattern: str) -> bool:
    return re.search(pattern, text, re.MULTILINE) is not None


@pytest.mark.real
def test_what_passes_is_remembered_and_a_whole_set_is_promoted(bench: Bench) -> None:
    bench.write({"images/base.yaml": BASE, "images/web.yaml": WEB, "scenarios/talk.yaml": TALK})

    tried = bench.test("web")
    assert tried.returncode == 0, tried.stderr
    assert said(tried.stdout, r"^\[1/1\] web \d+\.\d s$")
    assert tried.stderr.endswith("tiny: 1 tried: 1 passed\n")
    assert promoted(bench.plan) is None

    tried = bench.test()
    assert tried.returncode == 0, tried.stderr
    assert tried.stderr.endswith("tiny: 3 tried: 2 passed, 1 had passed before; promoted\n")
    ids = promoted(bench.plan)
    assert ids == {name: (bench.plan / f"state/{name}.id").read_text().strip() for name in ("base", "web")}
    assert json.loads((bench.plan / "promoted.json").read_text())["images"] == ids
    result = json.loads((bench.plan / "results/web.json").read_text())
    assert result["test"]["passed"] is True
    names = [case["name"] for case in result["test"]["cases"]]
    assert sorted(names) == sorted(
        ["setuid", "healthy", "port 8080", "GET :8080/index.html", "cat /www/index.html"]
    )
    suites = ET.parse(bench.plan / "results/junit.xml").getroot()  # noqa: S314 - we wrote it
    assert [suite.get("name") for suite in suites] == [
        "tiny.image.base",
        "tiny.image.web",
        "tiny.scenario.talk",
    ]
    assert bench.containers() == []
    assert not (bench.plan / "logs/scenarios/talk").exists()

    # Nothing changed: no container is begun, podman is not even asked.
    tried = bench.test(PATH=without_podman(bench))
    assert (tried.returncode, tried.stdout) == (0, "")
    assert tried.stderr.endswith("tiny: 3 tried: 3 had passed before; promoted\n")

    # A test that only moved has passed still; one that changed has not, and builds nothing.
    bench.write({"images/web.yaml": "# moved\n" + WEB})
    assert bench.test().stderr.endswith("3 had passed before; promoted\n")
    bench.write({"images/web.yaml": WEB.replace("id: v3}", "id: v4}").replace("healthy: true", "within: 2s")})
    tried = bench.test()
    assert tried.returncode == 1
    assert "tiny: 2 images: 0 built, 2 fresh\n" in tried.stderr
    assert tried.stderr.endswith("tiny: 3 tried: 2 had passed before, 1 failed\n")
    assert not (bench.plan / "promoted.json").exists()

    # Another image is to be tried anew, and the scenario that uses it.
    bench.write({"images/web.yaml": WEB.replace("mkdir /www", "mkdir /www /srv")})
    tried = bench.test()
    assert tried.stderr.endswith("tiny: 3 tried: 2 passed, 1 had passed before; promoted\n")

    # The mark holds for these images only, and for these tests.
    assert promoted(bench.plan)
    bench.write({"images/base.yaml": BASE.replace("10 MB", "11 MB")})
    assert subprocess.run(bench.argv("plan", "./tiny"), cwd=bench.folder, check=True).returncode == 0
    assert promoted(bench.plan) is None
    bench.write({"images/base.yaml": BASE})
    assert subprocess.run(bench.argv("plan", "./tiny"), cwd=bench.folder, check=True).returncode == 0
    assert promoted(bench.plan)
    (bench.plan / "state/web.id").write_text("0" * 64 + "\n")
    assert promoted(bench.plan) is None
    (bench.plan / "state/web.id").write_text(ids["web"] + "\n")

    # A build that moves an id takes it away.
    assert (bench.plan / "promoted.json").exists()
    bench.write({"images/web.yaml": WEB.replace("mkdir /www", "mkdir /www /opt")})
    subprocess.run(bench.argv("build", "./tiny"), cwd=bench.folder, check=True, env=bench.environment())
    assert not (bench.plan / "promoted.json").exists()


def without_podman(bench: Bench) -> str:
    """A PATH whose podman says its version and does nothing else."""
    folder = bench.folder / "no-podman"
    folder.mkdir(exist_ok=True)
    program = folder / "podman"
    program.write_text('#!/bin/sh\n[ "$1" = --version ] && echo podman version 4.3.1 || exit 99\n')
    program.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


# ── ends ────────────────────────────────────────────────────────────────────────────────────────────────────

SLOW = """\
image: base
from: site
test:
  run: ["busybox sleep 300"]
"""
SLOW_SCENARIO = """\
scenario: slow
secrets: [word]
files: {a: "{{ word }}"}
containers:
  base: {cmd: [busybox, sleep, "300"], mounts: {/a: a}}
steps: [{in: base, run: busybox sleep 300}]
"""


def begun(bench: Bench, wanted: Callable[[], bool]) -> subprocess.Popen[str]:
    """A run under way, as soon as what is wanted is so."""
    run = bench.begin("test", "./tiny")
    deadline = time.monotonic() + 60
    while not wanted():
        assert time.monotonic() < deadline
        assert run.poll() is None, run.communicate()
        time.sleep(0.1)
    return run


def runs(bench: Bench, name: str) -> bool:
    rows = (
        bench.podman("ps", "--format", "{{.Names}} {{.Status}}").splitlines() if bench.plan.exists() else []
    )
    return any(name in row and "Up" in row for row in rows)


@pytest.mark.real
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["interrupted", "terminated"])
def test_an_interrupted_run_leaves_nothing(bench: Bench, number: signal.Signals) -> None:
    bench.write({"images/base.yaml": SLOW})
    run = begun(bench, lambda: runs(bench, "-test-base-0"))
    run.send_signal(number)
    run.communicate(timeout=30)
    assert run.returncode == 130
    assert bench.containers() == []


@pytest.mark.real
def test_an_interrupted_scenario_leaves_nothing(bench: Bench) -> None:
    bench.write({"images/base.yaml": "image: base\nfrom: site\n", "scenarios/slow.yaml": SLOW_SCENARIO})
    run = begun(bench, lambda: runs(bench, "-scenario-slow-base"))
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=30)
    assert run.returncode == 130
    assert bench.containers() == []
    assert left_in(bench) == []


def left_in(bench: Bench) -> list[str]:
    return [path.name for path in bench.store.runroot.glob("buildsys-test-*")]


@pytest.mark.real
def test_what_a_killed_run_left_is_removed_by_the_next(bench: Bench) -> None:
    bench.write({"images/base.yaml": "image: base\nfrom: site\n", "scenarios/slow.yaml": SLOW_SCENARIO})
    run = begun(bench, lambda: runs(bench, "-scenario-slow-base"))
    run.kill()
    run.communicate(timeout=30)
    assert any("scenario-slow-base" in name for name in bench.containers())
    assert left_in(bench)
    # Another container of the store is no business of ours.
    bench.podman("create", "--name", "mine", "--network", "none", "localhost/busybox:1", "/bin/sh")
    bench.write({"scenarios/slow.yaml": SLOW_SCENARIO.replace("sleep 300}", "true}")})
    tried = bench.test()
    assert tried.returncode == 0, tried.stderr
    assert bench.containers() == ["mine"]
    assert left_in(bench) == []


@pytest.mark.real
def test_one_run_waits_for_the_other(bench: Bench) -> None:
    bench.write({"images/base.yaml": SLOW.replace("300", "4")})
    first = begun(bench, lambda: runs(bench, "-test-base-0"))
    second = bench.test()
    assert said(second.stderr, r"^tiny: waiting for process \d+ of \w+, testing tiny since \d\d:\d\d:\d\d$")
    assert second.stderr.endswith("tiny: 1 tried: 1 had passed before; promoted\n")
    first.communicate(timeout=30)
    assert first.returncode == 0


# ── usage ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_unknown_scenario_is_a_mistake(bench: Bench) -> None:
    bench.write({"images/base.yaml": BASE, "scenarios/talk.yaml": TALK.replace("web", "base")})
    tried = bench.test("--scenario", "tlak")
    assert tried.returncode == 2
    assert (
        tried.stderr
        == "error: no scenario is called 'tlak' [unknown-scenario]\n  hint: did you mean 'talk'?\n"
    )


@pytest.mark.real
def test_a_set_that_cannot_be_built_is_not_tried(bench: Bench) -> None:
    bench.write({"images/base.yaml": BASE + "steps: [{run: exit 1}]\n"})
    tried = bench.test()
    assert tried.returncode == 1
    assert tried.stderr.endswith("error: nothing is tried while images are not built\n")


@pytest.mark.real
def test_a_host_without_podman_says_so_before_anything_is_built(bench: Bench, tmp_path: Path) -> None:
    bench.write({"images/base.yaml": BASE})
    folder = tmp_path / "bin"
    folder.mkdir()
    for place in os.environ["PATH"].split(":"):
        for program in Path(place).glob("*") if Path(place).is_dir() else ():
            if program.name != "podman" and not (folder / program.name).exists():
                (folder / program.name).symlink_to(program)
    tried = bench.test(PATH=str(folder))
    assert tried.returncode == 3
    assert said(tried.stderr, r"^error: podman is needed and is not installed \[missing-tool\]$")
    assert not (bench.plan / "results").exists()


# ── containers of a scenario, and what a site cannot build ──────────────────────────────────────────────────

OWN_WAYS = """\
scenario: ways
files: {a/b/c: hello}
containers:
  listed:
    image: base
    entrypoint: [/bin/busybox]
    cmd: [sleep, "1000"]
    healthcheck: [/bin/busybox, test, -x, /bin/busybox]
    user: "0"
    first: [{run: 'test "$(busybox id -u)" = 1000', user: web}]
    then: ['test "$(busybox id -u)" = 0']
  spoken:
    image: base
    after: listed
    mounts: {/srv/a: a}
    cmd: [sh, -c, "busybox sleep 3; touch /srv/ready; exec busybox sleep 1000"]
    healthcheck: test -e /srv/ready
steps:
  - {in: spoken, run: cat /srv/ready /srv/a/b/c, output: hello}
"""


@pytest.mark.real
def test_a_container_has_its_own_ways(bench: Bench) -> None:
    """Entrypoint, health check and user instead of the image's; who is not healthy yet is waited for."""
    recipe = "image: base\nfrom: site\naccounts: {web: {uid: 1000}}\nuser: web\n"
    healthcheck = "healthcheck: 'false'\nsteps: [{mkdir: /srv, owner: web}]\n"
    bench.write({"images/base.yaml": recipe + healthcheck, "scenarios/ways.yaml": OWN_WAYS})
    before = os.umask(0o077)
    try:
        tried = bench.test()
    finally:
        os.umask(before)
    assert tried.returncode == 0, tried.stderr


@pytest.mark.real
def test_a_scenario_of_an_image_that_the_site_cannot_build(bench: Bench) -> None:
    bench.write({
        "images/base.yaml": BASE,
        "images/ruby.yaml": "image: ruby\nfrom: base\nsteps: [{gems: [fluentd]}]\ntest: {run: ['true']}\n",
        "scenarios/both.yaml": "scenario: both\ncontainers: {base: {cmd: [busybox, sleep, '9']}, ruby: {}}\n",
    })  # fmt: skip
    tried = bench.test()
    assert tried.returncode == 0, tried.stderr
    left_out = "cannot give it: ruby (it has no gems); without it there is no scenario both\n"
    assert said(tried.stderr, f"^note: not built, for the site here {re.escape(left_out)}")
    asked = bench.test("--scenario", "both")
    assert asked.returncode == 2
    assert asked.stderr.endswith(
        "error: no scenario is called 'both' [unknown-scenario]\n"
        "  hint: scenarios of tiny at the site here: none\n"
    )


@pytest.mark.real
def test_volumes_of_an_image_go_with_its_containers(bench: Bench) -> None:
    recipe = "image: base\nfrom: site\nvolumes: [/srv]\ncmd: [busybox, sleep, '60']\n"
    recipe += "test: {service: {run: [[busybox, 'true']]}}\n"
    bench.write({"images/base.yaml": recipe})
    tried = bench.test()
    assert tried.returncode == 0, tried.stderr
    assert bench.podman("volume", "ls", "--quiet").split() == []
