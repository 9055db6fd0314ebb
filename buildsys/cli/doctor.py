"""The verb that looks at the host: doctor."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from buildsys import programs, storage
from buildsys.cli.completion import set_names
from buildsys.cli.defaults import Configured
from buildsys.cli.options import RECIPES, as_json, examples, pipeline_of
from buildsys.cli.output import FAILED, MISSING, Ended, put, put_table
from buildsys.cli.stores import takes_store, unusable
from buildsys.diagnostics import Refused
from buildsys.pipeline import Pipeline, unusable_for_plans

if TYPE_CHECKING:
    from buildsys.image import ImageSet, Repository, Site

BASIC = ("bash", "make", "buildah", "skopeo", "bwrap", "podman")
STAND_IN_TOOLS = ("createrepo_c",)
BASE_UTILITIES = "base utilities"
ABSENT = "not installed"
PATIENCE = 5
"""Seconds a repository has to answer."""
GIB = 2**30
ENOUGH = 20 * GIB
"""What a hundred images want free in the store, roughly. Less is a note, no error: the build checks again."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: it is `ok`, a `note`, `damaged`, too `old`, or needed and `missing`."""

    state: str
    about: str
    found: str


@click.command(epilog=examples("buildsys doctor", "buildsys doctor stable-pike --verify-store"))
@click.argument("names", metavar="[SET]...", nargs=-1, shell_complete=set_names)
@click.option(
    "--site", metavar="SITE", cls=Configured, envvar="BS_SITE", show_envvar=True,
    help="The site that is meant; else each set's own.",
)  # fmt: skip
@takes_store
@click.option("--verify-store", is_flag=True, help="Read every layer of the container store, to find damage.")
@as_json
def doctor(
    names: tuple[str, ...], site: str | None, store: str, *, verify_store: bool, as_json: bool
) -> None:
    """Say what this host has of what building needs.

    Programs, rights, a container store, packages: for these image sets, else for all below ./recipes. Exit
    status 3 when something needed is missing or too old, 1 when layers of the store are damaged.
    """
    if verify_store:
        from buildsys.cli.surroundings import enter_user_namespace

        # Only the owner of the store's files can read them.
        enter_user_namespace()
    here = [Pipeline(path.parent) for path in sorted(RECIPES.glob("*/set.yaml"))]
    pipelines = [pipeline_of(name) for name in names] or here
    sets = {item.name: replace(item, site=site).resolve() for item in pipelines}
    sites = {name: item.site for name, item in sets.items()}
    found = [*_programs(sites.values()), *_solver(sites.values())]
    findings = [*found, *_to_install(found), *_rights(), *_clock(sets.values()), *_place()]
    findings += _platforms(sets.values())
    findings += [*_store(store), *_damage(store, read=verify_store), *_containers(store)]
    for name, chosen in sites.items():
        findings += _packages(name, chosen)
    if as_json:
        put(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        put_table(("", "WHAT", "FOUND"), [(item.state, item.about, item.found) for item in findings])
    if any(finding.state in {"missing", "old"} for finding in findings):
        raise Ended(MISSING)
    if any(finding.state == "damaged" for finding in findings):
        raise Ended(FAILED)


def _programs(sites: Iterable[Site]) -> Iterator[Finding]:
    from buildsys.packages import manager_of
    from buildsys.plan.compile import TOOLS

    wanted = [*BASIC]
    for site in sites:
        wanted += manager_of(site).runtime(locked=False).tools
        wanted += STAND_IN_TOOLS if site.stand_ins else ()
        wanted += ("curl",) if any(repository.url for repository in site.repositories) else ()
    for name in dict.fromkeys(wanted):
        yield _program(name)
    yield Finding("ok", "python", f"{platform.python_version()}, {sys.executable}")
    rest = [programs.look_up(name) for name in TOOLS if name not in wanted]
    if absent := [tool.name for tool in rest if not tool.path]:
        yield Finding("missing", BASE_UTILITIES, f"without {', '.join(absent)}")
    else:
        yield Finding("ok", BASE_UTILITIES, ", ".join(tool.name for tool in rest))
    if any(site.stand_ins for site in sites):
        yield _busybox()


def _program(name: str) -> Finding:
    tool = programs.look_up(name)
    name = tool.name
    if not tool.path:
        # Builds do not use podman; tests do.
        return Finding("note" if name == "podman" else "missing", name, ABSENT)
    version = tool.version or programs.version_of(tool.path)
    found = f"{programs.dotted(version)}, {tool.path}" if version else tool.path
    if tool.mistake() is not None:
        need = programs.NEEDS[name]
        wanted = f"{programs.dotted(need.oldest)} or newer is needed: {need.reason}"
        return Finding("old", name, f"{found}; {wanted}")
    tested = programs.TESTED.get(name, ())
    if version and version < tested:
        return Finding("note", name, f"{found}; older than {programs.dotted(tested)}, the oldest tested")
    return Finding("ok", name, found)


def _to_install(found: Iterable[Finding]) -> Iterator[Finding]:
    """What brings what is missing or too old, as a command to copy."""
    from buildsys.plan.compile import TOOLS

    names = {item.about for item in found if item.state in {"missing", "old"} or item.found == ABSENT}
    needed = (*TOOLS, *(("newuidmap",) if os.geteuid() else ()))
    names |= {name for name in needed if not programs.look_up(name).path}
    names.discard(BASE_UTILITIES)
    if command := programs.install_command(names):
        yield Finding("note", "to install", command)


def _platforms(sets: Iterable[ImageSet]) -> Iterator[Finding]:
    """Platforms of the sets that are not this host's: their programs need an emulator."""
    from buildsys.run.emulator import lack

    for item in dict.fromkeys(item for image_set in sets for item in image_set.platforms):
        missing = lack(item)
        found = "its programs run here" if missing is None else f"to build it here: {missing}"
        # A machine of that platform may build it.
        yield Finding("ok" if missing is None else "note", item, found)


def _solver(sites: Iterable[Site]) -> Iterator[Finding]:
    """Python modules that make locks, where they are a package of their own."""
    from buildsys.lock.solver import solver_of

    for solver in {id(one): one for one in map(solver_of, sites)}.values():
        with contextlib.suppress(Refused):
            if needed := solver.modules():
                interpreter, module = needed
                there = programs.can_import(interpreter, module)
                found = f"makes locks, by {interpreter}" if there else ABSENT
                yield Finding("ok" if there else "missing", module, found)


def _busybox() -> Finding:
    from buildsys.standins.tools import MissingTool, find_busybox

    try:
        return Finding("ok", "busybox", f"static, {find_busybox()}")
    except MissingTool as missing:
        return Finding("missing", "busybox", str(missing))


def _rights() -> Iterator[Finding]:
    from buildsys.run.rights import lack

    missing = lack()
    if missing is None:
        inside = os.geteuid() or "BS_USERNS" in os.environ
        who = "an ordinary user, in buildah's user namespace" if inside else "root"
        yield Finding("ok", "rights", f"{who}: may mount and enter the roots of images")
    else:
        yield Finding("missing", "rights", missing)


def _clock(sets: Iterable[ImageSet]) -> Iterator[Finding]:
    """Files that a step writes are found by their time: it must be later than the set's epoch."""
    now = datetime.now(UTC)
    epochs = [datetime.fromtimestamp(item.epoch, UTC) for item in sets]
    if epochs and now < max(epochs):
        files = f"the files of a set are from {max(epochs):%Y-%m-%d}"
        yield Finding("missing", "clock", f"the clock of this machine shows {now:%Y-%m-%d}, {files}")


def _place() -> Iterator[Finding]:
    """Whether plans can run below this folder, where the command writes them unless it is asked otherwise."""
    here = Path.cwd()
    if os.statvfs(here).f_flag & os.ST_NOEXEC:
        yield Finding("missing", "folder", f"a plan cannot run from a file system mounted noexec: {here}")
    if wrong := unusable_for_plans(here):
        yield Finding("missing", "folder", wrong)


def _store(options: str) -> Iterator[Finding]:
    store = storage.store(options)
    if store is None:
        words = f"buildah {options}".rstrip()
        yield Finding("missing", "container store", f"`{words} info` cannot open it")
        return
    kept = f"{store.driver}, {store.location}"
    for place in (store.location, store.run):
        if wrong := unusable(place):
            yield Finding("missing", "container store", wrong)
            return
    if store.driver == "vfs":
        from buildsys.run.rights import overlays

        better = "; overlays can be mounted here: choose `--storage-driver overlay`" if overlays() else ""
        yield Finding("note", "container store", f"{kept}: each image is a whole copy{better}")
    else:
        yield Finding("ok", "container store", kept)
    free = f"{store.free / GIB:.0f} GiB at {store.location}"
    enough = store.free >= ENOUGH
    about = "" if enough else f"; a hundred images want about {ENOUGH // GIB}"
    yield Finding("ok" if enough else "note", "free space", free + about)


def _damage(options: str, *, read: bool) -> Iterator[Finding]:
    """Layers of the store that are not what was stored: as far as it shows, or by reading all of them."""
    from buildsys.inspect_image.soundness import damaged

    store = storage.store(options)
    if store is None:
        return
    about = "layers of the store"
    alone = not any(".imagestore=" in option for option in store.options)
    found = list(damaged(Path(store.location), store.driver, read=read, alone=alone))
    for item in found:
        more = f" and {len(item.images) - 1} more" if len(item.images) > 1 else ""
        yield Finding("damaged", about, f"{item.layer[:12]} of {item.images[0]}{more}: {item.why}")
    if found:
        yield Finding(
            "note", about, "`buildsys build SET --verify-store` removes damaged ones and builds them again"
        )
    elif read:
        yield Finding("ok", about, "read whole: each is what was stored")


def _containers(options: str) -> Iterator[Finding]:
    """Whether podman runs containers here, and what it needs for that: tried, with any image of the store."""
    from buildsys.testing.podman import NothingWorks, Podman, configure

    tool = programs.look_up("podman")
    if not tool.path or tool.mistake() is not None:
        return
    with TemporaryDirectory(prefix="buildsys-doctor-") as folder:
        podman = Podman(options, Path(folder).name, Path(folder))
        images = podman.call("images", "--quiet", "--no-trunc").out.split()
        if not images:
            yield Finding("note", "containers", "not tried: the store has no image")
            return
        try:
            how = configure(podman, images[0].removeprefix("sha256:"), Path(folder, "containers.conf"))
        except NothingWorks as problem:
            yield Finding("note", "containers", f"podman runs none, so nothing can be tested: {problem}")
        else:
            yield Finding("ok", "containers", f"podman runs them: {how}")


# ── packages ────────────────────────────────────────────────────────────────────────────────────────────────


def _packages(name: str, site: Site) -> Iterator[Finding]:
    from buildsys.lock.host_repositories import host_repositories
    from buildsys.packages import manager_of

    about = f"packages of {name}, site {site.name}"
    if site.stand_ins:
        yield Finding("ok", about, "stand-ins, made here")
    if site.host_repositories:
        known = host_repositories(manager_of(site))
        found = f"of this host: {', '.join(known)}" if known else "no repository is enabled on this host"
        yield Finding("ok" if known else "missing", about, found)
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=8) as pool:
        problems = pool.map(_unreachable, site.repositories)
        for repository, problem in zip(site.repositories, problems, strict=True):
            where = repository.directory or repository.url
            found = f"{repository.id}: {where}" + (f": {problem}" if problem else "")
            yield Finding("missing" if problem else "ok", about, found)


def _unreachable(repository: Repository) -> str:
    """Why a repository's index cannot be read; empty when it can."""
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    from buildsys.logins import login_for

    index = "repodata/repomd.xml"
    if repository.directory:
        return "" if Path(repository.directory, index).is_file() else f"it has no {index}"
    try:
        # Resolving has made sure that this is http, https, ftp or file.
        asked = Request(f"{repository.url.rstrip('/')}/{index}")  # noqa: S310
        if login := login_for(repository.url):
            asked.add_unredirected_header(
                "Authorization", "Basic " + b64encode(":".join(login).encode()).decode()
            )
        with urlopen(asked, timeout=PATIENCE):  # noqa: S310
            return ""
    except HTTPError as error:
        return f"status {error.code}, {error.reason}"
    except URLError as error:
        return str(error.reason)
    except (OSError, ValueError) as error:
        return str(error) or type(error).__name__
