"""Publish to a registry: blobs and manifests by digest, parents first; then, when all are there, all tags."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Literal, TypeVar

from buildsys.diagnostics import Code
from buildsys.interrupts import Interrupted
from buildsys.publish.attach import attach
from buildsys.publish.attachments import Attachments
from buildsys.publish.built_set import Item
from buildsys.publish.destination import Destination
from buildsys.publish.errors import PublishError, listed
from buildsys.publish.layers import Packed
from buildsys.publish.manifest import Form, Manifest
from buildsys.publish.registry_access import Reach, certificates, login, registry_rules, way
from buildsys.publish.registry_api import Registry
from buildsys.publish.registry_http import Host
from buildsys.publish.task import PublishOptions, Work

HEADS = 16
"""Concurrent HEAD requests: they cost a registry little."""
LONGEST = 255
"""Characters of a repository's name, at most."""

REPOSITORY = {Code.NO_REPOSITORY, Code.NO_PUSH_RIGHT, Code.BAD_REPOSITORY}
"""Codes of errors of one repository that others may have too."""

T = TypeVar("T")
Tagged = tuple[Item, str]
Fate = Literal["as it was", "put back", "lost", "new", "unknown"]
"""The state of a tag after a failed move of all."""


def repository(item: Item, destination: Destination) -> str:
    """An image's repository at a registry, in the destination's namespace if it names one."""
    if not destination.namespace:
        return item.repository
    return f"{destination.namespace}/{item.repository.rpartition('/')[2]}"


def registry(
    destination: Destination,
    options: PublishOptions,
    example: str,
    rights: str = "pull,push",
    stop: threading.Event | None = None,
) -> tuple[Registry, Callable[[str], str]]:
    """The registry, opened, and a function from a repository's name to its name after registries.conf.

    Raises:
        PublishError: it does not answer, or the files that say how to reach it cannot be used.
    """
    rules = registry_rules()
    there = way(destination.host, example, rules)

    def renamed(name: str) -> str:
        found = way(destination.host, name, rules)
        if found.host != there.host:
            message = f"registries.conf spreads {destination} over {there.host} and {found.host}"
            raise PublishError(Code.REGISTRY_BLOCKED, message)
        return found.repository

    reach = Reach(
        host=there.host,
        insecure=there.insecure,
        certificates=certificates(there.host, options.certificates),
        login=cache(lambda name: login(there.host, name, options.authfile)),
        patience=options.patience,
        connections=max(HEADS, options.uploads),
        stop=stop or threading.Event(),
    )
    reach.login(example)  # report a missing file before anything is sent
    host = Host(reach)
    host.open()
    return Registry(host, rights), renamed


def push(work: Work) -> None:
    """Update a registry."""
    destination, subject = work.outcome.destination, work.subject
    form = Form(subject.format, work.options.compression, work.options.labels)
    names = {item.name: repository(item, destination) for item in subject.items}
    too_long = [name for name in names.values() if len(name) > LONGEST]
    if too_long:
        message = f"a repository's name has at most {LONGEST} characters: {listed(too_long)}"
        raise PublishError(Code.BAD_REPOSITORY, message, "name a shorter namespace after the registry's host")
    found, renamed = registry(destination, work.options, next(iter(names.values())), stop=work.stop)
    places = {name: renamed(place) for name, place in names.items()}
    _Pushing(work, form, found, names, places).run()


