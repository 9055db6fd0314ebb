"""Verbs that write a plan, run it, or ask it what a run would do: plan, build, why."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

import click

from buildsys.cli.options import as_json, examples, takes_jobs, takes_plan, takes_selection, takes_set
from buildsys.cli.output import FAILED, Ended, put, put_row, say, warn_of_absent
from buildsys.cli.secrets import check_secrets, takes_secrets
from buildsys.cli.stores import takes_store
from buildsys.diagnostics import counted, plan_path
from buildsys.pipeline import Pipeline
from buildsys.selection import EVERY, Selection

if TYPE_CHECKING:
    from buildsys.image import ImageSet
    from buildsys.run.make import Decision, RunOptions


@click.command(
    epilog=examples("buildsys plan stable-pike", "buildsys plan stable-pike -o /srv/plan --set debug=true")
)
@takes_set
@takes_plan
@click.option("--check", "only_check", is_flag=True, help="Write nothing; exit 1 unless it is up to date.")
def plan(pipeline: Pipeline, directory: Path, *, only_check: bool) -> None:
    """Write the plan of an image set, for make to run.

    Only files that change are written. `make -C DIR` then builds the images, without buildsys.
    """
    prepared = pipeline.prepare()
    pipeline.check_epoch(prepared.library, prepared.image_set)
    compiled = pipeline.compile(prepared)
    warn_of_absent(EVERY, compiled.image_set)
    if not only_check:
        changed = pipeline.write(compiled, directory)
        images = counted(len(compiled.image_set.images), "image")
        say(f"{directory}: {images}, {counted(changed, 'file')} written")
        return
    from buildsys.plan.diff import differences

    found = differences(compiled.plan, directory)
    for difference, path in found:
        put(f"{difference}\t{path}")
    if found:
        raise Ended(FAILED, f"{directory} is not up to date: {counted(len(found), 'file')}")
    say(f"{directory} is up to date")


@click.command(
    epilog=examples(
        "buildsys build stable-pike",
        "buildsys build stable-pike nova-api 'neutron-*' -j 4",
        "buildsys build stable-pike --overlay acme.yaml --dry-run",
    )
)
@takes_set
@takes_selection(parents=None)
@takes_plan
@takes_store
@takes_jobs
@click.option(
    "-n", "--dry-run", is_flag=True, help="Build nothing: say which images a build would make, and why."
)
@click.option("--plain", is_flag=True, help="Print lines, as into a file, on a terminal too.")
@click.option("-q", "--quiet", is_flag=True, help="Print only what fails.")
@click.option("-v", "--verbose", is_flag=True, help="Say first why each image is built that is not fresh.")
@click.option("--force", is_flag=True, help="Build what is fresh too. Verifies the store first.")
@click.option(
    "--verify-store",
    is_flag=True,
    help="Read every layer first, and build again what is damaged in the store.",
)
@click.option(
    "--on",
    "engine",
    metavar="ENGINE",
    help="Build on other machines: slurm[=WORD=VALUE,...] or dask=tls://HOST:PORT. Needs BS_REGISTRY.",
)
@takes_secrets
def build(
    pipeline: Pipeline,
    selection: Selection,
    directory: Path,
    *,
    store: str,
    jobs: int | None,
    dry_run: bool,
    plain: bool,
    quiet: bool,
    verbose: bool,
    force: bool,
    verify_store: bool,
    engine: str | None,
    secrets: tuple[str, ...],
) -> int:
    """Build images that are stale, and what they are made from.

    IMAGE is a name, a glob in quotes ('neutron-*') or a profile (@compute); none: all of the set. The plan is
    written first, then runs by itself under make. A terminal shows the images in progress; elsewhere there is
    a line for each image that has ended.
    """
    from buildsys.cli.surroundings import enter_user_namespace, require_user_namespace
    from buildsys.run import make

    # Before the minute that a first plan may take.
    require_user_namespace()
    if force or verify_store:
        # Only the owner of the store's files can read them.
        enter_user_namespace()
    if dry_run:
        # A build makes the stale parents of what is asked for, too.
        selection = replace(selection, parents=True)
    image_set, goals = write_plan(pipeline, selection, directory, runs=not dry_run)
    check_secrets(secrets, image_set)
    if dry_run:
        _put_decisions(make.why(directory, goals, make.RunOptions(store, force=force)))
        return 0
    if verbose:
        for decision in _answered(make.why(directory, goals, make.RunOptions(store, force=force))):
            if decision.state != "fresh":
                say(f"{decision.image}: {decision.state}: {decision.reason}")
    # A rebuild with equal layers would reuse the damaged ones.
    damaged = _damaged(directory, store) if force or verify_store else None
    how = make.RunOptions(store, jobs, force, secrets, damaged=damaged, sources=sources_of(pipeline))
    if quiet:
        how = replace(how, show="failures")
    if engine is not None:
        from buildsys.cli.elsewhere import run_on

        draw = None if plain or quiet else drawn
        return run_on(engine, directory, goals, how, image_set, draw=draw)
    if quiet:
        make.run(directory, goals, how)
    status = None if plain else drawn(directory, goals, how)
    if status is None:
        make.run(directory, goals, how)
    return status


@click.command(
    epilog=examples("buildsys why stable-pike", "buildsys why stable-pike nova-api --parents --all")
)
@takes_set
@takes_selection(parents=False)
@takes_plan
@takes_store
@click.option("--all", "whole", is_flag=True, help="All changes, not only the first three of a kind.")
@as_json
def why(
    pipeline: Pipeline,
    selection: Selection,
    directory: Path,
    *,
    store: str,
    whole: bool,
    as_json: bool,
) -> None:
    """Say which images a build would make, and why.

    A line an image: name, decision, reason. A reason names every kind of thing that changed, packages first.
    IMAGE is a name, a glob in quotes ('neutron-*') or a profile (@compute); none: all of the set. Nothing is
    built. The decision is the build's own: both ask the plan, which is written first.
    """
    from buildsys.run import make

    _, goals = write_plan(pipeline, selection, directory)
    _put_decisions(make.why(directory, goals, make.RunOptions(store, whole=whole)), as_json=as_json)


def _put_decisions(decisions: Iterable[Decision], *, as_json: bool = False) -> None:
    """Print what a build would do, a line for each image."""
    found = _answered(decisions)
    if as_json:
        put(json.dumps([asdict(decision) for decision in found], indent=1))
        return
    for decision in found:
        put_row((decision.image, decision.state, decision.reason), widths=(30, 8, 0))


def _answered(decisions: Iterable[Decision]) -> Iterator[Decision]:
    """The same decisions.

    Raises:
        Ended: the program of the plan that decides fails; it has printed the reason.
    """
    from buildsys.programs import ToolFailed

    try:
        yield from decisions
    except ToolFailed as failed:
        raise Ended(failed.status) from failed


def write_plan(
    pipeline: Pipeline, selection: Selection, directory: Path, *, runs: bool = False
) -> tuple[ImageSet, tuple[str, ...]]:
    """Write a plan that is used at once.

    `runs`: images are built next, so the host must have what the packages need.

    Returns:
        The set, and the names of the selected images: none when all of the set is selected.
    """
    # Look for what every plan needs before anything is made; the plan itself names the rest.
    pipeline.require_tools()
    compiled = pipeline.compile()
    goals = selection.names(compiled.image_set) if selection.patterns else ()
    if runs:
        warn_of_absent(selection, compiled.image_set)
    pipeline.require_tools(compiled)
    if runs:
        pipeline.require_repositories(compiled.image_set)
    pipeline.write(compiled, directory)
    return compiled.image_set, goals


def drawn(directory: Path, goals: Sequence[str], how: RunOptions) -> int | None:
    """Run a plan and draw it on the terminal: its exit status; None: there is no terminal to draw on."""
    if not sys.stdout.isatty():
        return None
    from buildsys.cli.screen import Screen, is_usable
    from buildsys.run import foreground

    if not is_usable():
        return None
    run = token_hex(8)
    return foreground.run(directory, goals, how, Screen(directory, run), run)


def sources_of(pipeline: Pipeline) -> Path:
    """The folder at which paths of recipes in plans begin."""
    folder, path = str(pipeline.directory.absolute()), f"/{plan_path(str(pipeline.directory))}"
    return Path(folder.removesuffix(path) or "/") if folder.endswith(path) else Path.cwd()


def _damaged(directory: Path, options: str) -> Path | None:
    """The layers of buildsys's images that are damaged in the store, as a file for the run; None: none is."""
    from buildsys import storage
    from buildsys.inspect_image.soundness import KEYS, damaged

    store = storage.store(options)
    if store is None:
        return None
    alone = not any(".imagestore=" in option for option in store.options)
    found = list(damaged(Path(store.location), store.driver, read=True, named=KEYS, alone=alone))
    if not found:
        return None
    path = directory / "state/unsound"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{item.layer} {item.why}\n" for item in found), "utf-8")
    return path
