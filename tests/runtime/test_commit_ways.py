"""Committed once or twice: the same images, byte by byte, as far as the buildah of this machine can."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from buildsys.image import Format, ImageSet, OciConfig, RemovePath, Run, Touch
from tests.plan.sets import BASE, BUSYBOX, EPOCH, image, image_set
from tests.runtime.builds import NOTHING_LEFT, Build, VfsStore, put_busybox
from tests.runtime.test_real import images
from tests.stores import Store, store

pytestmark = pytest.mark.real

DECLARED = {f"org.opencontainers.image.{name}": f"of {name}" for name in ("base.name", "created")}
LABELS = {"container": "5" * 64, "Hostname": "0123456789ab", "io.buildah.version": "ours", **DECLARED}
TREE = f"""\
mkdir /opt; cd /opt; rm /bin/vi; rm -r /var/cache/yum; mkdir /var/cache/yum new
touch /var/cache/yum/x old future; touch -d @1 old; touch -d @{EPOCH + 10**9} future
ln /etc/passwd hard; ln -s /nowhere link; mkfifo pipe
chmod 4755 old; chown 3000000:3000000 future; truncate -s 3M sparse; echo end >>sparse
"""
"""Removals, an opaque directory, links, a pipe, a file with holes, times before and after the epoch."""


def full(place: Path, form: Format) -> ImageSet:
    (place / "files").mkdir(exist_ok=True)
    (place / "files/conf").write_text("conf\n")
    base, *others = images(form)
    config = replace(
        base.config,
        labels={**base.config.labels, **LABELS},
        annotations={**base.config.annotations, **DECLARED},
    )
    tree = image("tree", "base", Run(argv=("/bin/sh", "-ec", TREE), open_files=0))
    below = image("below", "tree", RemovePath(paths=("/opt/old",), recursive=False, optional=False))
    return image_set(place, [replace(base, config=config), *others, tree, below], form=form)


@pytest.fixture(params=["docker", "oci"])
def form(request: pytest.FixtureRequest) -> Format:
    found: Format = request.param
    return found


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    with store(tmp_path / "one") as one, store(tmp_path / "other") as other:
        for made in (one, other):
            put_busybox(made, EPOCH)  # what is created later takes two commits
        yield one, other


def commits_once(made: Store) -> bool:
    """What a run found when it asked this buildah."""
    return (made.runroot / "buildsys.asked").read_text().startswith("once ")


def skip_unless_once(made: Store) -> None:
    if not commits_once(made):
        version = subprocess.run(["buildah", "--version"], capture_output=True, text=True, check=True).stdout
        pytest.skip(f"{version.split(' (')[0]} cannot commit once: 1.41 is the first that can")


def documents(build: Build, image_set: ImageSet) -> dict[str, Any]:
    """Id, configuration and manifest of each image."""
    found = {name: build.inspect(str(item.reference)) for name, item in image_set.images.items()}
    return {name: (said["FromImageID"], said["Config"], said["Manifest"]) for name, said in found.items()}


def test_both_ways_give_the_same_images(stores: tuple[Store, Store], form: Format, tmp_path: Path) -> None:
    wanted = full(tmp_path, form)
    found = []
    for way, made in zip(("", "twice"), stores, strict=True):
        build = Build(tmp_path / f"plan-{way}", made)
        build.compile(wanted)
        build.built(BS_COMMIT=way)
        if not way:
            skip_unless_once(made)
        assert build.left() == NOTHING_LEFT
        found.append(documents(build, wanted))
    assert found[0] == found[1]


def test_what_one_way_built_the_other_finds_fresh(stores: tuple[Store, Store], tmp_path: Path) -> None:
    build = Build(tmp_path / "plan", stores[0])
    build.compile(full(tmp_path, "docker"))
    build.built()
    skip_unless_once(stores[0])
    assert build.built(BS_COMMIT="twice") == {}
    before = build.identities()
    assert set(build.built(BS_COMMIT="twice", BS_FORCE="1")) == set(before)
    assert build.identities() == before
    assert build.left() == NOTHING_LEFT


def test_a_removal_has_no_time_where_layers_are_compared(tmp_path: Path) -> None:
    """A driver that knows no upper directory tells a removal by comparing, and dates it now."""
    found = []
    for number in range(2):
        with store(tmp_path / f"store-{number}") as plain:
            made = VfsStore(plain.place)
            put_busybox(made, EPOCH)  # what is created later takes two commits
            build = Build(tmp_path / f"plan-{number}", made)
            build.compile(full(tmp_path, "oci"))
            build.built()
            skip_unless_once(made)
            found.append(build.identities())
    assert found[0] == found[1]


def test_what_a_recipe_declares_is_what_the_config_has(
    stores: tuple[Store, Store], form: Format, tmp_path: Path
) -> None:
    build = Build(tmp_path / "plan", stores[0])
    wanted = full(tmp_path, form)
    build.compile(wanted)
    build.built()
    config = build.inspect(str(wanted.images["child"].reference))["Config"]["config"]
    assert {name: config["Labels"][name] for name in LABELS} == LABELS
    manifest = build.inspect(str(wanted.images["base"].reference))["Manifest"]
    if form == "oci":
        assert DECLARED.items() <= manifest["annotations"].items()
        assert "org.opencontainers.image.base.digest" not in manifest["annotations"]
        child = build.inspect(str(wanted.images["child"].reference))["Manifest"]
        assert DECLARED.keys().isdisjoint(child["annotations"])


LATE = "2019-03-04T05:06:07Z"


@pytest.mark.parametrize(("way", "form"), [("", "docker"), ("twice", "oci")])
def test_no_image_is_created_before_its_packages_or_its_parent(
    way: str, stores: tuple[Store, Store], form: Format, tmp_path: Path
) -> None:
    """Its files keep the epoch. A base that was built elsewhere counts too."""
    build = Build(tmp_path / "plan", stores[0])
    remove = RemovePath(paths=("/bin/vi",), recursive=False, optional=False)
    images = [
        image("old", BASE, Touch(paths=("/x",), mode="")),
        image("young", "old", remove, Touch(paths=("/y",), mode=""), config=OciConfig(labels=LABELS)),
        image("child", "young", Touch(paths=("/z",), mode="")),
    ]
    build.compile(image_set(tmp_path, images, form=form))
    step = build.plan / "steps/young.sh"
    step.write_text(step.read_text().replace("\nFROM=", f"\nNEWEST={LATE}\nFROM=", 1))

    def created(**environment: str) -> list[str]:
        assert set(build.built(BS_COMMIT=way, **environment)) == {item.name for item in images}
        found = [build.inspect(str(item.reference))["Config"] for item in images]
        assert not [config for config in found if "container" in config or config.get("history")]
        return [config["created"] for config in found]

    assert created() == ["2018-02-01T00:00:00Z", LATE, LATE]
    assert build.left() == NOTHING_LEFT
    with build.mounted(str(images[2].reference)) as root:
        assert {(root / name).stat().st_mtime for name in "xyz"} == {EPOCH}
        assert not (root / "bin/vi").exists()
    assert created(BS_EPOCH="1600000000") == ["2020-09-13T12:26:40Z"] * 3
    elsewhere = stores[0].buildah("from", "--quiet", "--pull-never", BUSYBOX).strip()
    stores[0].buildah("commit", "--quiet", "--timestamp", "1577934245", "--rm", elsewhere, BUSYBOX)
    assert created() == ["2020-01-02T03:04:05Z"] * 3
