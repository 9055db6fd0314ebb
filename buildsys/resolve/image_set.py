"""Resolve a whole image set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from buildsys import image
from buildsys.diagnostics import Code, Diagnostic, Refused, Spot, closest, plan_path
from buildsys.graph import rings
from buildsys.image.names import qualified
from buildsys.packages import manager_of
from buildsys.packages.gems import Gems
from buildsys.recipe import schema
from buildsys.recipe.containerfile import Containerfile
from buildsys.recipe.document import data_hash
from buildsys.recipe.library import Library, Source, collector_resting
from buildsys.recipe.schema import types
from buildsys.resolve import apply_overlay
from buildsys.resolve.containerfile_recipe import (
    check_alone,
    check_triggers,
    containerfile,
    spoken,
    written_below,
)
from buildsys.resolve.context import Context
from buildsys.resolve.cycles import diagnostic, long_chains
from buildsys.resolve.fragment import Draft, check_draft, part
from buildsys.resolve.image_tests import joined, with_parents
from buildsys.resolve.limits import absent, foreign
from buildsys.resolve.profiles import profiles
from buildsys.resolve.scenarios import scenarios
from buildsys.resolve.set_origin import origin
from buildsys.resolve.site_sources import choose, resolve_site
from buildsys.resolve.source import Notes, filled, filled_part
from buildsys.resolve.supplies import Around
from buildsys.resolve.traits import Parts, Traits, Uses
from buildsys.resolve.variables import settings
from buildsys.resolve.written_steps import Surroundings

Change = tuple[schema.Patch, Notes]
Parent = image.ParentImage | image.BaseImage | image.EmptyRoot
First = tuple[image.Instruction, ...]
"""Instructions before those of the recipe."""


def resolve(
    library: Library,
    *,
    site: str | None,
    variables: Mapping[str, str],
    stand_ins: Path | None,
    platform: str = "",
) -> image.ImageSet:
    """Resolve every image of a set for one site (None: the set's own).

    `platform` is one of the set's; empty: its first. `variables` are the caller's values for variables of the
    set. `stand_ins` is the directory in which stand-in packages were made; without it, what lies there is
    left out of the site.

    Raises:
        Refused: the set cannot be resolved; every mistake of it.
    """
    with collector_resting():
        return _Resolver(library, site, variables, stand_ins, platform).image_set()


class _Resolver:
    """Resolves one set and collects the mistakes."""

    def __init__(
        self,
        library: Library,
        asked_site: str | None,
        given: Mapping[str, str],
        stand_ins: Path | None,
        platform: str,
    ) -> None:
        self._library = library
        self._asked_platform = platform
        self._asked_site = asked_site
        self._found: list[Diagnostic] = []
        site = choose(library, asked_site)
        self._variables, self._set_at = settings(library, site, given, self._found)
        self._site = resolve_site(site, library, self._variables, stand_ins, self._found)
        self._around = Surroundings(
            images=library.recipes,
            context=Context(library.directory, [item.written.file for item in library.overlays]),
            checksums=self._site.checksums if self._site else None,
            gems=self._site.gems if self._site else Gems((), known=False),
        )
        self._traits = Traits(library.traits, self._variables, self._around, self._found)
        commons = [library.common, *(item.common for item in library.overlays)]
        self._commons = [_Common(common, self._traits) for common in commons if common is not None]
        self._nearest: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._overlay_files = {item.written.file for item in library.overlays}
        self._read: dict[str, Containerfile] = {}
        self._joined: list[tuple[str, str, Spot]] = []

    def image_set(self) -> image.ImageSet:
        """The whole set."""
        header = Header(self._library, self._found, self._asked_platform)
        self._check_overlays()
        images = {}
        for name, source in sorted(self._library.recipes.items()):
            resolved = self._image(name, source, header)
            if resolved is not None:
                images[name] = resolved
        self._refuse_rings(images)
        check_triggers(images, self._found)
        self._found += long_chains(images)
        if self._site:
            self._found += foreign(images, manager_of(self._site.site))
        members = self._profiles()
        tried = scenarios(self._library, self._variables, self._found)
        if self._found or self._site is None:
            raise Refused(self._found)
        in_profiles: dict[str, list[str]] = {name: [] for name in images}
        for profile, names in members.items():
            for name in names:
                in_profiles[name].append(profile)
        promised = "gems" in self._library.sites[self._site.site.name].written.data
        images = {
            name: replace(item, profiles=tuple(in_profiles[name])) if in_profiles[name] else item
            for name, item in with_parents(images).items()
        }
        return image.ImageSet(
            name=header.name,
            format=header.format,
            epoch=header.epoch if self._site.epoch is None else self._site.epoch,
            directory=str(self._library.directory),
            site=self._site.site,
            images=images,
            profiles=members,
            absent=absent(images, self._site, gems=promised or self._site.gems.known),
            origin=origin(self._library, self._asked_site, self._variables, self._set_at),
            scenarios=tried,
            layers=header.layers,
            platforms=header.platforms,
            platform=header.platform,
            remarks=tuple(sorted(written_below(images, self._read))),
            traits={
                plan_path(trait.written.file): data_hash(trait.written)
                for _, trait in sorted(self._library.traits.items())
            },
        )

    def _image(self, name: str, source: Source[schema.Recipe], header: Header) -> image.Image | None:
        header.check_name(name, source.written.spot("image"), self._found)
        scope = {**self._variables, "image": name}
        own = filled(source, scope, self._found)
        patches = [
            filled(item.patches[name], scope, self._found)
            for item in self._library.overlays
            if name in item.patches
        ]
        if own is None:
            return None
        recipe, notes = own
        changes = [patch for patch in patches if patch is not None]
        draft = self._draft(name, recipe, notes, changes)
        self._joined += (
            (name, profile, notes.spot("profiles", number))
            for number, profile in enumerate(recipe.profiles or ())
        )
        check_draft(draft, header.format, self._found)
        if recipe.containerfile is not None:
            check_alone(draft, name, self._found)
            parent, parent_spot, first = self._built(recipe, notes, changes, header)
        else:
            parent, parent_spot, first = self._parent(recipe, notes, changes)
        return image.Image(
            name=name,
            reference=header.reference(name),
            parent=parent,
            instructions=(*first, *draft.instructions()),
            config=draft.config(),
            spot=notes.spot("image"),
            parent_spot=parent_spot,
            spots=draft.spots() | {f"args.{key}": notes.spot("args", key) for key in recipe.args or {}},
            test=joined(draft.tests),
        )

    def _draft(self, name: str, recipe: schema.Recipe, notes: Notes, changes: list[Change]) -> Draft:
        uses: Uses = recipe.uses or []
        for patch, patch_notes in changes:
            if patch.uses:
                uses = apply_overlay.without(patch.uses, uses, patch_notes)
        parts: Parts = {}
        for number, common in enumerate(self._commons):
            parts |= common.parts(name, number, self._variables, self._around, self._found)
        for key, item in self._traits.parts(uses, notes, ("uses",), name).items():
            parts.setdefault(key, item)
        for patch, patch_notes in changes:
            if patch.uses and patch.uses.append:
                for key, item in self._traits.parts(
                    patch.uses.append, patch_notes, ("uses", "append"), name
                ).items():
                    parts.setdefault(key, item)
        draft = Draft()
        for item in parts.values():
            draft.add(item)
        draft.add(part(recipe, notes, self._around))
        for patch, patch_notes in changes:
            apply_overlay.apply(patch, draft, patch_notes, self._around)
        if self._site:
            draft.labels.update(self._site.labels)
        return draft

    def _parent(
        self, recipe: schema.Recipe, notes: Notes, changes: list[Change]
    ) -> tuple[Parent, Spot, First]:
        for key in ("network", "args", "contexts", "secrets"):
            value = getattr(recipe, key)
            if value is not None:
                problem = (
                    Code.MISPLACED_KEY,
                    f"'{key}' is only for a recipe with a containerfile",
                    "leave it out",
                )
                notes.problem((key,), problem, key=True)
        name, where = recipe.from_ or "", notes
        for patch, patch_notes in changes:
            if patch.from_ is not None:
                name, where = patch.from_, patch_notes
        spot = where.spot("from")
        if isinstance(name, schema.BaseImage):
            empty = name.image == schema.SCRATCH
            return (image.EmptyRoot() if empty else image.BaseImage(name.image)), spot, ()
        if name == schema.SCRATCH and name not in self._library.recipes:
            return image.EmptyRoot(), spot, ()
        if name == "site":
            if self._site is None:
                return image.EmptyRoot(), spot, ()
            return self._site.base, spot, (self._site.bootstrap,) if self._site.bootstrap else ()
        if name not in self._library.recipes:
            hint = self._near(name) or "`from` names an image of this set, or site"
            if "/" in name or ":" in name:
                hint = _elsewhere(name)
            self._found.append(Diagnostic(spot, Code.UNKNOWN_PARENT, f"no image is called '{name}'", hint))
        return image.ParentImage(name), spot, ()

    def _built(
        self, recipe: schema.Recipe, notes: Notes, changes: list[Change], header: Header
    ) -> tuple[Parent, Spot, First]:
        named = [(recipe.from_, notes), *((patch.from_, where) for patch, where in changes)]
        for where in (where for name, where in named if name is not None):
            hint = "FROM in it names what the image is made from"
            problem = (Code.CONTAINERFILE_ALONE, "a recipe has either 'from' or containerfile", hint)
            where.problem(("from",), problem, key=True)
        folder = Path(notes.written.file).parent
        top = folder if notes.written.file in self._overlay_files else self._library.directory
        if not self._names:
            self._names = spoken({name: header.reference(name) for name in self._library.recipes})
        usual = self._site.base if self._site else None
        elsewhere = usual.reference if isinstance(usual, image.BaseImage) else ""
        built = containerfile(recipe, notes, Around(top, self._names, elsewhere, header.format))
        if built is None:
            return image.EmptyRoot(), notes.spot("containerfile"), ()
        self._read[recipe.image] = built[2]
        return built[1], built[2].parent.spot, (built[0],)

    def _near(self, name: str) -> str:
        """The closest names, kept: all children of a renamed parent ask for them."""
        if name not in self._nearest:
            self._nearest[name] = closest(name, [*self._library.recipes, "site"])
        return self._nearest[name]

    def _check_overlays(self) -> None:
        for item in self._library.overlays:
            for name in item.sites:
                if name not in self._library.sites:
                    spot = item.written.key_spot("sites", name)
                    hint = closest(name, self._library.sites) or (
                        f"known sites: {', '.join(sorted(self._library.sites)) or 'none'}"
                    )
                    self._found.append(
                        Diagnostic(spot, Code.UNKNOWN_SITE, f"no site is called '{name}'", hint)
                    )
            for name in item.patches:
                if name not in self._library.recipes:
                    spot = item.written.key_spot("images", name)
                    hint = closest(name, self._library.recipes) or "a new image goes under recipes:"
                    self._found.append(
                        Diagnostic(spot, Code.UNKNOWN_IMAGE, f"no image is called '{name}'", hint)
                    )

    def _refuse_rings(self, images: Mapping[str, image.Image]) -> None:
        edges = {
            name: {need: spot for need, spot in item.dependencies().items() if need in images}
            for name, item in images.items()
        }
        for ring in rings(edges):
            hint = "one of them must come from something else"
            self._found.append(
                diagnostic(ring, edges, Code.IMAGE_CYCLE, "images need one another in a ring", hint)
            )

    def _profiles(self) -> dict[str, tuple[str, ...]]:
        written = self._library.written
        notes = Notes(written, self._found)
        if not self._library.set.profiles:
            return profiles({}, notes, self._library.recipes, self._joined)
        filled_in = {
            name: filled_part(written.part("profiles", name), self._variables, self._found) or []
            for name in self._library.set.profiles
        }
        return profiles(filled_in, notes, self._library.recipes, self._joined)


def _elsewhere(name: str) -> str:
    """The hint for a reference where the name of an image of the set is wanted."""
    return f'write from: {{image: "{qualified(name)}"}} for an image built elsewhere'


class _Common:
    """A fragment for all images; resolved only once if it does not use the image's name."""

    def __init__(self, source: Source[schema.Fragment], traits: Traits) -> None:
        self._source = source
        self._traits = traits
        self._shared: Parts | None = None
        self._same = not traits.needs_image(source.written)

    def parts(
        self,
        name: str,
        number: int,
        variables: Mapping[str, Any],
        around: Surroundings,
        found: list[Diagnostic],
    ) -> Parts:
        """Its parts for one image, those of its traits first."""
        if self._shared is not None:
            return self._shared
        parts: Parts = {}
        ready = filled(self._source, {**variables, "image": name}, found)
        if ready is not None:
            fragment, notes = ready
            parts = dict(self._traits.parts(fragment.uses or [], notes, ("uses",), name))
            parts["common", str(number)] = part(fragment, notes, around)
        if self._same:
            self._shared = parts
        return parts


LONGEST_NAME = 255
"""Characters a reference may have between registry and tag."""


class Header:
    """The keys of set.yaml, with defaults."""

    def __init__(self, library: Library, found: list[Diagnostic], platform: str) -> None:
        written = library.set
        found += library.mistakes
        self.name = written.set_
        self.format: image.Format = written.format or "docker"
        self.layers: image.Layers = written.layers or "one"
        self.epoch = written.epoch
        self._registry = written.registry or "localhost"
        self._namespace = written.namespace
        self._prefix = written.prefix or ""
        self.platforms = tuple(dict.fromkeys(written.platforms or ()))
        self.platform = platform or next(iter(self.platforms), "")
        if platform and platform not in self.platforms:
            known = f"it is for {', '.join(self.platforms)}" if self.platforms else "it names no platforms"
            message = f"the set {self.name} is not for {platform}: {known}"
            hint = f"add it to the set: platforms: [{', '.join((*self.platforms, platform))}]"
            found.append(Diagnostic(library.written.spot("platforms"), Code.UNKNOWN_PLATFORM, message, hint))
        # Images of the first platform have the tag as it is written; both may lie in one store.
        other = self.platform.partition("/")[2] if self.platform != next(iter(self.platforms), "") else ""
        self._tag = f"{written.tag}-{other}" if other else written.tag

    def check_name(self, name: str, spot: Spot, found: list[Diagnostic]) -> None:
        """Report mistakes of an image's name."""
        problem = types.IMAGE_NAME.problem(name)
        whole = f"{self._namespace}/{self._prefix}{name}"
        if problem is None and len(whole) > LONGEST_NAME:
            problem = (
                Code.BAD_IMAGE_NAME,
                f"the name {whole} is longer than {LONGEST_NAME} characters",
                "shorten it",
            )
        if problem is not None:
            found.append(Diagnostic(spot, *problem))

    def reference(self, name: str) -> image.ImageReference:
        """The reference of an image of the set."""
        return image.ImageReference(self._registry, self._namespace, self._prefix, name, self._tag)
