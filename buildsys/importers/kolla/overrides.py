"""Files of overrides, several as kolla-build takes them, become one overlay."""

from __future__ import annotations

import re
from collections.abc import Sequence

from buildsys.diagnostics import NOWHERE, Diagnostic, Refused
from buildsys.image import ImageSet
from buildsys.importers.kolla.blocks import Blocks
from buildsys.importers.kolla.configuration import turn_configuration
from buildsys.importers.kolla.everywhere import give_all
from buildsys.importers.kolla.lists import Target, turn_lists
from buildsys.importers.kolla.templates import Block, read_template
from buildsys.importers.overlay import Overlay
from buildsys.importers.untaken import untaken

_BLOCK = re.compile(r"(?P<image>[a-z0-9_]+)_(?P<where>header|footer)")


def turn(files: Sequence[str], image_set: ImageSet | None) -> tuple[Overlay, list[Diagnostic]]:
    """The overlay, and what is not in it. `image_set` is the one it is for; none: names are trusted.

    Raises:
        Refused: a file cannot be read, or is not what its name says.
    """
    target, overlay = Target.of(image_set), Overlay()
    found: list[Diagnostic] = []
    templates = []
    for file in files:
        match file.rpartition(".")[2]:
            case "j2":
                templates.append(read_template(file))
            case "conf" | "ini":
                turn_configuration(file, target, overlay, found)
            case _:
                hint = "template overrides are called NAME.j2, and a configuration kolla-build.conf"
                message = f"{file} is neither .j2 nor .conf"
                raise Refused([Diagnostic(NOWHERE, "bad-choice", message, hint)])
    used = {name for template in templates for name in template.used}
    settings = [item for template in templates for item in template.settings]
    turn_lists(settings, used, target, overlay, found)
    blocks = {item.name: item for template in templates for item in template.blocks}
    # Each has what those before it set, and the footer of every image comes last.
    for block in sorted(
        blocks.values(), key=lambda item: (item.name == "footer", item.name.endswith("_footer"))
    ):
        _turn_block(block, target, overlay, found)
    found += (item for template in templates for item in template.found)
    return overlay, sorted(set(found))


def _turn_block(block: Block, target: Target, overlay: Overlay, found: list[Diagnostic]) -> None:
    what = f"the block '{block.name}'"
    match = _BLOCK.fullmatch(block.name)
    if not block.text.strip():
        return
    if block.name == "footer":
        give_all(Blocks(found).settings(block), what, target, overlay, found)
    elif match is None:
        why = "it takes the place of a part of Kolla's own template, and a recipe has no such part"
        found.append(untaken(block.spot, what, why, "say what it does as steps of the image"))
    elif image := target.image(match["image"]):
        Blocks(found).turn(block, overlay.image(image), before=match["where"] == "header")
    else:
        why = f"the set has no image '{match['image'].replace('_', '-')}'"
        found.append(untaken(block.spot, what, why, target.hint(match["image"])))
