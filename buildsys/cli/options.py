"""Arguments and options that several verbs share: the set, its lock and plan, a selection of its images."""

from __future__ import annotations

import functools
import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from buildsys import disk, search_path
from buildsys.cli.completion import image_names, set_names, site_names
from buildsys.cli.defaults import Configured, placed_site
from buildsys.cli.output import REFUSED, Ended, say
from buildsys.cli.stores import chosen_store
from buildsys.pipeline import Pipeline
from buildsys.selection import Selection
from buildsys.settings import settings

Verb = Callable[..., Any]
Decorator = Callable[[Verb], Verb]

RECIPES = search_path.HERE
"""The folder of sets below the working directory: new sets are written there."""


def examples(*commands: str) -> str:
    """The end of a verb's help: commands that a person can copy. A test parses each."""
    return "\n".join(["\b", "Examples:", *(f"  {command}" for command in commands)])


as_json = click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")

takes_jobs = click.option(
    "-j", "--jobs", metavar="N", type=click.IntRange(min=1),
    cls=Configured, envvar="BS_JOBS", show_envvar=True, help="Images at once; else what suits this host.",
)  # fmt: skip

takes_build_directory = click.option(
    "--build-dir", "build_directory", metavar="DIR", type=click.Path(path_type=Path), default="build",
    cls=Configured, envvar="BS_BUILD_DIR", show_envvar=True, show_default=True,
    help="Where everything that is made goes.",
)  # fmt: skip

takes_plan_directory = click.option(
    "-o", "--output", "directory", metavar="DIR", type=click.Path(path_type=Path),
    help="The plan's directory; else SET below the build directory.",
)  # fmt: skip

takes_lock_file = click.option(
    "--lock", "lock_file", metavar="FILE", type=click.Path(path_type=Path),
    help="The lock; else SET/locks/SITE.yaml where there is one.",
)  # fmt: skip

takes_pool = click.option(
    "--pool", metavar="DIR", type=click.Path(path_type=Path), envvar="BS_POOL", show_envvar=True,
    help="Where locked packages are kept; else pool/ below the build directory.",
)  # fmt: skip

takes_site = click.option(
    "--site", metavar="SITE", cls=Configured, envvar="BS_SITE", show_envvar=True, shell_complete=site_names,
    help="Where packages and base images come from.",
)  # fmt: skip

takes_platform = click.option(
    "--platform", metavar="OS/ARCH", envvar="BS_PLATFORM", show_envvar=True,
    help="One of the set's platforms; else its first.",
)  # fmt: skip

takes_recipes = click.option(
    "--recipes", metavar="DIR", multiple=True, type=click.Path(path_type=Path),
    help="A folder of sets, searched before all others. Repeatable.",
)  # fmt: skip


def takes_set(verb: Verb) -> Verb:
    """Give a verb the argument SET and the options that go with it, as one `pipeline`."""

    @click.argument("name_of_set", metavar="SET", shell_complete=set_names)
    @takes_recipes
    @takes_site
    @click.option(
        "--overlay",
        "overlays",
        metavar="FILE",
        multiple=True,
        type=click.Path(path_type=Path),
        help="Changes merged over the recipes. Several apply in their order.",
    )
    @click.option(
        "--set",
        "--variable",
        "variables",
        metavar="NAME=VALUE",
        multiple=True,
        callback=named_values,
        help="Another value for a variable of the set.",
    )
    @takes_platform
    @functools.wraps(verb)
    def taking(
        name_of_set: str,
        recipes: tuple[Path, ...],
        site: str | None,
        overlays: tuple[Path, ...],
        variables: dict[str, str],
        *,
        platform: str | None,
        **others: Any,
    ) -> Any:
        pipeline = replace(
            pipeline_of(name_of_set, recipes),
            site=site,
            overlays=overlays,
            variables=variables,
            platform=platform or "",
            progress=say,
        )
        with placed_site(site):
            return verb(pipeline=pipeline, **others)

    return taking


