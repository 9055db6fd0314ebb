"""Load the folder of an image set: every file read and checked, nothing filled in or merged yet."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused, Spot, closest
from buildsys.recipe import document, schema
from buildsys.recipe.document import Written
from buildsys.recipe.substitution import Holes, holes
from buildsys.recipe.yaml_text import flow
from buildsys.shell import word
from buildsys.spread import spread


@contextmanager
def collector_resting() -> Iterator[None]:
    """Collect no cyclic garbage, and exempt the objects made here: 10,000 recipes take a third less time.

    What holds no cycle, and recipes and images hold none, is freed as ever when it is no longer needed.
    """
    was_working = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_working:
            gc.freeze()  # else the first collection afterwards walks through everything at once
            gc.enable()


M = TypeVar("M", bound=schema.Model)


@dataclass(frozen=True, slots=True)
class Source(Generic[M]):
    """A written piece, checked against its model."""

    written: Written
    kind: type[M]
    model: M | None
    """The piece as a model; None while variables wait to be filled in."""
    holes: Holes = field(default_factory=dict)
    """The places of its templates."""
    mistakes: Sequence[Diagnostic] = ()
    """Of the values of `model`."""


@dataclass(frozen=True, slots=True)
class OverlayFile:
    """One overlay: a user's changes to the set."""

    written: Written
    common: Source[schema.Fragment] | None
    patches: Mapping[str, Source[schema.Patch]]
    """Changes to images, by image name."""
    sites: Mapping[str, Source[schema.SitePatch]]
    """Additions to sites, by site name."""

    @property
    def variables(self) -> Mapping[str, Any]:
        """The variables it sets."""
        variables: Mapping[str, Any] = self.written.data.get("variables") or {}
        return variables


@dataclass(frozen=True, slots=True)
class Library:
    """Everything of one image set as it was written, by name."""

    directory: Path
    set: schema.SetFile
    written: Written
    """set.yaml itself, for its Spots."""
    common: Source[schema.Fragment] | None
    recipes: Mapping[str, Source[schema.Recipe]]
    traits: Mapping[str, Source[schema.Trait]]
    sites: Mapping[str, Source[schema.Site]]
    overlays: Sequence[OverlayFile] = field(default=())
    scenarios: Mapping[str, Source[schema.Scenario]] = field(default_factory=dict)
    mistakes: Sequence[Diagnostic] = ()
    """Of the values of `set`."""


def load_set(directory: Path, overlays: Sequence[Path] = ()) -> Library:
    """Load the image set in `directory`, and overlays in the order they apply.

    Files are named in Spots by `directory` as given and what follows it.

    Raises:
        Refused: there is no set, or files of it are wrong; all mistakes of all files together.
    """
    with collector_resting():
        return _Loader().library(directory, overlays)


