"""Verbs that write a plan, run it, or ask it what a run would do: plan, build, why."""

from __future__ import annotations

import functools
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from buildsys import disk
from buildsys.cli.counting import counted
from buildsys.cli.ending import FAILED, REFUSED, Ended, say
from buildsys.cli.locks import Locking, takes_locking
from buildsys.cli.options import EVERY, Choice, Selection, Verb, takes_selection, takes_set
from buildsys.cli.output import put, put_row
from buildsys.cli.secrets import check_secrets, named_files
from buildsys.cli.stores import chosen_store, takes_store, unbuildable

if TYPE_CHECKING:
    from buildsys.image import ImageSet
    from buildsys.plan.compile import Plan


def takes_plan(verb: Verb) -> Verb:
    """Give a verb the options that say where plans and stand-ins are written, and what locks them."""

    @takes_locking
    @click.option(
        "-o", "--output", "directory", metavar="DIR", type=click.Path(path_type=Path),
        help="The plan's directory; else SET below the build directory.",
    )  # fmt: skip
    @click.option(
        "--build-dir", "build_directory", metavar="DIR", type=click.Path(path_type=Path), default="build",
        show_default=True, help="Where everything that is made goes.",
    )  # fmt: skip
    @functools.wraps(verb)
    def taking(choice: Choice, directory: Path | None, build_directory: Path, **others: Any) -> Any:
        directory = directory or build_directory / choice.name
        disk.writes(build_directory, directory)
        return verb(choice=choice, directory=directory, build_directory=build_directory, **others)

    return taking


@click.command()
@takes_set
@takes_plan
@click.option("--check", "only_check", is_flag=True, help="Write nothing; exit 1 unless it is up to date.")
def plan(
    choice: Choice, locking: Locking, directory: Path, build_directory: Path, *, only_check: bool
) -> None:
    """Write the plan of an image set, for make to run.

    Only files that change are written. `make -C DIR` then builds the images, without buildsys.
    """
    chosen_store()  # whoever writes a plan learns now that it cannot be built there
    choice.check_epoch(choice.load(), choice.look())
    image_set, compiled = _compile(choice, locking, directory, build_directory)
    EVERY.tell_absent(image_set)
    if not only_check:
        changed = _write(compiled, directory)
        say(f"{directory}: {counted(len(image_set.images), 'image')}, {counted(changed, 'file')} written")
        return
    from buildsys.plan.diff import differences

    found = differences(compiled, directory)
    for difference, path in found:
        put(f"{difference}\t{path}")
    if found:
        raise Ended(FAILED, f"{directory} is not up to date: {counted(len(found), 'file')}")
    say(f"{directory} is up to date")


@click.command()
@takes_set
@takes_selection(parents=None)
@takes_plan
@takes_store
@click.option(
    "-j", "--jobs", metavar="N", type=click.IntRange(min=1), help="Images at once; else what suits this host."
)
@click.option("--force", is_flag=True, help="Build what is fresh too. Verifies the store first.")
@click.option(
    "--verify-store",
    is_flag=True,
    help="Read every layer first, and build again what is damaged in the store.",
)
@click.option(
    "--secret", "secrets", metavar="NAME=FILE", multiple=True,
    callback=lambda _context, _parameter, value: named_files(value),
    help="A file for what a Containerfile mounts as a secret; several times.",
)  # fmt: skip
def build(
    choice: Choice,
    selection: Selection,
    locking: Locking,
    directory: Path,
    build_directory: Path,
    *,
    store: str,
    jobs: int | None,
    force: bool,
    verify_store: bool,
    secrets: tuple[str, ...],
) -> None:
    """Build images that are stale, and what they are made from.

    IMAGE is a name, a glob in quotes ('neutron-*') or a profile (@compute); none: all of the set. The plan is
    written first, then runs by itself under make.
    """
    from buildsys.run import make

    if force or verify_store:
        from buildsys.cli.test import enter_user_namespace

        # Who does not own the store's files cannot read them.
        enter_user_namespace()
    image_set, goals = planned(choice, selection, locking, directory, build_directory, runs=True)
    check_secrets(secrets, image_set)
    # What is built again to equal layers would find the damaged ones there.
    damaged = _damaged(directory, store) if force or verify_store else None
    make.run(directory, goals, make.Run(store, jobs, force, secrets, damaged=damaged))


@click.command()
@takes_set
@takes_selection(parents=False)
@takes_plan
@takes_store
@click.option("--all", "whole", is_flag=True, help="All that changed, not only the first three of a kind.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
def why(
    choice: Choice,
    selection: Selection,
    locking: Locking,
    directory: Path,
    build_directory: Path,
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
    from buildsys.programs import ToolFailed
    from buildsys.run import make

    _, goals = planned(choice, selection, locking, directory, build_directory)
    decisions = make.why(directory, goals, make.Run(store, whole=whole))
    try:
        if as_json:
            put(json.dumps([asdict(decision) for decision in decisions], indent=1))
        else:
            for decision in decisions:
                put_row((decision.image, decision.state, decision.reason), widths=(30, 8, 0))
    except ToolFailed as failed:
        raise Ended(failed.status) from failed


def planned(
    choice: Choice,
    selection: Selection,
    locking: Locking,
    directory: Path,
    build_directory: Path,
    *,
    runs: bool = False,
) -> tuple[ImageSet, tuple[str, ...]]:
    """Write a plan that is used at once; the set, and the goals: none when all images are meant."""
    from buildsys.lock.host_repositories import require_host_repositories
    from buildsys.packages import manager_of
    from buildsys.plan.compile import TOOLS
    from buildsys.programs import require

    notebook = build_directory / "tools.json"
    # What every plan needs is looked for before anything is made; what this one needs, it says itself.
    require(TOOLS, notebook)
    image_set, compiled = _compile(choice, locking, directory, build_directory)
    goals = selection.names(image_set) if selection.patterns else ()
    if runs:
        selection.tell_absent(image_set)
    require(json.loads(compiled.texts["plan.json"])["tools"], notebook)
    if runs and image_set.site.host_repositories and not image_set.site.locked:
        require_host_repositories(manager_of(image_set.site))
    _write(compiled, directory)
    return image_set, goals


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


def _compile(
    choice: Choice, locking: Locking, directory: Path, build_directory: Path
) -> tuple[ImageSet, Plan]:
    from buildsys.plan.compile import compile_plan

    image_set = choice.ready(build_directory, locking)
    if wrong := unbuildable(str(directory.absolute())):
        raise Ended(REFUSED, wrong)
    return image_set, compile_plan(image_set)


def _write(compiled: Plan, directory: Path) -> int:
    from buildsys.plan.write import write_plan
    from buildsys.run.lock import turn

    return write_plan(compiled, directory, lambda: turn(directory, "writing the plan", say))
