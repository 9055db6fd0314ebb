"""Images built from exported Containerfiles beside those that the plan builds: the same, but for the hour."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from buildsys.diagnostics import Refused
from buildsys.exporters import FORMATS
from buildsys.exporters.containerfiles.root import write_root
from buildsys.exporters.write import write_export
from buildsys.image import EmptyRoot, ImageSet, OciConfig, Run
from buildsys.inspect_image.stored_image import opened
from buildsys.recipe.library import load_set
from buildsys.resolve import resolve
from tests.exporters.sets import data_set, request
from tests.exporters.trees import described, differing, leavings
from tests.plan.sets import BASE, BUSYBOX, image, image_set
from tests.runtime.builds import Build, put_busybox
from tests.stores import Store, store

pytestmark = pytest.mark.real


@pytest.fixture
def stores() -> Iterator[tuple[Store, Store]]:
    """One for the plan, one for the export; both have the base."""
    # TMPDIR of the run is short: podman takes no run root of more than 50 characters.
    with (
        TemporaryDirectory(prefix="bs-") as place,
        store(Path(place, "plan")) as one,
        store(Path(place, "export")) as other,
    ):
        for each in (one, other):
            put_busybox(each)
        yield one, other


def build_tree(tree: Path, into: Store, builder: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "BUILDER": builder, "BUILDER_OPTIONS": into.options, **more}
    environment["BUILD_OPTIONS"] = "--isolation chroot --pull=false"
    command = [str(tree / "build.sh")]
    return subprocess.run(command, env=environment, check=False, capture_output=True, text=True)


def references(made: ImageSet) -> list[str]:
    return [str(item.reference) for item in made.images.values()]


def test_an_image_of_a_containerfile_is_that_of_the_plan(stores: tuple[Store, Store], tmp_path: Path) -> None:
    made = plan_and_export(data_set(tmp_path / "set"), stores[0], tmp_path)
    done = build_tree(tmp_path / "tree", stores[1], "buildah")
    assert done.returncode == 0, done.stdout + done.stderr
    wrong = [text for reference in references(made) for text in differences(reference, *stores)]
    assert not wrong, "\n".join(wrong)


def test_podman_builds_the_same(stores: tuple[Store, Store], tmp_path: Path) -> None:
    whole = data_set(tmp_path / "set")
    few = {name: whole.images[name] for name in ("base", "tools")}
    made = plan_and_export(replace(whole, images=few), stores[0], tmp_path)
    done = build_tree(tmp_path / "tree", stores[1], "podman")
    assert done.returncode == 0, done.stdout + done.stderr
    wrong = [text for reference in references(made) for text in differences(reference, *stores)]
    assert not wrong, "\n".join(wrong)


def test_the_root_that_is_added_is_the_one_that_was_built(
    stores: tuple[Store, Store], tmp_path: Path
) -> None:
    archives = [tmp_path / "one.tar.gz", tmp_path / "other.tar.gz"]
    for each, archive in zip(stores, archives, strict=True):
        with opened([BUSYBOX], each.options) as (built,):
            write_root(built, archive)
    assert archives[0].read_bytes() == archives[1].read_bytes()
    made = image_set(tmp_path / "set", [image("base", EmptyRoot(), config=OciConfig(cmd=("sh",)))])
    tree = FORMATS["containerfiles"].export(request(made, roots={"base": archives[0]}))
    write_export(tree, "containerfiles", tmp_path / "tree")
    done = build_tree(tmp_path / "tree", stores[1], "buildah")
    assert done.returncode == 0, done.stdout + done.stderr
    config, files = described("localhost/tests/t-base:1", stores[1].options)
    assert config["config"]["Cmd"] == ["sh"]
    assert files == described(BUSYBOX, stores[0].options)[1]


def test_an_image_of_several_layers_is_no_root(stores: tuple[Store, Store], tmp_path: Path) -> None:
    container = stores[0].buildah("from", "--pull-never", BUSYBOX).strip()
    stores[0].buildah("config", "--label", "a=b", container)
    stores[0].buildah("commit", "--quiet", "--rm", container, "localhost/two:1")
    with opened(["localhost/two:1"], stores[0].options) as (built,), pytest.raises(Refused) as refused:
        write_root(built, tmp_path / "root.tar.gz")
    assert refused.value.text() == (
        "error: 'localhost/two:1' cannot be read: it has 2 layers instead of one [unreadable-image]"
    )


def test_what_depends_on_a_failure_is_blocked_and_the_rest_is_built(
    stores: tuple[Store, Store], tmp_path: Path
) -> None:
    fails = image("fails", BASE, Run(argv=("sh", "-c", "echo no luck; exit 3"), open_files=0))
    blocked = image("blocked", "fails")
    other = image("other", BASE)
    export(image_set(tmp_path / "set", [fails, blocked, other]), tmp_path)
    done = build_tree(tmp_path / "tree", stores[1], "buildah", KEEP_GOING="1")
    assert done.returncode == 1
    assert "no luck" in done.stdout + done.stderr
    for said in ("error: fails could not be built\n", "blocked: blocked by fails\n", "1 built, 2 not\n"):
        assert said in done.stderr
    names = stores[1].names()
    assert "localhost/tests/t-other:1" in names
    assert "localhost/tests/t-blocked:1" not in names
    unknown = subprocess.run(
        [tmp_path / "tree/build.sh", "nothing"], check=False, capture_output=True, text=True
    )
    assert (unknown.returncode, unknown.stderr) == (2, "error: there is no image nothing\n")


def export(made: ImageSet, place: Path) -> None:
    write_export(FORMATS["containerfiles"].export(request(made)), "containerfiles", place / "tree")


def plan_and_export(made: ImageSet, planned: Store, place: Path) -> ImageSet:
    build = Build(place / "plan", planned)
    build.compile(made)
    build.built()
    export(made, place)
    return made


def differences(reference: str, planned: Store, exported: Store) -> Iterator[str]:
    ours, theirs = (described(reference, each.options) for each in (planned, exported))
    left = leavings(theirs[1], ours[1])
    kept = {path: entry for path, entry in theirs[1].items() if path not in left}
    for what, pair in (*differing(theirs[0], ours[0]), *differing(kept, ours[1])):
        yield f"{reference} {what}: {pair}"


def test_an_image_that_has_a_containerfile_of_its_own(
    stores: tuple[Store, Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {
        "set.yaml": "set: demo\nnamespace: example\ntag: '1'\nepoch: 1517443200\ncommon: {labels: {a: $b}}\n",
        "sites/here.yaml": f"site: here\ninstaller: dnf\nbase: {{image: {BUSYBOX}}}\n",
        "images/base.yaml": "image: base\nfrom: site\nenv: {PATH: /bin}\n",
        "images/app.yaml": "image: app\ncontainerfile: ../other/app/Dockerfile\nargs: {VERSION: '1 2'}\n"
        f"contexts: {{more: ../other/more, tools: base, els.ewhere: {BUSYBOX}}}\n",
        "images/child.yaml": (
            "image: child\nfrom: app\nsteps: [{run: id -u >/root/child}]\nentrypoint: [cat]\n"
        ),
        "other/app/Dockerfile": (
            "ARG BASE=base\nFROM ${BASE} AS one\nARG VERSION\nARG SOURCE_DATE_EPOCH\n"
            'RUN echo "$VERSION $SOURCE_DATE_EPOCH" >/made\n'
            "FROM localhost/example/base:1\nCOPY --from=one /made /\nCOPY . /all\n"
            "COPY --from=more m/m /m\nCOPY --from=tools /etc/group /g\n"
            "COPY --from=els.ewhere /etc/passwd /p\nUSER 5\nCMD /made"
        ),
        "other/app/tool": "#!/bin/sh\n",
        "other/app/.dockerignore": "Dockerfile\n",
        "other/more/m/m": "more\n",
    }
    for name, text in files.items():
        path = tmp_path / "demo" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "demo/other/app/tool").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    made = resolve(load_set(Path("demo")), site=None, variables={}, stand_ins=None)
    plan_and_export(made, stores[0], tmp_path)
    done = build_tree(tmp_path / "tree", stores[1], "buildah")
    assert done.returncode == 0, done.stdout + done.stderr
    wrong = [text for reference in references(made) for text in differences(reference, *stores)]
    assert not wrong, "\n".join(wrong)
    app = tmp_path / "tree/images/app"
    assert (app / "Containerfile").read_text().splitlines()[1] == "FROM localhost/example/base:1 AS one"
    assert (app / "contexts").read_text() == "more=named/0\n"
    assert (app / "arguments").read_text() == "VERSION=1 2\nSOURCE_DATE_EPOCH=1517443200\n"
    child = (tmp_path / "tree/images/child/Containerfile").read_text().splitlines()
    # It works as root, ends as the user that its parent ends as, and keeps the command.
    assert child[3] == "USER root"
    assert child[-3:] == ['ENTRYPOINT ["cat"]', 'CMD ["/bin/sh", "-c", "/made"]', "USER 5"]
