"""`ImageSet` -> `Plan`: every file of the plan directory, as text or as a link to a file it carries.

Pure: reads the set's context and the site's local files; no clock, network, environment or store.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from buildsys import __version__
from buildsys.files import sha256
from buildsys.graph import ImageGraph
from buildsys.image import (
    Bootstrap,
    Containerfile,
    CopyContext,
    CopyPayload,
    Download,
    Image,
    ImageSet,
    ImportKey,
    Install,
    InstallGems,
    ParentImage,
    Transaction,
    Uninstall,
    UpdateAll,
)
from buildsys.image.shell import FILES
from buildsys.packages import manager_of, runtime_of
from buildsys.packages.gems import Gems
from buildsys.packages.rpm_payload import Files, capabilities, files_of, taken
from buildsys.plan import makefile
from buildsys.plan.carried import (
    FOLDER,
    LINK,
    SAME,
    Carried,
    builder_context,
    context_files,
    key_input,
    key_place,
    pool_files,
    repositories_file,
    unsigned_files,
)
from buildsys.plan.commands import acting_text
from buildsys.plan.step import Step, compile_step, shown_time, taken_from_others, text_hash
from buildsys.spread import spread
from buildsys.testing import spec

RUNTIME = Path(__file__).parent / "runtime"
CONTENT_CHANGING = (
    "accounts.sh", "bare.sh", "buildah.sh", "commit.sh", "containerfile.sh", "copies.sh", "edits.sh",
    "enter.sh", "inside.sh", "layer.sh", "packages.sh", "programs.sh", "repositories.sh", "rpm.sh",
    "sources.sh",
)  # fmt: skip
"""Runtime files whose change can change an image's bytes; the installer's own files are added."""
COMMENT = re.compile(r"^[ \t]*#(?: .*)?\n", re.MULTILINE)
"""A comment line of a runtime file: a reworded comment rebuilds no image."""
FILTER = ("seccomp.bpf", "seccomp.json")
"""The filter of system calls for programs of images, for bwrap and for buildah; see tools/seccomp-filter."""
TOOLS = (
    "bash", "make", "buildah", "skopeo",
    "awk", "sed", "find", "diff", "tar", "flock", "unshare", "bwrap", "ldd", "sha256sum", "sync",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """A compiled plan: `texts` by path (executable below steps/); `links`: path -> the file it carries."""

    texts: dict[str, str]
    links: dict[str, Path]


def compile_plan(image_set: ImageSet) -> Plan:
    """Compile a resolved set. Raises no errors of its own: resolve refuses every mistake."""
    site = image_set.site
    links = dict(pool_files(image_set))
    context = {source: tuple(context_files(source)) for source in _sources(image_set)}
    written = _containerfiles(image_set)
    folders = {one for item in written for one in (item.folder, *(more.folder for more in item.contexts))}
    context |= {Path(folder): tuple(builder_context(folder)) for folder in sorted(folders)}
    for root, files in context.items():
        links |= {
            f"context/{item.hash}": root / item.path if item.path else root
            for item in files
            if item.mode not in {LINK, FOLDER, SAME}
        }
    downloads = {url: sha256(Path(path)) for url, path in sorted(site.downloads.items())}
    links |= {f"pool/downloads/{downloads[url]}": Path(path) for url, path in site.downloads.items()}
    gems = _gems(image_set)
    # All gems of the site: the named ones may depend on others.
    all_gems = image_set.site.gems if gems else ()
    links |= {f"pool/gems/{Path(path).name}": Path(path) for path in all_gems}
    names = {gem: Path(path).name for gem, path in gems.items()}
    hashes = {Path(path).name: sha256(Path(path)) for path in all_gems}
    keys = {item.id: key_input(item, site) for item in site.repositories}
    payloads, capable = _payloads(image_set, links)
    built = _build_times(manager_of(site).format.build_time, links)
    carried = Carried(context, downloads, names, _given(image_set), hashes, payloads, capable, built, keys)

    scripts = {path.name: path for path in RUNTIME.glob("*.sh")} | FILES
    runtime = {name: scripts[name].read_text("utf-8") for name in sorted(scripts)}
    links["lib/seccomp.bpf"], links["lib/seccomp.json"] = (RUNTIME / name for name in FILTER)
    changing = hashlib.sha256()
    acting = runtime_of(site).name
    own = [name for name in runtime if name == f"{acting}.sh" or name.startswith(f"{acting}-")]
    own += ["split.sh"] if image_set.layers != "one" else []
    for name in (*CONTENT_CHANGING, *own):
        changing.update(COMMENT.sub("", runtime[name]).encode())
    graph = ImageGraph(image_set.images)
    images = [image_set.images[name] for name in graph.order()]
    runtime_hash = changing.hexdigest()
    compiled = spread(lambda image: compile_step(image, image_set, carried, runtime_hash), images)
    steps = [Step(image, *parts) for image, parts in zip(images, compiled, strict=True)]
    texts = {f"lib/{name}": text for name, text in runtime.items()}
    texts |= {f"steps/{step.image.name}.sh": step.script for step in steps}
    texts |= {f"keys/{step.image.name}": step.key for step in steps}
    texts["spots"] = "".join(f"image\t{step.image.name}\n{step.places}" for step in steps)
    acting_texts = [acting_text(item) for item in written]
    acting_texts += (here.text for item in written for here in item.documents)
    adapted = {f"context/{text_hash(text)}": text for text in acting_texts}
    texts |= {name: text for name, text in adapted.items() if name not in links}
    texts["Makefile"] = makefile.front(image_set)
    remaining = graph.remaining(_weights(image_set))
    texts["images.mk"] = makefile.rules(steps, sorted(remaining, key=lambda name: (-remaining[name], name)))
    texts["graph"] = makefile.graph(steps)
    attributed = bool(capable) or any(item.attributes for files in context.values() for item in files)
    tools = _tools(image_set, attributed=attributed)
    texts["plan.env"] = makefile.environment(_environment(image_set, tools))
    texts["notes"] = "".join(
        f"{note}\n" for note in (*site.notes, *_unlocked(images), *_unannotated(image_set))
    )
    if secrets := makefile.secrets(images):
        texts["secrets"] = secrets
    texts["plan.json"] = _summary(image_set, steps, tools)
    texts |= spec.files({name: item.test for name, item in image_set.images.items()}, image_set.scenarios)
    if site.locked:
        texts["unsigned"] = "".join(f"{name}\n" for name in unsigned_files(image_set))
    elif not site.host_repositories:
        texts["pool/repositories.conf"] = repositories_file(image_set)
        texts["repositories"] = "".join(
            f"{item.id} {item.url or 'carried'} {key_place(item, site)}\n" for item in site.repositories
        )
    return Plan(texts, links)


def _environment(image_set: ImageSet, tools: Iterable[str]) -> dict[str, str]:
    first = next(iter(image_set.images.values())).reference
    return {
        "SET": image_set.name,
        "SITE": image_set.site.name,
        "PREFIX": first.stem,
        "TAG": first.tag,
        "FORMAT": image_set.format,
        "EPOCH": str(image_set.epoch),
        "CREATED": shown_time(image_set.epoch),
        "INSTALLER": runtime_of(image_set.site).name,
        "INSIDE": "1" if image_set.site.inside else "",
        "RELEASE": image_set.site.release,
        "NETWORK": "1" if _needs_network(image_set) else "",
        "HOST": "1" if image_set.site.host_repositories and not image_set.site.locked else "",
        "TOOLS": " ".join(tools),
    } | ({"TARGET": image_set.platform} if image_set.platform else {})


def _needs_network(image_set: ImageSet) -> bool:
    site = image_set.site
    return not site.locked and (site.host_repositories or any(item.url for item in site.repositories))


def _tools(image_set: ImageSet, *, attributed: bool) -> tuple[str, ...]:
    site = image_set.site
    fetches = (not site.locked and any(item.url for item in site.repositories)) or any(
        isinstance(step, Download) and step.url not in site.downloads
        for image in image_set.images.values()
        for step in image.instructions
    )
    installing = any(
        isinstance(step, _PACKAGES) for item in image_set.images.values() for step in item.instructions
    )
    # A set of Containerfiles alone needs no package manager.
    return (
        TOOLS
        + (("setfattr",) if attributed else ())
        + (runtime_of(site).tools if installing else ())
        + (("curl",) if fetches else ())
    )


_PACKAGES = Bootstrap | CopyPayload | ImportKey | Install | Transaction | Uninstall | UpdateAll


def _weights(image_set: ImageSet) -> dict[str, float]:
    """A rough cost of each image, without a clock: the number of its instructions and packages."""
    return {
        name: 1.0 + sum(1 + len(getattr(step, "packages", ())) / 10 for step in image.instructions)
        for name, image in image_set.images.items()
    }


def _summary(image_set: ImageSet, steps: list[Step], tools: Iterable[str]) -> str:
    images = {}
    for step in steps:
        image = step.image
        parent = image.parent.name if isinstance(image.parent, ParentImage) else None
        images[image.name] = {
            "parent": parent,
            "reads": [name for name in image.dependencies() if name != parent],
            "reference": str(image.reference),
            "step": f"steps/{image.name}.sh",
            "recipe": str(image.spot),
        }
    data = {
        "version": 1,
        "buildsys": __version__,
        "set": image_set.name,
        "site": image_set.site.name,
        "stand_ins": image_set.site.stand_ins,
        "format": image_set.format,
        "epoch": image_set.epoch,
        "tools": list(tools),
    }
    if image_set.platform:
        data |= {"platform": image_set.platform, "platforms": list(image_set.platforms)}
    # An image a line: easy to read and to compare, and thirty times faster than indenting everything.
    head = json.dumps(data, indent=1)[: -len("\n}")]
    rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(entry)}" for name, entry in images.items())
    return f'{head},\n "images": {{\n{rows}\n }}\n}}\n'


def _sources(image_set: ImageSet) -> list[Path]:
    found = {
        step.path(image_set.directory)
        for image in image_set.images.values()
        for step in image.instructions
        if isinstance(step, CopyContext)
    }
    return sorted(found)


def _containerfiles(image_set: ImageSet) -> list[Containerfile]:
    return [item for image in image_set.images.values() if (item := image.containerfile)]


def _unlocked(images: Iterable[Image]) -> Iterator[str]:
    """A note for each run: the images may depend on the network, so their content is not reproducible."""
    names = [image.name for image in images if image.containerfile and image.containerfile.network]
    if names:
        yield f"unlocked: built with the network, whatever it held then: {', '.join(names)}"


def _unannotated(image_set: ImageSet) -> Iterator[str]:
    """A note: annotations belong to manifests, and the docker format has none."""
    names = [image.name for image in image_set.images.values() if image.config.annotations]
    if names and image_set.format == "docker":
        yield f"annotations are left out, the docker format has none (format: oci has): {', '.join(names)}"


def _given(image_set: ImageSet) -> dict[str, tuple[str, ...]]:
    """For each image, the paths that others copy from it."""
    paths: dict[str, set[str]] = {}
    for image in image_set.images.values():
        for name, path in taken_from_others(image):
            paths.setdefault(name, set()).add(path)
    return {name: tuple(sorted(paths[name])) for name in paths}


def _payloads(
    image_set: ImageSet, links: Mapping[str, Path]
) -> tuple[dict[tuple[str, str], str], dict[tuple[str, str], tuple[tuple[str, str], ...]]]:
    """`Carried.payloads` and `Carried.capabilities`."""
    known: dict[str, Files] = {}
    hashes, capable = {}, {}
    for image in image_set.images.values():
        for step in image.instructions:
            if isinstance(step, CopyPayload) and step.locked is not None:
                file = step.locked.file
                if file not in known:
                    known[file] = files_of(links[f"pool/packages/{file}"])
                if hashed := taken(known[file], step.source, image_set.epoch):
                    hashes[file, step.source] = hashed
                if found := tuple(capabilities(known[file], step.source)):
                    capable[file, step.source] = found
    return hashes, capable


def _build_times(read: Callable[[BinaryIO], int], links: Mapping[str, Path]) -> dict[str, int]:
    """`Carried.build_times`, from the packages in the pool."""
    found = {}
    for path, file in links.items():
        if path.startswith(_PACKAGE_FILES):
            with suppress(OSError, ValueError, struct.error), file.open("rb") as opened:
                found[path.removeprefix(_PACKAGE_FILES)] = read(opened)
    return found


_PACKAGE_FILES = "pool/packages/"


def _gems(image_set: ImageSet) -> dict[str, str]:
    """Each gem a recipe names, as it names it -> the site's file for it."""
    wanted = {
        gem
        for image in image_set.images.values()
        for step in image.instructions
        if isinstance(step, InstallGems)
        for gem in step.gems
    }
    there = Gems(image_set.site.gems, known=True)
    return {gem: file for gem in sorted(wanted) if (file := there.file(gem))}
