"""Who interrupts a run ends it: what is under way ends soon, and tags are all the old ones."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable

import pytest

from tests.programs import started
from tests.publish.conftest import Bench, Running, only
from tests.publish.proxy import Proxy

pytestmark = pytest.mark.real


def interrupted(
    bench: Bench, proxy: Proxy, begun: Callable[[str], bool], signals: tuple[signal.Signals, ...]
) -> str:
    """Send signals to a publish when such a request has reached the registry; what it said."""
    command = [*bench.argv("publish"), "--to", proxy.destination, "--uploads", "1"]
    with started(command, env=bench.environment(), stderr=subprocess.PIPE) as running:
        deadline = time.monotonic() + 60
        while not any(begun(line) for line in proxy.requests):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        running.send_signal(signals[0])
        assert running.stderr is not None
        said = running.stderr.readline()
        # Impatient, while the request that is under way is answered.
        for number in signals[1:]:
            running.send_signal(number)
            time.sleep(0.02)
        said += running.communicate(timeout=60)[1]
        assert running.returncode == 130, said
        return said


def is_tag(line: str) -> bool:
    return line.startswith("PUT") and "/manifests/1 " in line


@pytest.mark.parametrize("signals", [(signal.SIGINT,), (signal.SIGTERM, signal.SIGINT, signal.SIGINT)])
def test_an_interrupt_ends_a_run_and_moves_no_tag(
    bench: Bench, registry: Running, proxy: Proxy, signals: tuple[signal.Signals, ...]
) -> None:
    only(bench.publish(proxy.destination))
    old = registry.tags()
    try:
        bench.build("-interrupted")
        proxy.reset(lambda _, request: "delay" if "/blobs/" in request else None)
        said = interrupted(bench, proxy, lambda line: "/blobs/uploads/" in line, signals)
        assert said == (
            "plan: interrupted: stopping; tags that were moved are put back\n"
            f"note: {proxy.destination}: no tag was touched\n"
            f"{proxy.destination}: not published\n\n"
        )
        assert registry.tags() == old
        assert not any(is_tag(line) for line in proxy.requests)
        assert len([line for line in proxy.requests if "/blobs/" in line]) < 4
        proxy.reset()
        only(bench.publish(proxy.destination))
        # Between two tags it puts back what was moved.
        bench.build("-once-more")
        old = registry.tags()
        proxy.reset(lambda _, request: "delay" if is_tag(f"{request} ") else None)
        said = interrupted(bench, proxy, is_tag, signals)
        assert "have been put back" in said or "has been put back" in said
        assert registry.tags() == old
    finally:
        bench.build()
