"""`make bench-zed`: measure stable-zed against plain Containerfiles; write its part of docs/benchmarks.md."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from buildsys.image import Image
from tests.bench.measure import Taken, store, take
from tests.bench.zed import baseline

ROOT = baseline.ROOT
BUILDSYS = str(ROOT / ".venv/bin/buildsys")
REPORT = ROOT / "docs/benchmarks.md"
HEADING = "## stable-zed: real packages"
LEAF = "nova-scheduler"
MIB = 2**20


def main() -> None:
    """Measure, print, and put the figures into the report."""
    with tempfile.TemporaryDirectory(prefix="buildsys-bench-", dir="/var/tmp") as name:
        place = Path(name)
        with store() as environment:
            # Locks, fetches and builds once: from here on all packages are local, for both.
            take(_build(place), environment=environment, cwd=ROOT)
        before = _ids(place)
        ours = _ours(place, before)
        theirs = _theirs(place)
    text = _section(ours, theirs)
    sys.stdout.write(text)
    written = REPORT.read_text() if REPORT.exists() else "# Benchmarks\n\n"
    rest = re.sub(rf"{re.escape(HEADING)}\n.*?(?=^## |\Z)", "", written, flags=re.DOTALL | re.MULTILINE)
    REPORT.write_text(rest.rstrip("\n") + "\n\n" + text)


def _build(place: Path, recipes: str = "stable-zed") -> list[str]:
    return [BUILDSYS, "build", recipes, "--build-dir", str(place)]


def _ids(place: Path) -> dict[str, str]:
    """The image ids that a build left, by image."""
    files = (place / "stable-zed/state").glob("*.id")
    return {file.stem: file.read_text().strip() for file in files}


def _ours(place: Path, before: Mapping[str, str]) -> dict[str, float]:
    shutil.rmtree(place / "stable-zed")
    with store() as environment:
        cold = take(_build(place), environment=environment, cwd=ROOT)
        ids = _ids(place)
        equal = sum(ids[name] == identity for name, identity in before.items())
        again = min(take(_build(place), environment=environment, cwd=ROOT).seconds for _ in range(3))
        size = _unique(environment["BS_STORE"])
        copy = place / "recipes/stable-zed"
        shutil.copytree(ROOT / "recipes/stable-zed", copy)
        recipe = next(copy.rglob(f"{LEAF}.yaml"))
        recipe.write_text(recipe.read_text() + "env: {CHANGED: here}\n")
        leaf = take(_build(place, str(copy)), environment=environment)
    return {
        "cold": cold.seconds,
        "again": again,
        "leaf": leaf.seconds,
        "bytes": size,
        "equal": equal,
        "images": len(ids),
    }


def _theirs(place: Path) -> dict[str, float]:
    images = baseline.resolved()
    packages = place / "packages"
    baseline.repository(sorted((place / "pool/packages").glob("*.deb")), packages)
    plain = baseline.write(place / "containerfiles", images)
    with store() as environment:
        root = _bootstrap(images, packages, place / "containerfiles/base/base.tar")
        taken = {name: _podman(name, place, environment).seconds for name in plain}
        size = _unique(environment["BS_STORE"])
        leaf = _podman(LEAF, place, environment).seconds
    return {"cold": root + sum(taken.values()), "leaf": leaf, "bytes": size, "images": len(plain)}


def _bootstrap(images: Mapping[str, Image], packages: Path, archive: Path) -> float:
    before = os.times().elapsed
    baseline.root(images, packages, archive)
    return os.times().elapsed - before


def _podman(name: str, place: Path, environment: Mapping[str, str]) -> Taken:
    context = place / "containerfiles" / name
    return take([
        "podman", *environment["BS_STORE"].split(), "build", "--no-cache", "--quiet", "--isolation", "chroot",
        "--pull-never", "--format", "docker",
        "--volume", f"{place / 'packages'}:{baseline.CACHE}:ro",
        "--tag", f"{baseline.PREFIX}/{name}", str(context),
    ])  # fmt: skip


def _unique(options: str) -> float:
    """Bytes of all layers of a store, each counted once."""
    root = Path(options.split()[1])
    layers = json.loads((root / "overlay-layers/layers.json").read_text())
    return float(sum(layer.get("diff-size", 0) for layer in layers))


def _section(ours: Mapping[str, float], theirs: Mapping[str, float]) -> str:
    rows = [
        (
            "cold, s",
            ours["cold"],
            theirs["cold"],
            theirs["cold"] / ours["cold"],
            "at least 1.6 times as fast",
        ),
        ("unique MiB", ours["bytes"] / MIB, theirs["bytes"] / MIB, ours["bytes"] / theirs["bytes"], "0.8"),
        (f"{LEAF} changed, s", ours["leaf"], theirs["cold"], theirs["cold"] / ours["leaf"], "at least 20"),
        (f"{LEAF} alone, s", ours["leaf"], theirs["leaf"], ours["leaf"] / theirs["leaf"], "1.2"),
    ]
    return "\n".join([
        HEADING,
        "",
        f"Beside {theirs['images']:.0f} plain Containerfiles (`tests/bench/zed/`), one after the other.",
        "",
        "| what | the plan | Containerfiles | ratio | asked |",
        "|---|---|---|---|---|",
        *(f"| {what} | {a:,.1f} | {b:,.1f} | {ratio:.2f} | {asked} |" for what, a, b, ratio, asked in rows),
        "",
        f"Nothing changed: {ours['again']:.2f} s. Asked: 0.8.",
        f"Built twice from nothing: {ours['equal']:.0f} of {ours['images']:.0f} ids are equal.",
        "",
    ])  # fmt: skip


if __name__ == "__main__":
    main()
