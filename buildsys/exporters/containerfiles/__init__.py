"""One Containerfile with its context for each image, and a script that builds them in order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from buildsys.exporters.containerfiles.as_written import links_of
from buildsys.exporters.containerfiles.render import Containerfile
from buildsys.exporters.request import Export, Request
from buildsys.image import EmptyRoot, ImageSet
from buildsys.packages import manager_of

FILES = Path(__file__).parent

README = """\
# {set}: {count} images as Containerfiles

Exported by `buildsys export containerfiles {set}`. Edit the recipes, not this.

* `images/NAME/`: an image; `Containerfile`, and its whole context
* `build-order`: a line an image, parents before children: its name, its reference, the images it is made from
* `build.sh`: builds them in that order with buildah, podman or docker, or only those that are named

One of them by hand, when what it is made from is there:

    buildah build --format {format} --tag {reference} images/{name}
{notes}"""


def export(request: Request) -> Export:
    """The tree. `roots` must have the images with an empty root."""
    made = Export(texts=order(request), programs=frozenset({"build.sh"}), notes=tuple(notes(request)))
    made.links["build.sh"] = FILES / "build.sh"
    carried = carries(request)
    for image in request.images:
        one = Containerfile(request, image, carried=carried)
        made.texts.update({f"images/{image.name}/{path}": text for path, text in one.texts.items()})
        made.links.update({f"images/{image.name}/{path}": source for path, source in one.links.items()})
    made.texts["README.md"] = _readme(request, made.notes)
    return made


def order(request: Request) -> dict[str, str]:
    """`build-order`, and the format of the manifests."""
    rows = (
        " ".join((image.name, request.reference(image.name), *image.dependencies()))
        for image in request.images
    )
    return {"build-order": "".join(f"{row}\n" for row in rows), "format": f"{request.set.format}\n"}


def carries(request: Request) -> bool:
    """Whether the contexts contain locked packages: as requested, else if only this host has them.

    A root that was filled from the host has neither its package manager nor its repositories.
    """
    site = request.set.site
    asked = request.options.get("packages")
    local = any(item.directory for item in site.repositories) and not any(
        item.url for item in site.repositories
    )
    empty = any(isinstance(image.parent, EmptyRoot) for image in request.images)
    bare = manager_of(site).only_host and empty
    return site.locked and (asked == "carried" or (asked is None and (local or bare)))


def notes(request: Request) -> Iterator[str]:
    """What the tree expresses differently from the plan."""
    roots = [image.name for image in request.images if image.filled]
    if roots:
        yield f"{', '.join(roots)}: filled from outside, so its root is there as an archive, root.tar.gz"
    if any(image.config.annotations for image in request.images):
        yield "annotations have no instruction: build.sh gives them to buildah and podman as options"
    given = [(image.name, item) for image in request.images if (item := image.containerfile)]
    if given:
        names = ", ".join(name for name, _ in given)
        yield f"{names}: built in the folder context/ next to the Containerfile"
    if any(item.arguments or item.dated for _, item in given):
        yield "arguments of Containerfiles have their values in `arguments`: build.sh gives them as options"
    if any(item.contexts for _, item in given):
        yield "folders that Containerfiles name stand in `contexts`: build.sh gives them as options"
    if wanting := [(name, item.secrets) for name, item in given if item.secrets]:
        which = "; ".join(f"{name}: {', '.join(one.name for one in many)}" for name, many in wanting)
        yield f"secrets are named by BUILD_OPTIONS='--secret id=NAME,src=FILE' ({which})"
    if linked := [name for name, item in given if links_of(item)]:
        yield f"{', '.join(linked)}: links to files of the context are there as files, others are not there"
    if _installs(request.set) and (tool := _installer(request)):
        yield f"packages are installed by {tool} from within, so the images must hold it"


def _installs(image_set: ImageSet) -> bool:
    from buildsys.image import Install, Transaction

    return any(
        isinstance(step, Install | Transaction) and not image.filled
        for image in image_set.images.values()
        for step in image.instructions
    )


def _installer(request: Request) -> str:
    site = request.set.site
    if not carries(request):
        return site.installer
    return manager_of(site).format.installer


def _readme(request: Request, remarks: tuple[str, ...]) -> str:
    first = request.images[0].name
    text = "".join(f"\n{note[0].upper()}{note[1:]}.\n" for note in remarks)
    return README.format(
        set=request.set.name, count=len(request.images), format=request.set.format,
        reference=request.reference(first), name=first, notes=text,
    )  # fmt: skip
