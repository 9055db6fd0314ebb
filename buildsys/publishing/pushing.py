"""Publish to a registry: blobs, then manifests by digest, parents first; when all are there, all tags."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache, partial

from buildsys.publishing.access import certificates, login, registry_rules, way
from buildsys.publishing.destinations import Destination
from buildsys.publishing.host import Host, Reach
from buildsys.publishing.manifests import Form, Manifest
from buildsys.publishing.refusals import Problem, listed
from buildsys.publishing.registry import Registry
from buildsys.publishing.shelf import Packed
from buildsys.publishing.subject import Item
from buildsys.publishing.work import Wish, Work

HEADS = 16
"""Questions at once: they cost a registry little."""
LONGEST = 255
"""Characters that a repository's name may have."""

Tagged = tuple[Item, str]


def repository(item: Item, destination: Destination) -> str:
    """An image's repository at a registry: the set's namespace gives way to the destination's."""
    if not destination.namespace:
        return item.repository
    return f"{destination.namespace}/{item.repository.rpartition('/')[2]}"


def registry(
    destination: Destination, wish: Wish, example: str, rights: str = "pull,push"
) -> tuple[Registry, Callable[[str], str]]:
    """The registry, opened, and what registries.conf makes of a repository's name there.

    Raises:
        Problem: it does not answer, or what says how to reach it cannot be used.
    """
    rules = registry_rules()
    there = way(destination.host, example, rules)

    def renamed(name: str) -> str:
        found = way(destination.host, name, rules)
        if found.host != there.host:
            message = f"registries.conf spreads {destination} over {there.host} and {found.host}"
            raise Problem("registry-blocked", message)
        return found.repository

    reach = Reach(
        host=there.host,
        insecure=there.insecure,
        certificates=certificates(there.host, wish.certificates),
        login=cache(lambda name: login(there.host, name, wish.authfile)),
        patience=wish.patience,
        connections=max(HEADS, wish.uploads),
    )
    reach.login(example)  # a file that is not there is told of before anything is sent
    host = Host(reach)
    host.open()
    return Registry(host, rights), renamed


def push(work: Work) -> None:
    """Bring a registry up to date."""
    destination, subject = work.outcome.destination, work.subject
    form = Form(subject.format, work.wish.compression, work.wish.labels)
    names = {item.name: repository(item, destination) for item in subject.items}
    too_long = [name for name in names.values() if len(name) > LONGEST]
    if too_long:
        message = f"a registry takes names of at most {LONGEST} characters: {listed(too_long)}"
        raise Problem("bad-repository", message, "name a shorter namespace after the registry's host")
    found, renamed = registry(destination, work.wish, next(iter(names.values())))
    places = {name: renamed(place) for name, place in names.items()}
    _Pushing(work, form, found, places).run()


