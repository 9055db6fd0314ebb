"""stable-zed as a new user builds and tries it; then elsewhere: another folder, an empty store, no network.

`python -m tests.zed.acceptance FOLDER`, run in a clone, exits with 0 when every image is as it should be and
the second build, whose plan and store go into FOLDER, has the same ids.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

PLAN = Path("build/stable-zed")
LEFT = ("state", "results", "logs", "events.jsonl", "events.1.jsonl")
"""What a run leaves in a plan: a copy begins without."""


def main(place: Path) -> int:
    """Build, try, build elsewhere, compare."""
    for target in ("stable-zed", "stable-zed", "test-stable-zed"):
        call(["make", target])
    plan = place / "plan"
    shutil.copytree(PLAN, plan, copy_function=os.link, ignore=shutil.ignore_patterns(*LEFT))
    store = f"--root {place}/store --runroot {place}/run"
    call(["unshare", "--net", "make", "--no-print-directory", "-C", str(plan)], {"BS_STORE": store})
    here, there = ids(PLAN), ids(plan)
    other = sorted(name for name in here if here[name] != there.get(name))
    sys.stdout.write(
        f"{len(here) - len(other)} of {len(here)} images have the same id; others: {other or 'none'}\n"
    )
    return 1 if other or not here else 0


def call(command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
    """Run a command; leave with its status if it fails."""
    status = subprocess.run(command, env={**os.environ, **(environment or {})}, check=False).returncode
    if status:
        sys.exit(status)


def ids(plan: Path) -> dict[str, str]:
    """The id of every image that a plan has built, by its name."""
    results = (json.loads(file.read_text()) for file in sorted((plan / "results").glob("*.json")))
    return {result["image"]: result["image_id"] for result in results if "image_id" in result}


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
