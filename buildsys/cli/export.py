"""The verb that writes other systems' formats: export."""

from __future__ import annotations

import functools
import json
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from buildsys.cli.options import (
    Verb,
    examples,
    takes_build_directory,
    takes_locking,
    takes_selection,
    takes_set,
)
from buildsys.cli.output import FAILED, REFUSED, Ended, put_table, say, warn_of_absent
from buildsys.cli.stores import takes_store
from buildsys.diagnostics import counted
from buildsys.exporters import FORMATS, Format
from buildsys.pipeline import Pipeline
from buildsys.selection import Selection

if TYPE_CHECKING:
    from buildsys.exporters.request import CarriedPlan, Data, Naming, Request
    from buildsys.image import ImageSet
    from buildsys.pipeline import Compiled


def _list_formats(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:  # noqa: ARG001, FBT001 - click's signature
    if value:
        rows = ((name, item.about, _options(item.options)) for name, item in FORMATS.items())
        put_table(("FORMAT", "WHAT", "OPTIONS OF ITS OWN"), rows)
        ctx.exit()


def _options(names: tuple[str, ...]) -> str:
    return " ".join(f"--{name.replace('_', '-')}" for name in names)


OWN = tuple(dict.fromkeys(name for item in FORMATS.values() for name in item.options))
"""Options that not every format has."""


def takes_naming(verb: Verb) -> Verb:
    """Give a verb the options that say what references become elsewhere, as one `naming`."""

    @click.option("--registry", metavar="HOST", help="Another registry than the set's.")
    @click.option("--namespace", metavar="NAME", help="Another namespace, or REGISTRY/NAMESPACE.")
    @click.option("--prefix", metavar="TEXT", help="Another prefix of names.")
    @click.option("--suffix", metavar="TEXT", default="", help="What follows names.")
    @click.option("--tag", metavar="TAG", help="Another tag.")
    @functools.wraps(verb)
    def taking(
        registry: str | None, namespace: str | None, prefix: str | None, suffix: str, tag: str | None,
        **others: Any,
    ) -> Any:  # fmt: skip
        from buildsys.exporters.request import Naming

        if namespace is not None and registry is None and _begins_with_a_host(namespace):
            registry, _, namespace = namespace.partition("/")
        naming = Naming(registry=registry, namespace=namespace, prefix=prefix, suffix=suffix, tag=tag)
        return verb(naming=naming, **others)

    return taking


def _begins_with_a_host(namespace: str) -> bool:
    host, slash, _ = namespace.partition("/")
    return bool(slash) and (host == "localhost" or bool(set(host) & set(".:")))


def takes_options(verb: Verb) -> Verb:
    """Give a verb the options of single formats; one argument `options` holds those given."""

    @click.option(
        "--packages", type=click.Choice(["named", "carried"]),
        help="Locked packages: by name, or as files in the contexts.",
    )  # fmt: skip
    @click.option("--git", is_flag=True, default=None, help="Make each image's folder a git repository.")
    @click.option("--git-url", metavar="URL", help="Where the tree is pushed to.")
    @click.option("--git-branch", metavar="NAME", help="Its branch; else master.")
    @click.option("--notify-email", metavar="ADDRESS", help="Address for failure reports.")
    @click.option("--services", metavar="NAMES", multiple=True, help="Only what these services take.")
    @click.option(
        "--neutron-driver", metavar="NAME", help="The network's driver: no image that is only for others."
    )
    @click.option("--insecure", metavar="HOST", multiple=True, help="A registry without TLS.")
    @click.option(
        "--push-destination", metavar="HOST", help="The registry that the images are pushed to first."
    )
    @click.option(
        "--archive", type=click.Choice(["docker", "oci"]),
        help="Format of the archive in the RPM package; else the set's format.",
    )  # fmt: skip
    @click.option(
        "--license", metavar="TEXT", help="Licence of the RPM package; else from labels of the images."
    )
    @click.option(
        "--package-version",
        metavar="TEXT",
        help="Version of the RPM package; else the day of the set's epoch.",
    )
    @click.option(
        "--runners", metavar="N", type=click.IntRange(min=1),
        help="Runners that build at once: groups of images; else 4.",
    )  # fmt: skip
    @click.option("--since", metavar="FILE", type=click.Path(path_type=Path), help="An earlier images.json.")
    @functools.wraps(verb)
    def taking(**given: Any) -> Any:
        own = {name: given.pop(name) for name in OWN}
        own["services"] = tuple(name for text in own["services"] for name in text.replace(",", " ").split())
        return verb(options={name: value for name, value in own.items() if value}, **given)

    return taking


@click.command(
    epilog=examples(
        "buildsys export --list", "buildsys export containerfiles stable-pike -o /srv/containerfiles"
    )
)
@click.option(
    "--list", is_flag=True, is_eager=True, expose_value=False, callback=_list_formats,
    help="List the formats and exit.",
)  # fmt: skip
@click.argument("form", metavar="FORMAT", type=click.Choice(list(FORMATS)))
@takes_set
@takes_selection(parents=None)
@click.option(
    "-o", "--output", "directory", metavar="DIR", required=True, type=click.Path(path_type=Path),
    help="Where to write: an empty directory, or an earlier export.",
)  # fmt: skip
@takes_naming
@click.option("--at", metavar="DEST", help="As it was published there last: references with digests.")
@click.option(
    "--by-tag",
    is_flag=True,
    help="With --at: references with the last tag of each image, not with digests.",
)
@click.option(
    "--digests", metavar="FILE", type=click.Path(path_type=Path),
    help="Digests as JSON, by image: references are pinned.",
)  # fmt: skip
@takes_options
@takes_locking
@takes_build_directory
@takes_store
def export(
    *,
    form: str,
    pipeline: Pipeline,
    selection: Selection,
    directory: Path,
    naming: Naming,
    at: str | None,
    by_tag: bool,
    digests: Path | None,
    options: dict[str, Any],
    build_directory: Path,
    store: str,
) -> None:
    """Write what another system takes: Containerfiles, environment files, lists.

    `--list` names the formats, and the options that only some have. IMAGE is a name, a glob in quotes
    ('neutron-*') or a profile (@compute); none: all of the set. Nothing is built.
    """
    from buildsys.exporters.inputs import read_digests, read_images
    from buildsys.exporters.request import Data, Request
    from buildsys.exporters.write import write_export

    pipeline = replace(pipeline, build_directory=build_directory)
    kind = FORMATS[form]
    _require_own(form, kind, options)
    compiled: Compiled | None = None
    if kind.plan or kind.plan_names:
        _refuse_names(form, naming, at, digests)
    if kind.plan:
        compiled = _compiled(pipeline)
        image_set = compiled.image_set
    elif kind.tree or kind.packages:
        image_set = pipeline.locked(pipeline.prepare())
    else:
        from buildsys.lock.requests import buildable

        image_set = buildable(pipeline.resolve())
    # Who takes images by their names need not take what they were made from.
    names = replace(selection, parents=kind.tree).names(image_set)
    since = options.get("since")
    known: dict[str, str] = {}
    tags: dict[str, tuple[str, ...]] = {}
    if at is not None:
        naming, known, tags = _published(at, naming, build_directory / pipeline.name)
    elif by_tag:
        raise Ended(REFUSED, "--by-tag needs --at, which names the place that has the tags")
    pinned = {} if by_tag else known
    request = Request(
        set=image_set,
        names=names,
        naming=naming,
        digests=pinned | (read_digests(digests, image_set) if digests else {}),
        tags=tags,
        data=_data(pipeline.directory, form) if kind.data else Data(""),
        previous=read_images(since) if since else None,
        options=options,
    )
    with ExitStack() as stack:
        if kind.tree:
            request = replace(request, roots=_roots(request, build_directory, store, stack))
        if compiled is not None:
            request = replace(request, plan=_pack(compiled, build_directory, stack))
        made = kind.export(request)
        changed = write_export(made, form, directory)
    warn_of_absent(selection, image_set)
    for note in made.notes:
        say(f"note: {note}")
    loose = [name for name in names if name not in known and name not in request.digests]
    if at is not None and loose:
        say(f"note: by their tags, for nothing is known of them at {at}: {', '.join(loose)}")
    images = f"{counted(len(names), 'image')}, " if kind.tree else ""
    say(f"{directory}: {images}{counted(changed, 'file')} written")
    if options.get("git"):
        _commit(request, directory)


def _require_own(form: str, kind: Format, options: dict[str, Any]) -> None:
    for name in options:
        if name not in kind.options:
            whose = ", ".join(other for other, item in FORMATS.items() if name in item.options)
            raise Ended(REFUSED, f"--{name.replace('_', '-')} is an option of {whose}, not of {form}")


def _refuse_names(form: str, naming: Naming, at: str | None, digests: Path | None) -> None:
    """Refuse other references than those of the plan."""
    from buildsys.exporters.request import Naming

    if naming != Naming() or at is not None or digests is not None:
        others = "--registry, --namespace, --prefix, --suffix, --tag, --at and --digests"
        raise Ended(
            REFUSED, f"{form} carries the plan, which names the images: {others} are for other formats"
        )


def _compiled(pipeline: Pipeline) -> Compiled:
    """The set with its plan."""
    prepared = pipeline.prepare()
    pipeline.check_epoch(prepared.library, prepared.image_set)
    return pipeline.compile(prepared)


def _pack(compiled: Compiled, build_directory: Path, stack: ExitStack) -> CarriedPlan:
    """The plan as a file that the export carries."""
    from tempfile import TemporaryDirectory

    from buildsys.exporters.request import CarriedPlan
    from buildsys.plan.pack import pack_plan
    from buildsys.plan.read import lock_hash

    build_directory.mkdir(parents=True, exist_ok=True)
    folder = stack.enter_context(TemporaryDirectory(prefix="export-", dir=build_directory))
    place = Path(folder, "plan.tar.gz")
    image_set = compiled.image_set
    pack_plan(compiled.plan, f"{image_set.name}-plan", image_set.epoch, place)
    texts = compiled.plan.texts
    tools = json.loads(texts["plan.json"])["tools"]
    keys = ((name, texts[f"keys/{name}"].splitlines()) for name in image_set.images)
    return CarriedPlan(place, tuple(tools), lock_hash(keys))


def _published(
    text: str, naming: Naming, plan: Path
) -> tuple[Naming, dict[str, str], dict[str, tuple[str, ...]]]:
    """Names, digests and tags of what a plan's images were published as."""
    from buildsys.publish.destination import destination
    from buildsys.publish.journal import digests, tags

    place = destination(text)
    found = digests(plan, str(place)) if place.transport == "docker" else {}
    if not found:
        raise Ended(REFUSED, f"{plan}: nothing was published to the registry {place}")
    namespace = place.namespace if naming.namespace is None and place.namespace else naming.namespace
    naming = replace(naming, registry=naming.registry or place.host, namespace=namespace)
    return naming, found, tags(plan, str(place))


def _data(directory: Path, form: str) -> Data:
    """What the set says of this format's consumer."""
    from buildsys.diagnostics import Spot
    from buildsys.exporters.request import Data
    from buildsys.recipe import document

    path = directory / "exports" / f"{form}.yaml"
    if not path.exists():
        return Data(str(path))
    written = document.read(path)

    def at(*keys: str) -> Spot:
        return written.key_spot(*keys) if keys else written.spot()

    return Data(str(path), written.data, at)


def _roots(request: Request, build_directory: Path, store: str, stack: ExitStack) -> dict[str, Path]:
    """Archives of the images that begin with nothing, as they were built: out of the container store."""
    from tempfile import TemporaryDirectory

    from buildsys.exporters.containerfiles.root import write_root
    from buildsys.inspect_image.stored_image import opened

    images = [image for image in request.images if image.filled]
    if not images:
        return {}
    build_directory.mkdir(parents=True, exist_ok=True)
    place = Path(stack.enter_context(TemporaryDirectory(prefix="export-", dir=build_directory)))
    found = {}
    with opened([str(image.reference) for image in images], store) as built:
        for image, there in zip(images, built, strict=True):
            found[image.name] = place / f"{image.name}.tar.gz"
            write_root(there, found[image.name])
            say(f"{image.name}: root.tar.gz is that of {image.reference}, built as {there.id[:12]}")
    return found


def _commit(request: Request, directory: Path) -> None:
    from buildsys import programs

    image_set: ImageSet = request.set
    count = 0
    for name in request.names:
        message = f"{name} of {image_set.name}, exported by buildsys"
        try:
            folder = directory / "images" / name
            count += programs.commit_folder(folder, message, "buildsys <buildsys@localhost>", image_set.epoch)
        except programs.ToolFailed as failed:
            raise Ended(FAILED, f"{name}: git: {failed}") from failed
    say(f"{directory}/images: {counted(count, 'new commit')}")
