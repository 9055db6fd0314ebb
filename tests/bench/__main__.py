"""`make bench`: measure on this machine and write docs/benchmarks.md, ratios from one run."""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from buildsys.image import Image
from tests.bench import growth, plain, publishing, sets, step
from tests.bench.measure import Taken, store, take

ROOT = Path(__file__).resolve().parents[2]
BUILDSYS = str(ROOT / ".venv/bin/buildsys")
REPORT = ROOT / "docs/benchmarks.md"
JOBS = os.cpu_count() or 2
ZED = "## stable-zed: real packages"
"""The part of `make bench-zed`, the last of the report: it stays."""
ROUNDS = int(os.environ.get("ROUNDS", "3"))


def main() -> None:
    """Measure everything, or the parts named on the command line; only a whole run writes the report."""
    parts: dict[str, Callable[[Path], list[str]]] = {
        "compile": compiling,
        "nothing": nothing_changed,
        "cold": cold_build,
        "trivial": trivial_runs,
        "step": cost_of_a_step,
        "growth": growth_with_the_store,
        "publish": published,
    }
    chosen = sys.argv[1:] or list(parts)
    if unknown := [name for name in chosen if name not in parts]:
        sys.exit(f"no part {', '.join(unknown)}; there are {', '.join(parts)}")
    with tempfile.TemporaryDirectory(prefix="buildsys-bench-", dir="/var/tmp") as place:
        sections = {name: parts[name](Path(place) / name) for name in chosen}
    text = "\n".join([*_head(), *(line for name in chosen for line in sections[name])]) + "\n"
    sys.stdout.write(text)
    if list(parts) == chosen:
        _, heading, kept = REPORT.read_text().partition(ZED) if REPORT.exists() else ("", "", "")
        REPORT.write_text(text + heading + kept)


def _head() -> list[str]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    buildah = _buildah()
    return [
        "# Benchmarks",
        "",
        "Written by `make bench`. Seconds of whole processes; a ratio is of two things measured in turn.",
        "",
        f"Machine: {JOBS} cores, {memory:.0f} GiB, Linux {platform.release()}, buildah {buildah}.",
        f"Builds at {JOBS} jobs, each into an empty store.",
        "",
    ]


