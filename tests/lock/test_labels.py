"""The labels of an image's main package: from the lock, and from nothing that moves besides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from buildsys.image import Containerfile, Image, Install, OciConfig, ParentImage, Uninstall
from buildsys.image.package_sources import SOURCE_PACKAGE, SOURCE_VERSION
from buildsys.lock.apply import apply_lock
from buildsys.lock.labels import LICENCES, OF_SOFTWARE, REVISION, SOURCE, VERSION, spdx
from buildsys.lock.lockfile import Lock, LockedImage, LockedStep
from buildsys.plan.compile import compile_plan
from buildsys.recipe.library import load_set
from buildsys.resolve import resolve
from tests.lock.test_file import package
from tests.plan.sets import BASE, image, image_set, site
from tests.plan.sets import package as asked

WEB = replace(
    package("web"),
    epoch="1",
    version="2.1",
    release="3.el7",
    source="httpd-2.1-3.el7.src.rpm",
    licence="ASL 2.0",
)
ALL = {
    VERSION: "2.1",
    REVISION: "2.1-3.el7",
    SOURCE: "https://example.org/httpd/2.1-3.el7",
    LICENCES: "Apache-2.0",
}
SOURCES = f"https://example.org/{SOURCE_PACKAGE}/{SOURCE_VERSION}"
NONE = OciConfig()


def locked(
    place: Path, *images: Image, web: LockedImage | None = None, **held: LockedImage
) -> dict[str, Image]:
    """Images under a lock in which `web` installs the package of that name."""
    installed = web or LockedImage("", (LockedStep(("install", "web"), (WEB,)),))
    steps = {item.name: held.get(item.name, LockedImage(_parent(item), ())) for item in images} | {
        "web": installed
    }
    lock = Lock("tiny", "none", "", steps, {}, {}, bases={BASE.reference: "sha256:" + "a" * 64})
    return dict(apply_lock(image_set(place, images, at=replace(site(), sources=SOURCES)), lock).images)


def _parent(item: Image) -> str:
    return item.parent.name if isinstance(item.parent, ParentImage) else ""


def web(config: OciConfig) -> Image:
    return image("web", BASE, Install(packages=(asked("web"),)), config=config)


@pytest.mark.parametrize(
    ("config", "labels"),
    [
        (OciConfig(version_of="web"), ALL),
        (OciConfig(version_of="web", labels={"a": "b"}), {"a": "b", **ALL}),
        (OciConfig(version_of="web", labels={VERSION: "mine"}), {**ALL, VERSION: "mine"}),
        (OciConfig(version_of="other"), {}),
        (OciConfig(), {}),
    ],
)
def test_the_labels_are_those_of_the_package_in_the_lock(
    config: OciConfig, labels: dict[str, str], tmp_path: Path
) -> None:
    found = locked(tmp_path, web(config))["web"].config
    assert dict(found.labels) == labels
    # A base image's own labels are about another program.
    gone = OF_SOFTWARE - labels.keys() if config.version_of else ()
    assert found.removed_labels == tuple(sorted(gone))


def test_an_older_lock_and_an_unknown_licence_give_fewer_labels(tmp_path: Path) -> None:
    for given, names in (
        (replace(WEB, source="", licence=""), {VERSION}),
        (replace(WEB, source="odd.src.rpm", licence=""), {VERSION}),
        (replace(WEB, source="odd-1.rpm", licence=""), {VERSION}),
        (replace(WEB, licence="BSD with advertising"), {VERSION, REVISION, SOURCE}),
    ):
        held = LockedImage("", (LockedStep(("install", "web"), (given,)),))
        found = locked(tmp_path, web(OciConfig(version_of="web")), web=held)["web"].config
        assert (set(found.labels), set(found.removed_labels)) == (names, set(OF_SOFTWARE - names))


def test_a_child_has_no_label_of_what_its_parent_is_there_for(tmp_path: Path) -> None:
    remove = Uninstall(packages=(asked("web"),), optional=False)
    said = OciConfig(version_of="web")
    made = locked(
        tmp_path,
        web(said),
        image("same", "web", config=said),
        image("other", "web", config=OciConfig(version_of="other")),
        image("silent", "web", config=NONE),
        image("own", "web", config=OciConfig(labels={VERSION: "mine"})),
        image("below", "silent", config=NONE),
        image("removed", "web", remove, config=said),
        removed=LockedImage("web", (LockedStep(("remove", "web"), ()),)),
    )
    rows = {
        name: (dict(item.config.labels), frozenset(item.config.removed_labels)) for name, item in made.items()
    }
    assert rows == {
        "web": (ALL, frozenset()),
        "same": (ALL, frozenset()),
        "other": ({}, OF_SOFTWARE),
        "silent": ({}, OF_SOFTWARE),
        "own": ({VERSION: "mine"}, OF_SOFTWARE - {VERSION}),
        "below": ({}, frozenset()),
        "removed": ({}, OF_SOFTWARE),
    }


def test_a_containerfile_gets_empty_labels_unless_it_has_its_own(tmp_path: Path) -> None:
    """`buildah build` cannot remove a label."""
    (tmp_path / "c").mkdir()
    text = f"FROM web\nLABEL {VERSION}=7\n"
    step = Containerfile(
        str(tmp_path / "c"), "Containerfile", text, (), (), (), (), dated=False, network=False
    )
    made = locked(tmp_path, web(OciConfig(version_of="web")), image("file", "web", step, config=NONE))
    assert dict(made["file"].config.labels) == dict.fromkeys(OF_SOFTWARE - {VERSION}, "")
    assert made["file"].config.removed_labels == ()


def test_the_key_moves_with_the_package_alone(tmp_path: Path) -> None:
    def key(config: OciConfig, version: str) -> set[str]:
        held = LockedImage("", (LockedStep(("install", "web"), (replace(WEB, version=version),)),))
        made = locked(tmp_path, web(config), web=held)["web"]
        return {*compile_plan(image_set(tmp_path, [made])).texts["keys/web"].splitlines()}

    said = OciConfig(version_of="web")
    (changed,) = key(said, "2.2") - key(said, "2.1") - key(OciConfig(), "2.2")
    assert (VERSION in changed, "2.2" in changed) == (True, True)
    assert not any(name in "".join(key(OciConfig(), "2.1")) for name in OF_SOFTWARE)
    removed = key(OciConfig(version_of="other"), "2.1") - key(OciConfig(), "2.1")
    assert removed == {f"do configure --label {name}-" for name in OF_SOFTWARE}


@pytest.mark.parametrize(
    ("licence", "expression"),
    [
        ("ASL 2.0", "Apache-2.0"),
        ("GPLv2+ and (MIT or LGPLv2+)", "GPL-2.0-or-later AND (MIT OR LGPL-2.0-or-later)"),
        ("Apache-2.0 OR BSD-3-Clause", "Apache-2.0 OR BSD-3-Clause"),
        ("GPL-2.0-or-later WITH GCC-exception-3.1", "GPL-2.0-or-later WITH GCC-exception-3.1"),
        ("LicenseRef-Fedora-Public-Domain AND MIT", "LicenseRef-Fedora-Public-Domain AND MIT"),
        ("MIT", "MIT"),
        ("BSD", ""),
        ("GPLv2+ with exceptions", ""),
        ("MIT and", ""),
        ("and MIT", ""),
        ("MIT (ISC)", ""),
        ("(MIT", ""),
        ("(((MIT) or ISC))", "(((MIT) OR ISC))"),
        ("MIT)", ""),
        ("", ""),
    ],
)
def test_a_licence_is_an_expression_of_spdx_or_not_there(licence: str, expression: str) -> None:
    assert spdx(licence) == expression


def test_it_is_said_for_all_and_for_one(write_set: Callable[..., Path]) -> None:
    folder = write_set(
        {
            "set.yaml": "set: demo\nnamespace: a\ntag: '1'\nepoch: 1\ncommon: {version-of: '{{ image }}'}\n",
            "sites/here.yaml": (
                "site: here\ninstaller: dnf\nbase: {image: registry.example.org/os:1}\n"
                'sources: "https://{{ host }}/{{ source_package }}/{{ source_version }}"\n'
                "variables: {host: x.org}\n"
            ),
            "images/app.yaml": "image: app\nfrom: site\n",
            "images/db.yaml": "image: db\nfrom: site\nversion-of: mariadb\n",
            "images/file.yaml": "image: file\ncontainerfile: ../c/Containerfile\n",
            "c/Containerfile": "FROM scratch\n",
        }
    )
    (folder / "x.yaml").write_text("overlay: x\nimages:\n  app: {version-of: ~}\n")

    def said(*overlays: Path) -> dict[str, str | None]:
        found = resolve(load_set(folder, overlays), site=None, variables={}, stand_ins=None)
        assert found.site.sources == f"https://x.org/{SOURCE_PACKAGE}/{SOURCE_VERSION}"
        return {name: item.config.version_of for name, item in found.images.items()}

    assert said() == {"app": "app", "base": "base", "db": "mariadb", "file": "file"}
    assert said(folder / "x.yaml")["app"] is None