class _Loader:
    """Reads the files one by one and collects the mistakes."""

    def __init__(self) -> None:
        self._found: list[Diagnostic] = []

    def library(self, directory: Path, overlay_paths: Sequence[Path]) -> Library:
        path = directory / "set.yaml"
        if not path.is_file():
            raise Refused([_no_set(directory)])
        header, mistakes, written, common = self._set(path)
        recipes = self._folder(directory, "images", schema.Recipe, "image")
        traits = self._folder(directory, "traits", schema.Trait, "trait")
        sites = self._folder(directory, "sites", schema.Site, "site")
        scenarios = self._folder(directory, "scenarios", schema.Scenario, "scenario")
        overlays = []
        for overlay_path in overlay_paths:
            overlay = self._overlay(overlay_path, recipes)
            if overlay is not None:
                overlays.append(overlay)
        if self._found or header is None or written is None:
            raise Refused(self._found)
        name = directory.resolve().name
        if header.set_ != name:
            message = f"this set calls itself '{header.set_}', its folder is called '{name}'"
            hint = f"write set: {flow(name)}, or rename the folder: make names sets by folder"
            # Together with what the recipes have: none of them depends on this name.
            mistakes = [*mistakes, Diagnostic(written.spot("set"), Code.SET_NAME, message, hint)]
        return Library(
            directory, header, written, common, recipes, traits, sites, overlays, scenarios, mistakes
        )

    def _set(
        self, path: Path
    ) -> tuple[schema.SetFile | None, list[Diagnostic], Written | None, Source[schema.Fragment] | None]:
        """set.yaml: itself, the mistakes of its values, what was written, and its `common`."""
        written = self._try(document.read, path)
        if written is None:
            return None, [], None, None
        common = None
        head = written
        if isinstance(written.data, dict) and isinstance(written.data.get("common"), dict):
            common = self._source(schema.Fragment, written.part("common"))
            head = written.with_data({key: value for key, value in written.data.items() if key != "common"})
        header, mistakes = self._try(lambda piece: schema.read(schema.SetFile, piece), head) or (None, [])
        return header, mistakes, written, common

    def _folder(self, directory: Path, folder: str, kind: type[M], key: str) -> dict[str, Source[M]]:
        sources: dict[str, Source[M]] = {}
        paths = list(self._files(directory / folder))
        for path, plain in zip(paths, spread(_plain, paths), strict=True):
            written = Written(*plain) if plain else self._try(document.read, path)
            source = self._source(kind, written) if written is not None else None
            if source is not None:
                self._add(sources, source, key)
        return sources

    def _files(self, top: Path) -> Iterator[str]:
        """The YAML files below a folder, in the same order on every host."""
        # os.walk and plain strings: a Path for each file costs more than opening it.
        for folder, folders, names in os.walk(top):
            folders.sort()
            for name in sorted(names):
                if name.endswith(".yaml"):
                    yield f"{folder}/{name}"
                elif name.endswith(".yml"):
                    message = "this file is not read: the name of a recipe's file ends in .yaml"
                    hint = f"rename it to {name[:-4]}.yaml"
                    self._found.append(Diagnostic(Spot(f"{folder}/{name}"), Code.FILE_NAME, message, hint))

    def _add(self, sources: dict[str, Source[M]], source: Source[M], key: str) -> None:
        name: str = source.written.data[key]
        first = sources.setdefault(name, source)
        if first is not source:
            there = (first.written.spot(key), "the other one")
            message = f"two {_PLURAL[key]} are called '{name}'"
            hint = "rename or remove one of them"
            self._found.append(
                Diagnostic(source.written.spot(key), Code.DUPLICATE_NAME, message, hint, (there,))
            )

    def _overlay(self, path: Path, recipes: dict[str, Source[schema.Recipe]]) -> OverlayFile | None:
        written = self._try(document.read, path)
        if (
            written is None
            or self._try(lambda frame: schema.read(schema.Overlay, frame), _frame(written)) is None
        ):
            return None
        common = self._source(schema.Fragment, written.part("common")) if "common" in written.data else None
        for number in range(len(written.data.get("recipes", ()))):
            recipe = self._source(schema.Recipe, written.part("recipes", number))
            if recipe is not None:
                self._add(recipes, recipe, "image")
        patches = self._sources(schema.Patch, written, "images")
        return OverlayFile(written, common, patches, self._sources(schema.SitePatch, written, "sites"))

    def _sources(self, kind: type[M], written: Written, key: str) -> dict[str, Source[M]]:
        """The pieces under a key, by name; those with mistakes are left out and reported."""
        pieces = {name: self._source(kind, written.part(key, name)) for name in written.data.get(key, ())}
        return {name: piece for name, piece in pieces.items() if piece is not None}

    def _source(self, kind: type[M], written: Written) -> Source[M] | None:
        try:
            if written.templated:
                schema.check_template(kind, written)
                where = holes(written.data)
                if where:
                    where.pop("parameters", None)  # filled in when a trait is used, one after the other
                return Source(written, kind, None, where)
            model, mistakes = schema.read(kind, written)
            return Source(written, kind, model, mistakes=mistakes)
        except Refused as refused:
            self._found += refused.diagnostics
            return None

    def _try(self, step: Callable[[A], R], argument: A) -> R | None:
        try:
            return step(argument)
        except Refused as refused:
            self._found += refused.diagnostics
            return None


def _plain(path: str) -> tuple[str, Any, Any, bool] | None:
    """The content of a file as plain values; None if the file has errors: a second read reports them."""
    try:
        written = document.read(path)
    except Refused:
        return None
    return written.file, written.data, written.marks, written.templated


def _frame(overlay: Written) -> Written:
    """An overlay without the content of its parts, which are checked one by one."""
    if not isinstance(overlay.data, dict):
        return overlay
    data = dict(overlay.data)
    for key, kind in (("common", dict), ("images", dict), ("sites", dict), ("recipes", list)):
        if isinstance(data.get(key), kind):
            data[key] = kind()
    return overlay.with_data(data)


A = TypeVar("A")
R = TypeVar("R")
_PLURAL = {"image": "recipes", "trait": "traits", "site": "sites", "scenario": "scenarios"}


def _no_set(directory: Path) -> Diagnostic:
    if not directory.is_dir():
        siblings = directory.parent
        known = (
            [entry.name for entry in siblings.iterdir() if (entry / "set.yaml").is_file()]
            if siblings.is_dir()
            else []
        )
        place = str(directory) if len(directory.parts) > 1 else f"./{directory}"
        others = f"sets in the same folder: {', '.join(sorted(known))}" if known else ""
        hint = closest(directory.name, known) or others or f"`buildsys new {word(place)}` begins a set there"
        return Diagnostic(NOWHERE, Code.NO_SET, f"there is no folder {directory}", hint)
    message = f"{directory} is not an image set: it has no set.yaml"
    return Diagnostic(NOWHERE, Code.NO_SET, message, "name the folder of a set, like recipes/stable-pike")
