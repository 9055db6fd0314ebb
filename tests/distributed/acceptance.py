"""stable-pike on two workers through a work registry, against a build in one store: ids, seconds, bytes.

`python -m tests.distributed.acceptance FOLDER` builds below FOLDER, with a registry on the loopback address.
Exit status 0: all ids are equal, each image was built once, and an empty client sees all of them as fresh.
`--only workers|local` does a part; the ids of both parts are in FOLDER.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.distributed.conftest import LAUNCHER, WORKERS
from tests.publish.conftest import serving
from tests.stores import unmount

PLAN = "plan"


def main() -> int:
    """Build, compare, and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", choices=("workers", "local"))
    options = parser.parse_args()
    place: Path = options.folder.resolve()
    place.mkdir(parents=True, exist_ok=True)
    plan = place / PLAN
    buildsys = [str(ROOT / ".venv/bin/buildsys"), "plan", "stable-pike", "-o", str(plan)]
    subprocess.run(buildsys, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    good = True
    try:
        if options.only != "local":
            good = _on_workers(place, plan)
        if options.only != "workers":
            _alone(place, plan)
    finally:
        unmount(place)
    if (place / "workers.json").exists() and (place / "local.json").exists():
        one, other = (json.loads((place / f"{name}.json").read_text()) for name in ("workers", "local"))
        same = sum(one.get(name) == identity for name, identity in other.items())
        _print(f"equal ids: {same} of {len(other)}")
        good = good and same == len(other) == len(one)
    return 0 if good else 1


def _on_workers(place: Path, plan: Path) -> bool:
    _forget(plan, place, *WORKERS, *(f"{name}.d" for name in WORKERS), "client", "registry")
    (place / "launcher").write_text(LAUNCHER)
    (place / "launcher").chmod(0o755)
    with ExitStack() as stack:
        registry = stack.enter_context(serving(place / "registry"))
        conf = place / "registries.conf"
        conf.write_text(f'[[registry]]\nlocation = "{registry.host}"\ninsecure = true\n')
        more = {
            "BS_REGISTRY": f"{registry.host}/work",
            "BS_ON": str(place / "launcher"),
            "BS_STORE": f"--root {place}/client/root --runroot {place}/client/run",
            "CONTAINERS_REGISTRIES_CONF": str(conf),
            "PLACE": str(place),
        }
        seconds, last = _run(plan, **more)
        found = _results(plan)
        (place / "workers.json").write_text(
            json.dumps({name: item["image_id"] for name, item in found.items()})
        )
        built = [item for item in found.values() if item["status"] == "built"]
        _print(f"on two workers: {seconds:.1f} s; {last}")
        for worker in WORKERS:
            own = [item for item in built if item["worker"] == worker]
            sent, received = (sum(item[way] for item in own) / 2**20 for way in ("sent", "received"))
            _print(f"  {worker}: {len(own)} images, {sent:.1f} MiB sent, {received:.1f} MiB received")
        again, last = _run(plan, **more)
        _print(f"again: {again:.2f} s; {last}")
        _forget(plan, place, *WORKERS, *(f"{name}.d" for name in WORKERS), "client")
        asked = len(registry.requests())
        empty, last = _run(plan, **more)
        _print(f"an empty client: {empty:.2f} s, {len(registry.requests()) - asked} requests; {last}")
        return len(built) == len(found) and f"0 built, {len(found)} fresh" in last


def _alone(place: Path, plan: Path) -> None:
    _forget(plan, place, "alone")
    seconds, last = _run(plan, BS_STORE=f"--root {place}/alone/root --runroot {place}/alone/run")
    _print(f"in one store: {seconds:.1f} s; {last}")
    identities = {name: item["image_id"] for name, item in _results(plan).items()}
    (place / "local.json").write_text(json.dumps(identities))


def _forget(plan: Path, place: Path, *folders: str) -> None:
    """Remove what the plan knows, and folders with stores."""
    unmount(place)
    for path in (plan / "state", plan / "results", plan / "logs", *(place / name for name in folders)):
        shutil.rmtree(path, ignore_errors=True)


def _results(plan: Path) -> dict[str, dict[str, Any]]:
    found = (json.loads(path.read_text()) for path in sorted((plan / "results").iterdir()))
    return {item["image"]: item for item in found}


def _run(plan: Path, **environment: str) -> tuple[float, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BS_", "MAKE"))}
    begun = time.monotonic()
    done = subprocess.run(
        ["make", "--no-print-directory", "-C", str(plan)], env={**kept, **environment}, check=False,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    if done.returncode:
        sys.exit(done.stderr)
    return time.monotonic() - begun, done.stderr.strip().splitlines()[-1]


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