def _buildah() -> str:
    command = ["buildah", "--version"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[2]


def compiling(place: Path) -> list[str]:
    """`buildsys plan` for 108, 1,000 and 10,000 generated images."""
    startup = statistics.median(take([BUILDSYS, "--version"]).seconds for _ in range(5))
    rows = ["## Compile", "", "| images | seconds | ms an image above start-up | MiB |", "|---|---|---|---|"]
    for count in (108, 1000, 10000):
        directory = sets.generated(place / f"set-{count}", count)
        plan = [BUILDSYS, "plan", str(directory), "-o"]
        # Each into a folder of its own: it takes the kernel seconds to forget 20,000 files.
        runs = [take([*plan, str(place / f"plan-{count}-{number}")]) for number in range(ROUNDS)]
        taken = sorted(runs, key=lambda item: item.seconds)[ROUNDS // 2]
        each = (taken.seconds - startup) / count * 1000
        rows.append(f"| {count:,} | {taken.seconds:.2f} | {each:.2f} | {taken.mebibytes:.0f} |")
    return [
        *rows,
        "",
        f"Start-up (`buildsys --version`): {startup:.2f} s. Asked: 0.5 ms, 10,000 in 6 s and 500 MB.",
        "",
    ]


def nothing_changed(place: Path) -> list[str]:
    """Running again when everything is fresh."""
    with store() as environment:
        build = [BUILDSYS, "build", "stable-pike", "--build-dir", str(place), "--jobs", str(JOBS)]
        take(build, environment=environment, cwd=ROOT)
        bare = ["make", "--no-print-directory", "-C", str(place / "stable-pike")]
        whole = [
            taken.seconds for taken in (take(build, environment=environment, cwd=ROOT) for _ in range(5))
        ]
        plan = [taken.seconds for taken in (take(bare, environment=environment) for _ in range(5))]
        leaf = _one_leaf(place, environment)
    return [
        "## Nothing changed, and one leaf changed",
        "",
        "| what | seconds (median of 5) | asked |",
        "|---|---|---|",
        f"| `make -C build/stable-pike` | {statistics.median(plan):.2f} | 0.2 |",
        f"| `buildsys build stable-pike` (all that `make` calls) | {statistics.median(whole):.2f} | 0.8 |",
        "",
        leaf,
        "",
    ]


def _one_leaf(place: Path, environment: dict[str, str]) -> str:
    copy = place / "recipes/stable-pike"
    shutil.copytree(ROOT / "recipes/stable-pike", copy)
    recipe = copy / "images/cron.yaml"
    recipe.write_text(recipe.read_text() + "env: {CHANGED: here}\n")
    command = [BUILDSYS, "build", str(copy), "--build-dir", str(place)]
    taken = take(command, environment=environment)
    events = (place / "stable-pike/events.jsonl").read_text().splitlines()
    built = sum('"event": "built"' in line for line in events)
    return f"One changed leaf recipe: {built} image built, {taken.seconds:.2f} s in all."


def cold_build(place: Path) -> list[str]:
    """The embedded set from nothing: locked, by hand-written scripts of minimal calls, unlocked."""
    images, stand_ins = _resolved_pike(place)
    hand = plain.handwritten(images, place / "hand", stand_ins, isolation="chroot")
    plan = [BUILDSYS, "plan", "stable-pike", "--build-dir"]
    take([*plan, str(place)], cwd=ROOT)
    take([*plan, str(place / "solving"), "--unlocked"], cwd=ROOT)
    ours, theirs, solving = [], [], []
    for _ in range(ROUNDS):
        ours.append(_plan_run(place / "stable-pike"))
        theirs.append(_make(hand))
        solving.append(_plan_run(place / "solving/stable-pike"))
    locked = ("the plan, locked (copies, edits, checks and normalises)", ours)
    by_hand = ("hand-written: from, mount, dnf --installroot, one trivial run, config, commit", theirs)
    return [
        *_comparison("Cold build of stable-pike (stand-ins)", locked, by_hand, "0.8; of a locked plan 0.5"),
        *_comparison(
            "The same, without a lock", locked, ("the plan, unlocked: dnf solves each step", solving)
        ),
    ]


def trivial_runs(place: Path) -> list[str]:
    """108 images of one trivial `run` each on busybox, beside `buildah build` of equal Containerfiles."""
    directory = sets.trivial(place / "trivial", 108)
    take([BUILDSYS, "plan", str(directory), "-o", str(place / "plan")])
    parents = {f"i{number}": sets.parent_of(number).replace("site", "") for number in range(108)}
    plain.containerfiles(parents, place / "containerfiles", sets.BUSYBOX, isolation="chroot")
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(_plan_run(place / "plan", base=True))
        theirs.append(_make(place / "containerfiles", base=True))
    return _comparison(
        "One trivial `run` an image, 108 images on busybox",
        ("the plan", ours),
        ("`buildah build` of equal Containerfiles under `make -j`", theirs),
        "1.0",
    )


def cost_of_a_step(place: Path) -> list[str]:
    """One trivial `run`, call by call; committed once and twice, where buildah can."""
    directory = sets.trivial(place / "trivial", 12)
    take([BUILDSYS, "plan", str(directory), "-o", str(place / "plan")])
    return step.measure(place / "plan", _busybox, place / "timed", ROUNDS, _buildah())


def growth_with_the_store(place: Path) -> list[str]:
    """The same step in a small and in a large store."""
    directory = sets.trivial(place / "trivial", 12)
    take([BUILDSYS, "plan", str(directory), "-o", str(place / "plan")])
    return growth.measure(place / "plan", _busybox)


def published(place: Path) -> list[str]:
    """The embedded set, sent to registries and into a layout."""
    build = [BUILDSYS, "build", "stable-pike", "--build-dir", str(place), "--jobs", str(JOBS)]
    publish = [BUILDSYS, "publish", "stable-pike", "--build-dir", str(place)]
    return publishing.measure(build, publish, place / "stable-pike", ROUNDS, ROOT)


def _resolved_pike(place: Path) -> tuple[Mapping[str, Image], Path]:
    from buildsys.recipe.library import load_set
    from buildsys.resolve import resolve
    from buildsys.standins import build_repository

    stand_ins = place / "standins/stable-pike"
    build_repository(ROOT / "recipes/stable-pike/standins/packages.yaml", stand_ins)
    library = load_set(ROOT / "recipes/stable-pike")
    return resolve(library, site="embedded", variables={}, stand_ins=stand_ins).images, stand_ins


def _plan_run(plan: Path, *, base: bool = False) -> Taken:
    for left in ("state", "results", "logs"):
        shutil.rmtree(plan / left, ignore_errors=True)
    with store() as environment:
        if base:
            _busybox(environment)
        return take(["make", "--no-print-directory", f"-j{JOBS}", "-C", str(plan)], environment=environment)


def _make(directory: Path, *, base: bool = False) -> Taken:
    for mark in directory.glob("*.done"):
        mark.unlink()
    with store() as environment:
        if base:
            _busybox(environment)
        return take(
            ["make", "--no-print-directory", f"-j{JOBS}", "-C", str(directory)], environment=environment
        )


def _busybox(environment: dict[str, str]) -> None:
    buildah = ["buildah", *environment["BS_STORE"].split()]
    with tempfile.TemporaryDirectory() as root:
        (Path(root) / "bin").mkdir()
        shutil.copy("/bin/busybox", Path(root) / "bin/busybox")
        for applet in ("sh", "cat", "touch"):
            (Path(root) / "bin" / applet).symlink_to("busybox")
        name = subprocess.run(
            [*buildah, "from", "scratch"], capture_output=True, text=True, check=True
        ).stdout.strip()
        subprocess.run([*buildah, "copy", "--quiet", name, root, "/"], check=True, capture_output=True)
        commit = [*buildah, "commit", "--quiet", "--format", "docker", "--rm", name, sets.BUSYBOX]
        subprocess.run(commit, check=True, capture_output=True)


def _comparison(
    title: str, one: tuple[str, list[Taken]], other: tuple[str, list[Taken]], asked: str = ""
) -> list[str]:
    ratios = [ours.seconds / theirs.seconds for ours, theirs in zip(one[1], other[1], strict=True)]
    rows = [
        f"| {what} | {statistics.median(taken.seconds for taken in runs):.1f} |"
        for what, runs in (one, other)
    ]
    pairs = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    return [
        f"## {title}",
        "",
        f"| built by | seconds (median of {ROUNDS}) |",
        "|---|---|",
        *rows,
        "",
        f"Ratio: **{statistics.median(ratios):.2f}** (pair by pair {pairs})."
        + (f" Asked: at most {asked}." if asked else ""),
        "",
    ]


if __name__ == "__main__":
    main()
