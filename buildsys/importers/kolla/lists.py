"""Import lists that overrides append to, remove from or replace: `nova_api_packages_append`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from buildsys.diagnostics import Diagnostic, closest
from buildsys.image import NAME, Image, ImageSet, Install, ParentImage
from buildsys.importers.containerfile_steps import Reading
from buildsys.importers.kolla.templates import Setting
from buildsys.importers.overlay_text import Overlay, untaken
from buildsys.importers.run_text import Wheels, requirement
from buildsys.packages import manager_of
from buildsys.packages.manager import PackageFormat
from buildsys.recipe.schema import types

_RPM, _DEB = "centos|oraclelinux|redhat|rhel|rocky", "debian|ubuntu"
_DISTRIBUTIONS = {"rpm": _RPM, "deb": _DEB}
"""By the format of their packages; the first one is the usual one."""
_LIST = re.compile(
    rf"(?P<image>[a-z0-9_]+?)_(?P<list>(?:(?P<distribution>{_RPM}|{_DEB})_)?(?:binary_|source_|yum_repo_)?packages"
    r"|pip_packages|yum_url_packages|yum_repo_files|yum_repo_keys)_(?P<operation>append|remove|override)"
)
_VERSIONED = re.compile(r"([a-z0-9][a-z0-9+.-]*)=\S+")
_OTHERS = {
    "yum_url_packages": "they are URLs, and packages come from the site's repositories",
    "yum_repo_files": "repositories belong to the site, or to the image: repositories:",
    "yum_repo_keys": "keys belong to the site's repositories; import-key: is a step",
}

_WHICH = "say which set it is for: --set SET"


@dataclass(frozen=True, slots=True)
class Target:
    """The set that the overlay is for; without images it is unknown."""

    images: Mapping[str, Image]
    format: PackageFormat | None = None
    """The format of its packages; None: unknown."""
    sites: tuple[str, ...] = ()
    """The names of its sites."""

    @classmethod
    def of(cls, image_set: ImageSet | None, sites: Iterable[str] = ()) -> Target:
        """Describe a set; None for an unknown one."""
        return (
            cls(image_set.images, manager_of(image_set.site).format, tuple(sites)) if image_set else cls({})
        )

    @property
    def leaves(self) -> list[str]:
        """The images without children."""
        every = (image.parent for image in self.images.values())
        parents = {parent.name for parent in every if isinstance(parent, ParentImage)}
        return [name for name in self.images if name not in parents]

    def user(self, name: str) -> str:
        """The user that an image runs as; empty if it is root or unknown."""
        image = self.images.get(name)
        while image is not None:
            if image.config.user:
                return image.config.user
            image = self.images.get(image.parent.name) if isinstance(image.parent, ParentImage) else None
        return ""

    @property
    def distributions(self) -> list[str]:
        """Distributions that its packages may belong to, by Kolla's names."""
        return _DISTRIBUTIONS.get(self.format.suffix, "").split("|") if self.format else [""]

    def image(self, name: str) -> str:
        """Return the image that Kolla calls `name` in its variables; empty if the set has none."""
        plain = name.replace("_", "-")
        if not self.images:
            return plain if NAME.fullmatch(plain) else ""
        return next((image for image in self.images if image.replace("-", "_") == name), "")

    def hint(self, name: str) -> str:
        """Return a hint for a wrong name."""
        return closest(name.replace("_", "-"), self.images)

    def packages(self, image: str) -> tuple[str, ...]:
        """Return the packages that the image itself installs."""
        steps = self.images[image].instructions if image in self.images else ()
        return tuple(item.name for step in steps if isinstance(step, Install) for item in step.packages)


