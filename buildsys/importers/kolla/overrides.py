"""Import several files of overrides, as kolla-build takes them, as one overlay."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused, Spot
from buildsys.image import ImageSet
from buildsys.importers.inexpressible import drop_inexpressible
from buildsys.importers.kolla.blocks import Blocks
from buildsys.importers.kolla.build_conf import turn_configuration
from buildsys.importers.kolla.common import give_all
from buildsys.importers.kolla.lists import Target, turn_lists
from buildsys.importers.kolla.sources import Archives
from buildsys.importers.kolla.templates import Block, read_template
from buildsys.importers.overlay_text import Changes, Overlay, untaken

_BLOCK = re.compile(r"(?P<image>[a-z0-9_]+)_(?P<where>header|footer)")
_EVERY = {"footer", "labels"}
"""Names of blocks that every image has."""


def turn(
    files: Sequence[str], image_set: ImageSet | None, sites: Iterable[str] = ()
) -> tuple[Overlay, list[Diagnostic]]:
    """Return the overlay, and a diagnostic for each omission. Without `image_set`, names are not checked.

    `sites` are the set's.

    Raises:
        Refused: a file cannot be read, or is not what its name says.
    """
    sites = tuple(sites) or ((image_set.site.name,) if image_set else ())
    target, overlay = Target.of(image_set, sites), Overlay(sites=sites)
    found: list[Diagnostic] = []
    _check_names(files)
    archives, known = Archives(), _known(target)
    for file in files:
        if not file.endswith(".j2"):
            known |= turn_configuration(file, target, overlay, archives, found)
    templates = [read_template(file, known) for file in files if file.endswith(".j2")]
    used = {name for template in templates for name in template.used}
    settings = [item for template in templates for item in template.settings]
    turn_lists(settings, used, target, overlay, found)
    blocks = {item.name: item for template in templates for item in template.blocks}
    # Each file sees the variables of earlier files; the common footer comes last.
    for block in sorted(
        blocks.values(), key=lambda item: (item.name in _EVERY, item.name.endswith("_footer"))
    ):
        _turn_block(block, target, overlay, archives, found)
    found += (item for template in templates for item in template.found)
    found += archives.unused()
    for changes in (overlay.common, *overlay.images.values()):
        drop_inexpressible(changes, found)
    if not target.sites:
        found += (_unverified(url, at) for url, at in overlay.downloads.items())
    return overlay, sorted(set(found))


def _check_names(files: Sequence[str]) -> None:
    for file in files:
        if file.rpartition(".")[2] not in {"j2", "conf", "ini"}:
            hint = "template overrides are called NAME.j2, and a configuration kolla-build.conf"
            message = f"{file} is neither .j2 nor .conf"
            raise Refused([Diagnostic(NOWHERE, Code.BAD_CHOICE, message, hint)])


def _known(target: Target) -> dict[str, str]:
    """Return the values of kolla-build's variables for images made as in this set."""
    if target.format is None:
        return {}
    return {
        "base_distro": target.distributions[0],
        "base_package_type": target.format.suffix,
        "install_type": "binary",
    }


def _unverified(url: str, at: Spot) -> Diagnostic:
    why = "it is unknown"
    return untaken(at, f"the checksum of {url}", why, "write sha256: with the download, or use --set SET")


def _turn_block(
    block: Block, target: Target, overlay: Overlay, archives: Archives, found: list[Diagnostic]
) -> None:
    match = _BLOCK.fullmatch(block.name)
    if not block.text.strip():
        return
    if block.name in _EVERY:
        _turn_every(block, target, overlay, archives, found)
    elif match is None:
        what = f"the block '{block.name}'"
        why = "it takes the place of a part of Kolla's own template, and a recipe has no such part"
        found.append(untaken(block.spot, what, why, "write its effect as steps of the image"))
    elif image := target.image(match["image"]):
        blocks = Blocks(found, archives, target.user(image))
        blocks.turn(block, image, overlay.image(image), before=match["where"] == "header")
    else:
        what = f"the block '{block.name}'"
        why = f"the set has no image '{match['image'].replace('_', '-')}'"
        found.append(untaken(block.spot, what, why, target.hint(match["image"])))


def _turn_every(
    block: Block, target: Target, overlay: Overlay, archives: Archives, found: list[Diagnostic]
) -> None:
    """Import a block of every image: its settings for all, its steps for images without children."""
    what = f"the block '{block.name}'"
    own = Changes()
    Blocks(found, archives).turn(block, "", own, before=False)
    own.scalars.pop("user", None)
    give_all(own, what, target, overlay, found)
    if not own.steps:
        return
    if not target.images:
        why = "steps of `common:` come before those of an image, and these come after"
        for step, spot in own.steps:
            hint = "say which set it is for: --set SET"
            found.append(untaken(spot, f"'{next(iter(step))}' in {what}", why, hint))
        return
    for image in target.leaves:
        each = Changes()
        Blocks([], archives).turn(block, image, each, before=False)
        changes = overlay.image(image)
        changes.steps += each.steps
        changes.downloads |= each.downloads
        changes.files |= each.files
