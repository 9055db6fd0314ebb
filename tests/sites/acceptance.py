"""stable-pike from a stand-in for the vault, whole: what the site `rdo` builds by itself, and what with help.

`python -m tests.sites.acceptance FOLDER` builds below FOLDER, with a registry, a vault and a mirror on the
loopback, and writes FOLDER/report.md: which images were built, which were not, and why. Exit status 0: the
site built all that it says it can, and every image with the overlay of docs/how-to/build-from-the-vault.md;
these are what the facts say, but for files that the stand-in for centos:7 has otherwise than its packages.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.conformance import facts as known
from tests.conformance import reference
from tests.conformance.check import Report, check
from tests.conformance.model import BuiltImage
from tests.conformance.report import failed, last_line
from tests.conformance.store import opened
from tests.conftest import ROOT
from tests.docs.pages import File, steps
from tests.sites.ground import Ground, Outcome, open_ground
from tests.sites.loopback import Web, web_server
from tests.sites.vault import ELSEWHERE, REPOSITORIES, make_vault

PAGE = ROOT / "docs/how-to/build-from-the-vault.md"


@dataclass(frozen=True)
class Built:
    """What a build came to."""

    done: Outcome
    results: Mapping[str, Mapping[str, Any]]
    """By image: its result file."""

    @property
    def images(self) -> list[str]:
        """The images that are there."""
        return sorted(name for name, result in self.results.items() if result["status"] != "failed")


def main(folder: Path) -> int:
    """Build twice, report, and say by the exit status whether all is as it should be."""
    folder.mkdir(parents=True, exist_ok=True)
    with open_ground(folder) as ground:
        make_vault(folder / "vault", ground.stand_ins, ground.key)
        with web_server(folder / "vault") as web:
            overlays = [*_overlays(folder, ground, web)]
            alone = _build(ground, overlays[:1])
            helped = _build(ground, overlays)
            held = _held(ground)
            every = ground.buildsys("list", "stable-pike", "--json")
    names = [image["image"] for image in json.loads(every.text)]
    text = "\n".join(_report(names, alone, helped, held)) + "\n"
    (folder / "report.md").write_text(text)
    sys.stdout.write(text)
    said = f"the site rdo can build {len(alone.images)} of {len(names)} images"
    right = alone.done.status == helped.done.status == 0 and said in alone.done.text
    return 0 if right and len(helped.images) == len(names) and not failed(held) else 1


def _overlays(folder: Path, ground: Ground, web: Web) -> Iterator[Path]:
    """The overlays of the page, with the addresses of this ground: mirrors, and what the vault lacks."""
    for step in steps(PAGE.read_text()):
        if isinstance(step, File):
            text = step.text.replace("http://mirror.example.org", web.address)
            text = text.replace("registry.example.org/library/centos:7", ground.base)
            overlay = folder / step.name
            overlay.write_text(text.replace("/srv/gems", str(ground.stand_ins / "gems")))
            yield overlay


def _build(ground: Ground, overlays: list[Path]) -> Built:
    """Build all of it with these overlays, and show how it went."""
    plan = ground.place / "plan"
    words = [word for overlay in overlays for word in ("--overlay", overlay)]
    done = ground.buildsys("build", "stable-pike", "--site", "rdo", *words, "-o", plan)
    sys.stdout.write(done.text)
    sys.stdout.flush()
    planned = json.loads((plan / "plan.json").read_text())["images"]
    files = {name: plan / f"results/{name}.json" for name in planned}
    return Built(done, {name: json.loads(file.read_text()) for name, file in files.items() if file.exists()})


def _held(ground: Ground) -> Report:
    """The images held against the facts."""
    facts = known.load()
    (kolla,) = (ground.stand_ins / "repo").rglob("openstack-kolla-[0-9]*.rpm")
    newest: dict[str, str] = {}
    for path in (*REPOSITORIES.values(), *ELSEWHERE):
        newest |= reference.newest(ground.place / "vault" / path)
    references = reference.References(reference.payload(facts, kolla), newest=newest)
    root, run = ground.store.root, ground.store.runroot
    with (
        opened(root, run, ("centos",), ground.base) as bases,
        opened(root, run, tuple(facts.images)) as images,
    ):
        begun = {item.path: item.flags for item in bases["centos"].deviations}
        return check(facts, {name: _since(image, begun) for name, image in images.items()}, references)


def _since(image: BuiltImage, begun: Mapping[str, str]) -> BuiltImage:
    """An image, without what was wrong with files before anything was built on them."""
    left = (replace(item, flags=_letters(item.flags, begun.get(item.path, ""))) for item in image.deviations)
    return replace(image, deviations=tuple(item for item in left if item.flags))


def _letters(flags: str, before: str) -> str:
    if "missing" in (flags, before):
        return "" if flags == before else flags
    return "".join(letter for letter in flags if letter not in before)


def _report(names: list[str], alone: Built, helped: Built, held: Report) -> Iterator[str]:
    yield "# stable-pike from a stand-in for the vault"
    yield ""
    yield f"By itself: {len(alone.images)} of {len(names)} images. With the overlay: {len(helped.images)}."
    yield ""
    yield last_line(held)
    yield from (f"* {item}" for item in held.findings if item.verdict == "failed")
    yield ""
    yield "| image | by itself | seconds | with the overlay |"
    yield "|---|---|---:|---|"
    for name in names:
        one, other = alone.results.get(name), helped.results.get(name)
        seconds = f"{one['seconds']:.1f}" if one else ""
        yield f"| {name} | {_word(one)} | {seconds} | {_word(other)} |"
    yield ""
    yield "What the site said as it began:"
    yield ""
    warnings = alone.done.text.partition("\n[")[0].rstrip().splitlines()
    yield from (f"    {line}".rstrip() for line in warnings)


def _word(result: Mapping[str, Any] | None) -> str:
    return str(result["status"]) if result else "left out"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).absolute()))