def turn_lists(
    settings: Iterable[Setting],
    used: Collection[str],
    target: Target,
    overlay: Overlay,
    found: list[Diagnostic],
) -> None:
    """Import lists. The last value of a variable counts, as in Kolla.

    Names that others `used` need not be lists.
    """
    last = {item.name: item for item in settings if item.name not in used or _LIST.fullmatch(item.name)}
    # Append first, so that a removal can match.
    for item in sorted(last.values(), key=lambda item: item.name.endswith("_remove")):
        match = _LIST.fullmatch(item.name)
        if match is None:
            why = "it is not a list of packages that Kolla's templates let users change"
            found.append(untaken(item.spot, f"'{item.name}'", why))
        elif match["operation"] != "override" and f"{match['image']}_{match['list']}_override" in last:
            why = "of a list with '_override', Kolla takes nothing else"
            found.append(untaken(item.spot, f"'{item.name}'", why))
        elif match["list"] == "pip_packages":
            _install_wheels(item, match, target, overlay, found)
        elif problem := _problem(plain := _without_versions(item, found), match, target):
            found.append(untaken(item.spot, f"'{item.name}'", *problem))
        else:
            _change(plain, match, target, overlay, found)


def _problem(item: Setting, match: re.Match[str], target: Target) -> tuple[str, str] | None:
    if match["list"] in _OTHERS:
        return _OTHERS[match["list"]], ""
    if match["distribution"] and match["distribution"] not in target.distributions:
        known = "a set is made for one distribution"
        return f"it is for {match['distribution']}", known if target.images else _WHICH
    if not isinstance(item.value, list) or not all(isinstance(name, str) for name in item.value):
        return "its value is not a list of names", ""
    for name in item.value:
        if problem := types.PACKAGE_NAME.problem(name):
            return problem[1], problem[2]
    if not target.image(match["image"]):
        return f"the set has no image '{match['image'].replace('_', '-')}'", target.hint(match["image"])
    if match["operation"] == "override" and not target.images:
        return "what it replaces is known only with the set", _WHICH
    return None


def _install_wheels(
    item: Setting, match: re.Match[str], target: Target, overlay: Overlay, found: list[Diagnostic]
) -> None:
    """Import a list for pip: its packages come from files/."""
    image, what = target.image(match["image"]), f"'{item.name}'"
    if not isinstance(item.value, list) or not all(isinstance(name, str) for name in item.value):
        found.append(untaken(item.spot, what, "its value is not a list of names"))
        return
    if not image:
        why = f"the set has no image '{match['image'].replace('_', '-')}'"
        found.append(untaken(item.spot, what, why, target.hint(match["image"])))
        return
    if match["operation"] == "remove":
        found.append(untaken(item.spot, what, "the set installs nothing by pip"))
        return
    names = [name for name in item.value if requirement(name)]
    for name in item.value:
        if name not in names:
            why = "it is not a package name: pip fetches it from there"
            hint = "put its wheel next to the others, and its name into the `run`"
            found.append(untaken(item.spot, f"'{name}' of {what}", why, hint))
    if names:
        changes = overlay.image(image)
        reading = Reading(image, changes, found, lambda _: None)
        asked = Wheels(("pip",), (), tuple(names))
        changes.steps += [(step, item.spot) for step in reading.pip(asked, item.spot)]


def _without_versions(item: Setting, found: list[Diagnostic]) -> Setting:
    """Return the list without apt's versions: a lock holds them."""
    if not isinstance(item.value, list) or not all(isinstance(name, str) for name in item.value):
        return item
    pairs = [(name, _VERSIONED.fullmatch(name)) for name in item.value]
    if not item.name.endswith("_remove"):
        hint = "a lock holds the versions: buildsys lock"
        why = "the site's repositories decide that"
        found += (
            untaken(item.spot, f"the version of '{name}' in '{item.name}'", why, hint)
            for name, match in pairs
            if match
        )
    return replace(item, value=[match[1] if match else name for name, match in pairs])


def _change(
    item: Setting, match: re.Match[str], target: Target, overlay: Overlay, found: list[Diagnostic]
) -> None:
    image = target.image(match["image"])
    changes, own = overlay.image(image), target.packages(image)
    names: list[str] = item.value
    if match["operation"] == "append":
        changes.append.update(dict.fromkeys(names, item.spot))
        return
    if match["operation"] == "override":
        changes.append.update(dict.fromkeys((name for name in names if name not in own), item.spot))
        names = [name for name in own if name not in names]
    for name in names:
        if changes.append.pop(name, None):
            continue
        if target.images and name not in own:
            why = f"'{image}' does not install it itself"
            found.append(
                untaken(item.spot, f"the removal of '{name}'", why, "remove it where it is installed")
            )
        else:
            changes.remove[name] = item.spot
