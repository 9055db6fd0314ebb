"""Publish a set: to all its destinations side by side, each of them whole or with its old tags."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from buildsys import programs, storage
from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused
from buildsys.plan import read
from buildsys.publish.archives import write_archives
from buildsys.publish.built_set import TAG, Subject, lock_hash, subject
from buildsys.publish.destination import Destination, Transport
from buildsys.publish.errors import Problem, Stopped
from buildsys.publish.files import readable_by_all
from buildsys.publish.journal import journal
from buildsys.publish.layers import Shelf
from buildsys.publish.oci_layout import write_layout
from buildsys.publish.pushing import push
from buildsys.publish.static_tree import write_tree
from buildsys.publish.store import fill_store
from buildsys.publish.task import Outcome, Publisher, Wish, Work
from buildsys.run.lock import images_stay, turn
from buildsys.testing.passed import promoted

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that ask a run to end."""
PROMOTED = "promoted"
"""The tag that only a set gets whose tests and scenarios have all passed."""
PLAIN = ("docker", "dir", "docker-archive", "containers-storage")
"""Transports that keep the set's own format, or are docker's."""

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
    wish: Wish,
    *,
    store: str,
    stand_ins: bool,
    say: Callable[[str], None],
    tell: Callable[[Outcome], None] = lambda _: None,
    only: Sequence[str] = (),
) -> list[Outcome]:
    """Publish what a plan built; what became of each destination, in their order.

    `only` are names and globs of images: these are published as a set is, and no others. `store` are
    buildah's options that choose the container store. One publishes a plan at a time, and nobody builds it
    meanwhile: who comes second waits, and `say` says for whom. A destination that fails does not hold up the
    others. `tell` is told what became of each, also when the run was interrupted or comes upon a bug.

    Raises:
        Refused: the set, or the wish, is not to be published; nothing was sent.
        ToolFailed: the store cannot be read.
        KeyboardInterrupt: the run was interrupted, or told to end; nothing of it is under way any more.
    """
    opened = programs.store(store)
    if opened is None:
        raise programs.ToolFailed(f"`buildah {store} info` cannot open the container store")
    if not read.exists(directory):
        subject(directory, ())
    with turn(directory, "publishing", say), images_stay(opened.run):
        chosen = subject(directory, set(storage.image_ids(store).values()), only)
        wish = replace(wish, tags=_tags(wish.tags, directory))
        check(chosen, destinations, wish, stand_ins=stand_ins)
        shelf = Shelf(directory / "state/publish/shelf", opened)
        stop = threading.Event()
        works = [
            Work(chosen, wish, shelf, journal(directory, str(item)), Outcome(item), stop)
            for item in destinations
        ]
        if any(work.journal.doubts(name) for work in works for name in chosen.names):
            # Files of the shelf may be those of a destination: what has rotten there has rotten here.
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
    """When interrupted, tell the work to end, and go on waiting: nobody works on without the turn."""

    def interrupt(*_: object) -> None:
        if not stop.is_set():
            stop.set()
            say("interrupted: ends what is under way; tags that were moved are put back")

    before = {number: signal.signal(number, interrupt) for number in ENDINGS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _one(work: Work) -> None:
    try:
        PUBLISHERS[work.outcome.destination.transport](work)
    except Problem as problem:
        work.outcome.mistakes.append(problem.diagnostic)
    except Stopped:
        work.outcome.stopped = True
    except OSError as error:
        where = f"{error.filename}: " if error.filename is not None else ""
        message = f"{where}{error.strerror or error}"
        work.outcome.mistakes.append(Diagnostic(NOWHERE, Code.NOT_WRITTEN, message))
    except Exception as error:  # noqa: BLE001 - raised again when the other destinations have ended
        work.outcome.unforeseen = error


def _tags(words: Sequence[str], directory: Path) -> tuple[str, ...]:
    """Tags as they are written at a destination, of words that may stand for others.

    Raises:
        Refused: nothing is locked, and the lock was to give a tag (`no-lock`).
    """
    known = {}
    if "date" in words:
        known["date"] = datetime.now(UTC).strftime("%Y%m%d")
    if "lock" in words:
        known["lock"] = lock_hash(directory)
        if not known["lock"]:
            message = f"the plan in {directory} is not locked: no lock gives a tag"
            raise Refused([Diagnostic(NOWHERE, Code.NO_LOCK, message)])
    return tuple(dict.fromkeys(known.get(word, word) for word in words))


def check(chosen: Subject, destinations: Sequence[Destination], wish: Wish, *, stand_ins: bool) -> None:
    """Look for what forbids publishing, before anything is sent.

    Raises:
        Refused: all of it.
    """
    mistakes = list(_mistakes(chosen, destinations, wish, stand_ins))
    if mistakes:
        raise Refused(mistakes)


def _promoted(chosen: Subject) -> bool:
    tried = promoted(chosen.directory) or {}
    return all(tried.get(item.name) == item.id for item in chosen.items)


def _mistakes(
    chosen: Subject,
    destinations: Sequence[Destination],
    wish: Wish,
    stand_ins: bool,  # noqa: FBT001
) -> Iterator[Diagnostic]:
    away = ", ".join(str(item) for item in destinations if not item.is_here)
    if chosen.stand_ins and away and not stand_ins:
        message = f"{chosen.set} is made of stand-in packages, which do nothing; it is not for {away}"
        yield Diagnostic(NOWHERE, Code.STAND_INS_LEAVE, message, "--stand-ins publishes it all the same")
    for tag in wish.tags:
        if not TAG.fullmatch(tag):
            hint = "at most 128 letters, digits, '.', '_' and '-', and neither '.' nor '-' first"
            yield Diagnostic(NOWHERE, Code.BAD_TAG, f"'{tag}' can be no tag", hint)
    if PROMOTED in wish.tags and not _promoted(chosen):
        message = (
            f"{chosen.set} is not promoted: not all its tests and scenarios have passed with these images"
        )
        yield Diagnostic(NOWHERE, Code.NOT_PROMOTED, message, f"`buildsys test {chosen.set}` tries them")
    unpackable = [
        str(item)
        for item in destinations
        if item.transport == "docker-archive" or (item.transport in PLAIN and chosen.format == "docker")
    ]
    if wish.compression == "zstd" and unpackable:
        message = f"docker's format knows no zstd; it is not for {', '.join(unpackable)}"
        yield Diagnostic(
            NOWHERE, Code.BAD_COMPRESSION, message, "a set of `format: oci` may be packed with zstd"
        )
