"""What verbs about an image set take: the set, its site, overlays, variables; a selection of its images."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from buildsys.cli.ending import FAILED, MISSING, REFUSED, Ended, say
from buildsys.diagnostics import Code

if TYPE_CHECKING:
    from buildsys.cli.locks import Locking
    from buildsys.diagnostics import Diagnostic
    from buildsys.image import ImageSet
    from buildsys.recipe.library import Library

Verb = Callable[..., Any]
Decorator = Callable[[Verb], Verb]

RECIPES = Path("recipes")
"""Where a set that is given by its name lies, below the working directory."""


@dataclass(frozen=True, slots=True)
class Choice:
    """An image set as a person asks for it."""

    directory: Path
    site: str | None
    overlays: tuple[Path, ...]
    variables: dict[str, str]

    @property
    def name(self) -> str:
        """The set's name, which is its folder's."""
        return self.directory.absolute().name

    def load(self) -> Library:
        """The set as it was written.

        Raises:
            Refused: mistakes in its files.
        """
        from buildsys.recipe.library import load_set

        return load_set(self.directory, self.overlays)

    def look(self, library: Library | None = None) -> ImageSet:
        """The set resolved, to be looked at: stand-in packages are not made for it.

        Raises:
            Refused: mistakes in its files, or in what was asked for.
        """
        return self._resolve(library or self.load(), None)

    def ready(self, build_directory: Path, locking: Locking) -> ImageSet:
        """The set resolved and locked, to be compiled.

        Raises:
            Refused: mistakes in its files, or in what was asked for; its lock cannot be used.
            Ended: the stand-ins cannot be made.
        """
        image_set, kept = self.made(build_directory)
        return locking.applied(image_set, build_directory, kept)

    def made(self, build_directory: Path) -> tuple[ImageSet, Path | None]:
        """The set resolved; stand-in packages are made first, where the site wants them.

        What the site cannot build is left out. The path is where the lock of a repository made here lies.

        Raises:
            Refused: mistakes in its files, or in what was asked for.
            Ended: the stand-ins cannot be made.
        """
        from buildsys.lock.requests import buildable
        from buildsys.resolve.site import choose
        from buildsys.standins.repository import LOCK

        library = self.load()
        data_file = choose(library, self.site).written.data.get("stand-ins")
        if data_file is None:
            return buildable(self._resolve(library, None)), None
        # Mistakes in recipes are told at once, not after the stand-ins are made.
        output = build_directory / "standins" / self.name
        if not output.is_dir():
            self._resolve(library, None)
        _make_stand_ins(self.directory / data_file, output)
        return buildable(self._resolve(library, output)), output / LOCK

    def check_epoch(self, library: Library, image_set: ImageSet) -> None:
        """See that the set's epoch is past: what a step writes is known by being newer.

        The clock has no part in a resolved set or a plan; so the verbs ask it, not who resolves.

        Raises:
            Refused: it is later than the clock of this machine (`late-epoch`).
        """
        import time
        from datetime import UTC, datetime

        from buildsys.diagnostics import Diagnostic, Refused

        now = int(time.time())
        if image_set.epoch <= now:
            return
        site = library.sites[image_set.site.name].written
        written = site if "epoch" in site.data else library.written
        late, clock = (datetime.fromtimestamp(seconds, UTC) for seconds in (image_set.epoch, now))
        message = f"the epoch is {late:%Y-%m-%d %H:%M}, the clock of this machine says {clock:%Y-%m-%d %H:%M}"
        hint = "write a time that is past, or set the clock"
        raise Refused([Diagnostic(written.spot("epoch"), Code.LATE_EPOCH, message, hint)])

    def _resolve(self, library: Library, stand_ins: Path | None) -> ImageSet:
        from buildsys.logins import offer
        from buildsys.resolve import resolve

        image_set = resolve(library, site=self.site, variables=self.variables, stand_ins=stand_ins)
        offer(image_set.logins())
        return image_set


def _make_stand_ins(data_file: Path, output: Path) -> None:
    from buildsys.standins import build_repository
    from buildsys.standins.tools import MissingTool, StandinError

    try:
        build_repository(data_file, output)
    except StandinError as error:
        raise Ended(MISSING if isinstance(error, MissingTool) else FAILED, str(error)) from error


@dataclass(frozen=True, slots=True)
class Selection:
    """Some images of a set; none named: all of them."""

    patterns: tuple[str, ...]
    parents: bool
    children: bool

    def names(self, image_set: ImageSet) -> tuple[str, ...]:
        """The images it means, each after what it is made from.

        Raises:
            Refused: a pattern means no image, or none that the site can build.
        """
        from buildsys.diagnostics import Refused
        from buildsys.graph import ImageGraph

        lost = [*self._lost(image_set)]
        if lost:
            raise Refused(lost)
        graph = ImageGraph(image_set.images, image_set.profiles)
        return graph.select(self.patterns, parents=self.parents, children=self.children)

    def absent(self, image_set: ImageSet) -> tuple[Diagnostic, ...]:
        """Why images that it means are left out of the set, a reason once."""
        names = {name for pattern in self.patterns or ("*",) for name in _absent(image_set, pattern)}
        return tuple(dict.fromkeys(image_set.absent[name].why for name in sorted(names)))

    def tell_absent(self, image_set: ImageSet) -> None:
        """Say what the site cannot build of it, before anything is built."""
        absent = self.absent(image_set)
        for why in absent:
            say(f"{why.text('warning')}\n")
        if absent:
            every = {*image_set.images, *image_set.absent}
            can = len(every) - len(image_set.absent)
            say(f"{image_set.name}: the site {image_set.site.name} can build {can} of {len(every)} images")

    def _lost(self, image_set: ImageSet) -> Iterator[Diagnostic]:
        from buildsys.resolve.profiles import matches

        for pattern in self.patterns:
            of_profile = image_set.profiles.get(pattern[1:]) if pattern.startswith("@") else None
            if not (of_profile or matches(pattern, image_set.images)):
                yield from (image_set.absent[name].why for name in _absent(image_set, pattern))


EVERY = Selection((), parents=False, children=False)
"""All images."""


def _absent(image_set: ImageSet, pattern: str) -> list[str]:
    """The images a pattern means that are left out of the set."""
    from buildsys.resolve.profiles import matches

    if pattern.startswith("@"):
        return [name for name, item in image_set.absent.items() if pattern[1:] in item.profiles]
    return matches(pattern, image_set.absent)


# ── arguments and options ───────────────────────────────────────────────────────────────────────────────────


def takes_set(verb: Verb) -> Verb:
    """Give a verb the argument SET and the options that go with it, as one `choice`."""

    @click.argument("choice", metavar="SET", callback=_directory)
    @click.option("--site", metavar="SITE", help="Where packages and base images come from.")
    @click.option(
        "--overlay",
        "overlays",
        metavar="FILE",
        multiple=True,
        type=click.Path(path_type=Path),
        help="Changes merged over the recipes. Several apply in their order.",
    )
    @click.option(
        "--variable",
        "variables",
        metavar="NAME=VALUE",
        multiple=True,
        callback=named_values,
        help="Another value for a variable of the set.",
    )
    @functools.wraps(verb)
    def taking(
        choice: Path, site: str | None, overlays: tuple[Path, ...], variables: dict[str, str], **others: Any
    ) -> Any:
        return verb(choice=Choice(choice, site, overlays, variables), **others)

    return taking


def takes_selection(*, parents: bool | None) -> Decorator:
    """Give a verb patterns of images and what goes with them, as one `selection`.

    `parents`: whether what images are made from belongs to it unless asked otherwise; None: nobody is asked.
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
        @click.argument("patterns", metavar="[IMAGE]...", nargs=-1)
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
    """Texts of one or more words as a shell would read them: make hands several on in one."""
    try:
        return tuple(word for text in texts for word in shlex.split(text))
    except ValueError as error:
        raise Ended(REFUSED, f"a quotation mark has no partner in: {' '.join(texts)}") from error


def given_directory(text: str) -> Path:
    """The folder that a SET stands for: its path, or a name below ./recipes."""
    return Path(text) if "/" in text or text in {".", ".."} else RECIPES / text


def _directory(ctx: click.Context, parameter: click.Parameter, text: str) -> Path:  # noqa: ARG001 - click's signature
    return given_directory(text)


def named_values(
    ctx: click.Context,  # noqa: ARG001 - click's signature
    parameter: click.Parameter,  # noqa: ARG001
    texts: tuple[str, ...],
) -> dict[str, str]:
    """Values by name, of an option that is said NAME=VALUE."""
    variables = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"'{text}' is not of the form NAME=VALUE")
        variables[name] = value
    return variables