@dataclass(slots=True)
class _Pushing:
    work: Work
    form: Form
    registry: Registry
    places: Mapping[str, str]
    """Repository of each image."""
    before: dict[Tagged, str | None] = field(default_factory=dict)
    """What each tag leads to."""
    digests: dict[str, str] = field(default_factory=dict)
    """Of each image that is there."""

    def run(self) -> None:
        tagged = [(item, tag) for item in self.work.subject.items for tag in self.work.tags(item)]
        self.before = dict(zip(tagged, self._all(self._leads_to, tagged, HEADS), strict=True))
        if self.work.outcome.mistakes:
            return
        self._bring()
        self.work.outcome.blobs = len(self.registry.uploaded)
        if self.work.outcome.mistakes:
            self.work.outcome.notes.append("no tag was touched")
            return
        moving = [pair for pair in tagged if self.before[pair] != self.digests[pair[0].name]]
        self._move(moving)
        if not self.work.outcome.mistakes:
            self.work.journal.finish(self.work.subject.names, self.work.wish.tags)

    def _leads_to(self, pair: Tagged) -> str | None:
        return self.registry.digest(self.places[pair[0].name], pair[1])

    def _all(
        self, work: Callable[[Tagged], str | None], pairs: Iterable[Tagged], at_once: int
    ) -> list[str | None]:
        """Do something for all pairs, and collect what stands in the way."""
        with ThreadPoolExecutor(at_once) as pool:
            return [self._result(future) for future in [pool.submit(work, pair) for pair in pairs]]

    def _result(self, future: Future[str | None]) -> str | None:
        try:
            return future.result()
        except Problem as problem:
            # Where nothing answers, a hundred images say the same.
            if problem.diagnostic not in self.work.outcome.mistakes:
                self.work.outcome.mistakes.append(problem.diagnostic)
            return None

    # ── blobs and manifests ─────────────────────────────────────────────────────────────────────────────────

    def _bring(self) -> None:
        absent = []
        for item in self.work.subject.items:
            known = self.work.known(item, self.form, self.places[item.name])
            if known and any(self.before[item, tag] == known.digest for tag in self.work.tags(item)):
                self.digests[item.name] = known.digest
            else:
                absent.append(item)
        if not absent:
            return
        for item in self.work.subject.items:
            if item.name in self.digests:  # what is there, others can be lent
                packed = self.work.shelf.packed(item.id, self.form)
                self.registry.holds(self.places[item.name], packed.manifest.blobs())
        # Packing keeps the cores busy, sending the network: neither waits for the other.
        packing = ThreadPoolExecutor(max(self.work.wish.uploads, len(os.sched_getaffinity(0))))
        pool = ThreadPoolExecutor(self.work.wish.uploads)
        running: dict[str, Future[str | None]] = {}
        try:
            for item in absent:
                # Parents were begun before: a worker that waits for one waits for another worker.
                parents = [running[name] for name in item.parents if name in running]
                to_come = packing.submit(self.work.shelf.packed, item.id, self.form)
                running[item.name] = pool.submit(self._image, item, parents, to_come)
            for name, future in running.items():
                digest = self._result(future)
                if digest is not None:
                    self.digests[name] = digest
        finally:
            packing.shutdown(wait=False, cancel_futures=True)
            pool.shutdown(cancel_futures=True)
            packing.shutdown()

    def _image(self, item: Item, parents: list[Future[str | None]], packing: Future[Packed]) -> str | None:
        """Bring an image, without a tag; its digest, or None when a parent could not be brought."""
        for parent in parents:
            if parent.exception() is not None or parent.result() is None:
                return None
        place, packed = self.places[item.name], packing.result()
        manifest, form = packed.manifest, self.form
        known = self.work.known(item, form, place)
        there = any(self.before[item, tag] == manifest.digest for tag in self.work.tags(item)) or (
            known is not None
            and known.digest == manifest.digest
            and self.registry.digest(place, manifest.digest) is not None
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
        self.work.journal.note(item.name, self.work.entry(item, form, place, manifest.digest))
        return manifest.digest

    # ── tags ────────────────────────────────────────────────────────────────────────────────────────────────

    def _move(self, pairs: list[Tagged]) -> None:
        """Move all these tags; when one cannot be moved, put back those that were."""
        manifests = {item.name: self._manifest(item) for item, _ in pairs}
        moved: list[Tagged] = []

        def move(pair: Tagged) -> None:
            item, tag = pair
            self.registry.put(self.places[item.name], tag, manifests[item.name])
            moved.append(pair)

        self._all(move, pairs, self.work.wish.uploads)
        if self.work.outcome.mistakes:
            self._put_back(moved)
        else:
            self.work.outcome.tags = len(moved)

    def _manifest(self, item: Item) -> Manifest:
        digest = self.digests[item.name]
        packed: Packed = self.work.shelf.packed(item.id, self.form)
        if packed.manifest.digest == digest:
            return packed.manifest
        return self.registry.manifest(self.places[item.name], digest)[1]

    def _put_back(self, moved: list[Tagged]) -> None:
        new = [pair for pair in moved if self.before[pair] is None]
        lost = []
        for pair in moved:
            item, tag = pair
            old = self.before[pair]
            if old is None:
                continue
            place = self.places[item.name]
            try:
                self.registry.put(place, tag, self.registry.manifest(place, old)[1])
            except (Problem, LookupError):
                lost.append(pair)
        said = self.work.outcome.notes.append
        back = len(moved) - len(new) - len(lost)
        if back:
            said(f"{back} tags were moved and have been put back")
        if lost:
            said(f"moved already, and not to be put back now: {listed(self._names(lost))}")
        if new:
            said(f"new, and not to be taken back: {listed(self._names(new))}")

    def _names(self, pairs: list[Tagged]) -> list[str]:
        return [f"{self.places[item.name]}:{tag}" for item, tag in pairs]
