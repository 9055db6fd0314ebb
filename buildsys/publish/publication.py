"""Publish a set to all its destinations in parallel: at each, all tags are new or all are old."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from buildsys import programs, storage
from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused
from buildsys.interrupts import ENDINGS, Interrupted
from buildsys.plan import read
from buildsys.publish.archives import write_archives
from buildsys.publish.built_set import Subject, subject
from buildsys.publish.destination import Destination, Transport
from buildsys.publish.errors import PublishError
from buildsys.publish.journal import journal
from buildsys.publish.layers import Shelf
from buildsys.publish.oci_layout import readable_by_all, write_layout
from buildsys.publish.registry import push
from buildsys.publish.static_tree import write_tree
from buildsys.publish.store import fill_store
from buildsys.publish.tags import bad_tags, filled
from buildsys.publish.task import Outcome, Publisher, PublishOptions, Work
from buildsys.run.plan_lock import images_stay, turn
from buildsys.testing.passed import promoted

PROMOTED = "promoted"
"""The tag reserved for sets whose tests and scenarios have all passed."""
PLAIN = ("docker", "dir", "docker-archive", "containers-storage")
"""Transports that keep the set's own format, or use docker's."""

SIGNED: tuple[Transport, ...] = ("docker", "oci", "dir")
"""Transports that hold signatures and attestations."""

PUBLISHERS: dict[Transport, Publisher] = {
    "docker": push,
    "oci": write_layout,
    "oci-archive": write_archives,
    "docker-archive": write_archives,
    "dir": write_tree,
    "containers-storage": fill_store,
}


def publish(
    directory: Path,
    destinations: Sequence[Destination],
    options: PublishOptions,
    *,
    store: str,
    stand_ins: bool,
    say: Callable[[str], None],
    tell: Callable[[Outcome], None] = lambda _: None,
    only: Sequence[str] = (),
) -> list[Outcome]:
    """Publish the images that a plan built; the outcome of each destination, in order.

    `only`: names and globs of images; just these are published. `store`: buildah's options that choose the
    container store. The plan is locked against builds and other publishes; `say` gets a line if this run must
    wait. A failing destination does not stop the others. `tell` gets each outcome, also after an interrupt or
    a bug.

    Raises:
        Refused: the set or the options cannot be published; nothing was sent.
        ToolFailed: the store cannot be read.
        KeyboardInterrupt: the run was interrupted; nothing of it still runs.
    """
    opened = storage.store(store)
    if opened is None:
        raise programs.ToolFailed(f"`buildah {store} info` cannot open the container store")
    if not read.exists(directory):
        subject(directory, ())
    with turn(directory, "publishing", say), images_stay(opened.run):
        chosen = subject(directory, set(storage.image_ids(store).values()), only)
        options = replace(options, tags=filled(options.tags, directory))
        check(chosen, destinations, options, stand_ins=stand_ins)
        shelf = Shelf(directory / "state/publish/shelf", opened)
        stop = threading.Event()
        works = [
            Work(chosen, options, shelf, journal(directory, str(item)), Outcome(item), stop)
            for item in destinations
        ]
        if any(work.journal.doubts(name) for work in works for name in chosen.names):
            # Files of the shelf may be hard links to those of a destination, and damaged like them.
            shelf.clear()
        with readable_by_all(), _interrupted(stop, say), ThreadPoolExecutor(len(works)) as pool:
            list(pool.map(_one, works))
        outcomes = [work.outcome for work in works]
        if all(outcome.well() for outcome in outcomes):
            shelf.clear()
    for outcome in outcomes:
        tell(outcome)
    if stop.is_set():
        raise KeyboardInterrupt
    for outcome in outcomes:
        if outcome.unforeseen is not None:
            raise outcome.unforeseen
    return outcomes


@contextmanager
def _interrupted(stop: threading.Event, say: Callable[[str], None]) -> Iterator[None]:
    """On a signal set `stop`, and keep waiting: no work may continue after the plan's lock is released."""

    def interrupt(*_: object) -> None:
        if not stop.is_set():
            stop.set()
            say("interrupted: stopping; tags that were moved are put back")

    before = {number: signal.signal(number, interrupt) for number in ENDINGS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _one(work: Work) -> None:
    if work.options.signing and work.outcome.destination.transport not in SIGNED:
        work.outcome.notes.append("cannot hold signatures: registries, `oci:` and `dir:` can")
    try:
        PUBLISHERS[work.outcome.destination.transport](work)
    except PublishError as problem:
        work.outcome.mistakes.append(problem.diagnostic)
    except Interrupted:
        work.outcome.stopped = True
    except OSError as error:
        where = f"{error.filename}: " if error.filename is not None else ""
        message = f"{where}{error.strerror or error}"
        work.outcome.mistakes.append(Diagnostic(NOWHERE, Code.NOT_WRITTEN, message))
    except Exception as error:  # noqa: BLE001 - raised again after the other destinations
        work.outcome.unforeseen = error


def check(
    chosen: Subject, destinations: Sequence[Destination], options: PublishOptions, *, stand_ins: bool
) -> None:
    """Check everything that forbids publishing, before anything is sent.

    Raises:
        Refused: all mistakes together.
    """
    mistakes = list(_mistakes(chosen, destinations, options, stand_ins))
    if mistakes:
        raise Refused(mistakes)


def _promoted(chosen: Subject) -> bool:
    tried = promoted(chosen.directory) or {}
    return all(tried.get(item.name) == item.id for item in chosen.items)


def _mistakes(
    chosen: Subject,
    destinations: Sequence[Destination],
    options: PublishOptions,
    stand_ins: bool,  # noqa: FBT001
) -> Iterator[Diagnostic]:
    away = ", ".join(str(item) for item in destinations if not item.is_here)
    if chosen.stand_ins and away and not stand_ins:
        message = f"{chosen.set} is made of stand-in packages, which do nothing; do not publish it to {away}"
        yield Diagnostic(NOWHERE, Code.STAND_INS_LEAVE, message, "--stand-ins publishes it anyway")
    for tag in bad_tags(options.tags, chosen.items):
        hint = "at most 128 letters, digits, '.', '_' and '-', and neither '.' nor '-' first"
        yield Diagnostic(NOWHERE, Code.BAD_TAG, f"'{tag}' is not a valid tag", hint)
    if PROMOTED in options.tags and not _promoted(chosen):
        message = (
            f"{chosen.set} is not promoted: not all its tests and scenarios have passed with these images"
        )
        yield Diagnostic(NOWHERE, Code.NOT_PROMOTED, message, f"`buildsys test {chosen.set}` tries them")
    unpackable = [
        str(item)
        for item in destinations
        if item.transport == "docker-archive" or (item.transport in PLAIN and chosen.format == "docker")
    ]
    if options.compression == "zstd" and unpackable:
        message = f"docker's format does not support zstd: {', '.join(unpackable)}"
        yield Diagnostic(NOWHERE, Code.BAD_COMPRESSION, message, "zstd needs a set of `format: oci`")
