"""A Containerfile an image, each with its context, and a script that builds them in order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from buildsys.exporters.containerfiles.as_written import links_of
from buildsys.exporters.containerfiles.render import Containerfile
from buildsys.exporters.request import Export, Subject
from buildsys.image import EmptyRoot, ImageSet
from buildsys.packages import manager_of

FILES = Path(__file__).parent

README = """\
# {set}: {count} images as Containerfiles

Exported by `buildsys export containerfiles {set}`. Edit the recipes, not this.

* `images/NAME/`: an image; `Containerfile`, and its whole context
* `build-order`: a line an image, parents before children: its name, its reference, the images it is made from
* `build.sh`: builds them in that order with buildah, podman or docker, or only those that it is told

One of them by hand, when what it is made from is there:

    buildah build --format {format} --tag {reference} images/{name}
{notes}"""


def export(subject: Subject) -> Export:
    """The tree. Needs `roots` of the images that begin with an empty root."""
    made = Export(texts=order(subject), programs=frozenset({"build.sh"}), notes=tuple(notes(subject)))
    made.links["build.sh"] = FILES / "build.sh"
    carried = carries(subject)
    for image in subject.images:
        one = Containerfile(subject, image, carried=carried)
        made.texts.update({f"images/{image.name}/{path}": text for path, text in one.texts.items()})
        made.links.update({f"images/{image.name}/{path}": source for path, source in one.links.items()})
    made.texts["README.md"] = _readme(subject, made.notes)
    return made


def order(subject: Subject) -> dict[str, str]:
    """`build-order`, and the format of the manifests."""
    rows = (
        " ".join((image.name, subject.reference(image.name), *image.dependencies()))
        for image in subject.images
    )
    return {"build-order": "".join(f"{row}\n" for row in rows), "format": f"{subject.set.format}\n"}


def carries(subject: Subject) -> bool:
    """Whether locked packages lie in the contexts: as asked, else where only this host has them.

    A root that was filled from the host holds neither its package manager nor its repositories.
    """
    site = subject.set.site
    asked = subject.options.get("packages")
    local = any(item.directory for item in site.repositories) and not any(
        item.url for item in site.repositories
    )
    empty = any(isinstance(image.parent, EmptyRoot) for image in subject.images)
    bare = manager_of(site).only_host and empty
    return site.locked and (asked == "carried" or (asked is None and (local or bare)))


def notes(subject: Subject) -> Iterator[str]:
    """What the tree says in another way than the plan."""
    roots = [image.name for image in subject.images if image.filled]
    if roots:
        yield f"{', '.join(roots)}: filled from outside, so its root is there as an archive, root.tar.gz"
    if any(image.config.annotations for image in subject.images):
        yield "annotations have no instruction: build.sh gives them to buildah and podman as options"
    given = [(image.name, item) for image in subject.images if (item := image.containerfile)]
    if given:
        names = ", ".join(name for name, _ in given)
        yield f"{names}: built in the folder context/, beside the Containerfile"
    if any(item.arguments or item.dated for _, item in given):
        yield "arguments of Containerfiles have their values in `arguments`: build.sh gives them as options"
    if any(item.contexts for _, item in given):
        yield "folders that Containerfiles name stand in `contexts`: build.sh gives them as options"
    if wanting := [(name, item.secrets) for name, item in given if item.secrets]:
        said = "; ".join(f"{name}: {', '.join(one.name for one in many)}" for name, many in wanting)
        yield f"secrets are named by BUILD_OPTIONS='--secret id=NAME,src=FILE' ({said})"
    if linked := [name for name, item in given if links_of(item)]:
        yield f"{', '.join(linked)}: links to files of the context are there as files, others are not there"
    if _installs(subject.set) and (tool := _installer(subject)):
        yield f"packages are installed by {tool} from within, so the images must hold it"


def _installs(image_set: ImageSet) -> bool:
    from buildsys.image import Install, Transaction

    return any(
        isinstance(step, Install | Transaction) and not image.filled
        for image in image_set.images.values()
        for step in image.instructions
    )


def _installer(subject: Subject) -> str:
    site = subject.set.site
    if not carries(subject):
        return site.installer
    return manager_of(site).format.installer


def _readme(subject: Subject, said: tuple[str, ...]) -> str:
    first = subject.images[0].name
    remarks = "".join(f"\n{note[0].upper()}{note[1:]}.\n" for note in said)
    return README.format(
        set=subject.set.name, count=len(subject.images), format=subject.set.format,
        reference=subject.reference(first), name=first, notes=remarks,
    )  # fmt: skip