@dataclass(slots=True)
class _Pushing:
    work: Work
    form: Form
    registry: Registry
    names: Mapping[str, str]
    """Repository of each image, as the user and the journal write it."""
    places: Mapping[str, str]
    """The same after registries.conf: the names that requests use."""
    before: dict[Tagged, str | None] = field(default_factory=dict)
    """Digest that each tag led to at the start."""
    digests: dict[str, str] = field(default_factory=dict)
    """Manifest digest of each image that is there."""

    def run(self) -> None:
        tagged = [(item, tag) for item in self.work.subject.items for tag in self.work.tags(item)]
        self.before = dict(zip(tagged, self._all(self._leads_to, tagged, HEADS), strict=True))
        if not self.work.outcome.well():
            return
        self._bring()
        self.work.outcome.blobs = len(self.registry.uploaded)
        if not self.work.outcome.well():
            self.work.outcome.notes.append("no tag was touched")
            return
        self._attach()
        self.work.outcome.blobs = len(self.registry.uploaded)
        if not self.work.outcome.well():
            self.work.outcome.notes.append("no tag was touched")
            return
        moving = [pair for pair in tagged if self.before[pair] != self.digests[pair[0].name]]
        self._move(moving)
        if self.work.outcome.well():
            self.work.finish()

    def _leads_to(self, pair: Tagged) -> str | None:
        return self.registry.digest(self.places[pair[0].name], pair[1])

    def _all(
        self, work: Callable[[Tagged], str | None], pairs: Iterable[Tagged], at_once: int
    ) -> list[str | None]:
        """Call `work` for all pairs, and collect the failures."""
        with ThreadPoolExecutor(at_once) as pool:
            return [self._result(future) for future in [pool.submit(work, pair) for pair in pairs]]

    def _result(self, future: Future[T]) -> T | None:
        try:
            return future.result()
        except Interrupted:
            self.work.outcome.stopped = True
        except PublishError as problem:
            # Where nothing answers, a hundred images report the same.
            if problem.diagnostic not in self.work.outcome.mistakes:
                self.work.outcome.mistakes.append(problem.diagnostic)
        return None

    # ── blobs and manifests ─────────────────────────────────────────────────────────────────────────────────

    def _bring(self) -> None:
        absent = []
        for item in self.work.subject.items:
            known = self.work.known(item, self.form, self.names[item.name])
            if known and any(self.before[item, tag] == known.digest for tag in self.work.tags(item)):
                self.digests[item.name] = known.digest
                self._note(item, known.digest)
            else:
                absent.append(item)
        if not absent:
            return
        for item in self.work.subject.items:
            if item.name in self.digests:  # other repositories can mount what is there
                packed = self.work.shelf.packed(item.id, self.form)
                self.registry.holds(self.places[item.name], packed.manifest.blobs())
        # Packing uses the cores, sending the network: neither waits for the other.
        packing = ThreadPoolExecutor(max(self.work.options.uploads, len(os.sched_getaffinity(0))))
        pool = ThreadPoolExecutor(self.work.options.uploads)
        running: dict[str, Future[str | None]] = {}
        try:
            for item in absent:
                # Parents come first in `absent`: a worker that waits for one waits for a running worker.
                parents = [running[name] for name in item.parents if name in running]
                to_come = packing.submit(self.work.packed, item, self.form)
                running[item.name] = pool.submit(self._image, item, parents, to_come)
            for name, future in running.items():
                digest = self._result(future)
                if digest is not None:
                    self.digests[name] = digest
            self._ask_of_the_rest([item for item in absent if item.name not in self.digests])
        finally:
            packing.shutdown(wait=False, cancel_futures=True)
            pool.shutdown(cancel_futures=True)
            packing.shutdown()

    def _ask_of_the_rest(self, items: list[Item]) -> None:
        """Report every repository that refuses writes, also those whose upload never started.

        An image waits for its parents: if no repository exists, only the first would be reported.
        """
        refused = {mistake.code for mistake in self.work.outcome.mistakes} & REPOSITORY
        if refused and not self.work.outcome.stopped:

            def begin(item: Item) -> None:
                self.registry.may_be_written(self.places[item.name])

            with ThreadPoolExecutor(HEADS) as pool:
                for future in [pool.submit(begin, item) for item in items]:
                    self._result(future)

    def _image(self, item: Item, parents: list[Future[str | None]], packing: Future[Packed]) -> str | None:
        """Upload an image without a tag; its digest, or None if a parent failed."""
        for parent in parents:
            if parent.exception() is not None or parent.result() is None:
                return None
        place, packed = self.places[item.name], packing.result()
        manifest, form = packed.manifest, self.form
        known = self.work.known(item, form, self.names[item.name])
        there = not self.work.journal.doubts(item.name) and (
            any(self.before[item, tag] == manifest.digest for tag in self.work.tags(item))
            or (
                known is not None
                and known.digest == manifest.digest
                and self.registry.digest(place, manifest.digest) is not None
            )
        )
        if there:
            self.registry.holds(place, manifest.blobs())
        else:
            for layer, blob in packed.layers:
                content = partial(self.work.shelf.file, packed, layer, blob, form.compression)
                self.registry.place(place, blob, content)
            self.registry.place(place, manifest.blobs()[0], lambda: packed.config)
            self.registry.put(place, manifest.digest, manifest)
            self.work.outcome.images += 1
        self._note(item, manifest.digest)
        return manifest.digest

    def _note(self, item: Item, digest: str) -> None:
        entry = self.work.entry(item, self.form, self.names[item.name], digest)
        self.work.journal.note(item.name, entry)

    def _attach(self) -> None:
        """Attach what is not known to be attached already."""
        host = self.work.outcome.destination.host
        waiting = []
        for item in self.work.subject.items:
            attached = self.work.attachments(item, f"{host}/{self.names[item.name]}", self.digests[item.name])
            if attached and self.work.journal.entries[item.name].attached != attached.mark:
                waiting.append((item, attached))

        def one(item: Item, attached: Attachments) -> None:
            attach(self.registry, self.places[item.name], self._manifest(item), attached)
            self.work.note_attached(item, attached.mark)
            self.work.outcome.signed += 1

        with ThreadPoolExecutor(self.work.options.uploads) as pool:
            for future in [pool.submit(one, item, attached) for item, attached in waiting]:
                self._result(future)

    # ── tags ────────────────────────────────────────────────────────────────────────────────────────────────

    def _move(self, pairs: list[Tagged]) -> None:
        """Move all these tags; if one cannot be moved, put back the others."""
        manifests = {item.name: self._manifest(item) for item, _ in pairs}
        begun: list[Tagged] = []
        moved: list[Tagged] = []
        failed = threading.Event()

        def move(pair: Tagged) -> None:
            if failed.is_set():
                return
            item, tag = pair
            begun.append(pair)
            try:
                self.registry.put(self.places[item.name], tag, manifests[item.name])
            except Exception:
                failed.set()
                raise
            moved.append(pair)

        try:
            self._all(move, pairs, self.work.options.uploads)
        finally:
            if len(moved) == len(pairs):
                self.work.outcome.tags = len(moved)
            else:
                self._put_back(begun, moved)

    def _manifest(self, item: Item) -> Manifest:
        digest = self.digests[item.name]
        packed: Packed = self.work.shelf.packed(item.id, self.form)
        if packed.manifest.digest == digest:
            return packed.manifest
        return self.registry.manifest(self.places[item.name], digest)[1]

    def _put_back(self, begun: list[Tagged], moved: list[Tagged]) -> None:
        """Put back the tags of `begun`, of which `moved` surely moved, and note those that stay wrong."""
        # An interrupt does not stop this; a registry that no longer answers does.
        gone = threading.Event()
        host = Host(replace(self.registry.host.reach, stop=gone))
        registry = Registry(host, self.registry.rights)
        try:
            host.open()
        except PublishError:
            gone.set()

        def back(pair: Tagged) -> Fate:
            (item, tag), old = pair, self.before[pair]
            place = self.places[item.name]
            fate: Fate = "unknown" if pair not in moved else "new" if old is None else "lost"
            try:
                if registry.digest(place, tag) != self.digests[item.name]:
                    return "as it was"
                fate = "new" if old is None else "lost"
                if old is not None:
                    registry.put(place, tag, registry.manifest(place, old)[1])
                    return "put back"
            except (LookupError, Interrupted):
                pass
            except PublishError as problem:
                if problem.diagnostic.code == Code.REGISTRY_FAILING:
                    gone.set()
            return fate

        with ThreadPoolExecutor(self.work.options.uploads) as pool:
            fates = dict(zip(begun, pool.map(back, begun), strict=True))
        count = sum(fate == "put back" for fate in fates.values())
        if count:
            words = "tag was moved and has" if count == 1 else "tags were moved and have"
            self.work.outcome.notes.append(f"{count} {words} been put back")
        sentences: dict[Fate, str] = {
            "lost": "moved already, and cannot be put back now",
            "unknown": "moved perhaps, the registry does not answer",
            "new": "new, and cannot be removed",
        }
        for fate, sentence in sentences.items():
            names = [f"{self.places[item.name]}:{tag}" for (item, tag), what in fates.items() if what == fate]
            if names:
                self.work.outcome.notes.append(f"{sentence}: {listed(names)}")
