"""Resolve references in Containerfiles to images of the tree, and derive the set's registry and namespace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from buildsys.recipe.schema import types


@dataclass(frozen=True, slots=True)
class Naming:
    """The parts of a reference around an image's name: keys of set.yaml."""

    registry: str
    namespace: str
    prefix: str
    tag: str


@dataclass(frozen=True, slots=True)
class Meant:
    """The meaning of a reference in FROM or COPY --from."""

    image: str
    """An image of the tree; empty for an image built elsewhere."""
    plain: bool = True
    """Whether recipes understand the reference as written; otherwise it must be renamed."""
    like: str = ""
    """An image of the tree with a similar name."""


@dataclass(frozen=True, slots=True)
class _Parts:
    registry: str
    namespace: str
    last: str
    tag: str
    digest: str

    @classmethod
    def of(cls, reference: str) -> _Parts:
        named, _, digest = reference.partition("@")
        *above, last = named.split("/")
        last, _, tag = last.partition(":")
        host = above[0] if above and (set(above[0]) & set(".:") or above[0] == "localhost") else ""
        return cls(host, "/".join(above[1:] if host else above), last, tag, digest)


def naming(references: Iterable[str], names: Collection[str], usual: Naming) -> Naming:
    """Return the most frequent naming of references to images of the tree; `usual` if there is none."""
    votes: Counter[Naming] = Counter()
    for reference in references:
        parts = _Parts.of(reference)
        name = _named(parts.last, names)
        if name and parts.namespace and not parts.digest:
            prefix = parts.last.removesuffix(name)
            votes[
                Naming(parts.registry or usual.registry, parts.namespace, prefix, parts.tag or "latest")
            ] += 1
    for found, _ in votes.most_common():
        if not (
            types.NAMESPACE.problem(found.namespace)
            or types.TAG.problem(found.tag)
            or types.REGISTRY.problem(found.registry)
        ):
            return found
    return usual


def own(reference: str, image: str, names: Collection[str]) -> bool:
    """Whether an image's own Containerfile names itself, and so means another image of that name."""
    return _named(_Parts.of(reference).last, names) == image


def meant(reference: str, names: Collection[str], around: Naming) -> Meant:
    """Resolve a reference."""
    if reference in names:
        return Meant(reference)
    parts = _Parts.of(reference)
    name = _named(parts.last, names)
    if not name or parts.digest:
        return Meant("", like=name)
    registries = {"", "localhost", around.registry}
    whole = f"{around.namespace}/{around.prefix}{name}:{around.tag}"
    if reference in {whole, f"{around.registry}/{whole}"}:
        return Meant(name)
    if parts.registry in registries and not parts.namespace and parts.last == name:
        return Meant(name, plain=False)
    same = parts.registry in {"", around.registry} and parts.namespace == around.namespace
    if same and parts.last == around.prefix + name and (parts.tag or "latest") == around.tag:
        return Meant(name, plain=False)
    return Meant("", like=name)


def _named(last: str, names: Collection[str]) -> str:
    """Return the longest image name that ends the last part of a reference."""
    if last in names:
        return last
    ends = [name for name in names if last.endswith((f"-{name}", f"_{name}", f".{name}"))]
    return max(ends, key=len, default="")