def takes_locking(verb: Verb) -> Verb:
    """Let a verb's `pipeline` know the options about locks."""

    @takes_lock_file
    @click.option(
        "--unlocked", is_flag=True, help="Take what the repositories hold now, whatever a lock says."
    )
    @takes_pool
    @functools.wraps(verb)
    def taking(
        pipeline: Pipeline, lock_file: Path | None, pool: Path | None, *, unlocked: bool, **others: Any
    ) -> Any:
        if pool is not None:
            disk.writes(pool)
        store = others["store"] if "store" in others else chosen_store()
        pipeline = replace(pipeline, lock_file=lock_file, unlocked=unlocked, pool=pool, store=store)
        return verb(pipeline=pipeline, **others)

    return taking


def takes_plan(verb: Verb) -> Verb:
    """Give a verb the plan's `directory`; let its `pipeline` know where it is made, and by which lock."""

    @takes_locking
    @takes_plan_directory
    @takes_build_directory
    @functools.wraps(verb)
    def taking(pipeline: Pipeline, directory: Path | None, build_directory: Path, **others: Any) -> Any:
        directory = directory or build_directory / pipeline.folder
        disk.writes(build_directory, directory)
        pipeline = replace(pipeline, build_directory=build_directory)
        return verb(pipeline=pipeline, directory=directory, **others)

    return taking


def takes_selection(*, parents: bool | None) -> Decorator:
    """Give a verb patterns of images and what goes with them, as one `selection`.

    `parents`: whether the images that these are made from belong to it by default; None: there is no option.
    """
    with_parents: Decorator = click.option(
        "--parents/--no-parents",
        "parents",
        default=parents,
        show_default=True,
        help="With the images that these are made from, or without.",
    )

    if parents is None:
        with_parents = _nothing

    def decorate(verb: Verb) -> Verb:
        @click.argument("patterns", metavar="[IMAGE]...", nargs=-1, shell_complete=image_names)
        @click.option(
            "--only",
            metavar="IMAGES",
            multiple=True,
            help="The same as IMAGE, several in one text: --only \"nova-api 'neutron-*'\".",
        )
        @with_parents
        @click.option("--children", is_flag=True, help="With the images that are made from these.")
        @functools.wraps(verb)
        def taking(
            patterns: tuple[str, ...],
            only: tuple[str, ...],
            *,
            children: bool,
            parents: bool = False,
            **others: Any,
        ) -> Any:
            return verb(selection=Selection(words((*patterns, *only)), parents, children), **others)

        return taking

    return decorate


def _nothing(verb: Verb) -> Verb:
    return verb


def words(texts: Sequence[str]) -> tuple[str, ...]:
    """Split texts into words as a shell does: make passes several names in one text."""
    try:
        return tuple(word for text in texts for word in shlex.split(text))
    except ValueError as error:
        raise Ended(REFUSED, f"unbalanced quotes in: {' '.join(texts)}") from error


def pipeline_of(name: str, recipes: Sequence[Path] = ()) -> Pipeline:
    """The pipeline of SET: the path of a folder, or a name that the search path of sets has.

    Raises:
        Refused: no folder of the search path has a set of that name.
    """
    if "/" in name or name in {".", ".."}:
        return Pipeline(Path(name))
    directory = search_path.find(name, searched(recipes))
    return Pipeline(directory, path_in_plans=search_path.path_in_plans(name))


def searched(recipes: Sequence[Path] = ()) -> list[search_path.Folder]:
    """The search path of sets; `recipes` are the folders of the command line."""
    setting = settings(os.environ).get("recipes")
    places = setting.value if setting else ()
    reason = f"{setting.spot.file}:{setting.spot.line}" if setting else ""
    configured = [search_path.Folder(Path(place), reason) for place in places]
    return search_path.search_path(recipes, os.environ, configured)


def named_values(
    ctx: click.Context,  # noqa: ARG001 - click's signature
    parameter: click.Parameter,  # noqa: ARG001
    texts: tuple[str, ...],
) -> dict[str, str]:
    """Values by name, of an option that takes NAME=VALUE several times."""
    variables = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"'{text}' is not of the form NAME=VALUE")
        variables[name] = value
    return variables
