"""What is built again, and the reason given; and that `why` says the same before."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from buildsys.image import (
    CopyContext,
    CopyImage,
    Image,
    ImageSet,
    ImportKey,
    InstallGems,
    Repository,
    Require,
)
from tests.plan.sets import BASE, BUSYBOX, image, image_set, site
from tests.runtime.faked import Faked, does, reference


def copies(name: str) -> CopyImage:
    return CopyImage(image=name, source="/x", to="/x", mode="", owner="")


def images(*, base: str = "one", child: str = "two", tool: str = "three") -> list[Image]:
    """`child` is made from `base` and copies from `tool`; `alone` reads nothing of the set."""
    return [
        image("base", BASE, does(base)),
        image("tool", BASE, does(tool)),
        image("child", "base", does(child), copies("tool")),
        image("alone", BASE, does("four")),
    ]


@pytest.fixture
def tiny(tmp_path: Path) -> ImageSet:
    return image_set(tmp_path / "set", images())


@pytest.fixture
def fresh(faked: Faked, tiny: ImageSet) -> Faked:
    """A plan that was built."""
    faked.compile(tiny)
    faked.built()
    faked.calls()
    return faked


RECIPES = "recipes/tiny/images"


def changed(faked: Faked, image_set: ImageSet) -> dict[str, str]:
    """Compile another set into the plan; what was built and why, which `why` must have said before."""
    faked.compile(image_set)
    return foretold(faked)


def foretold(faked: Faked) -> dict[str, str]:
    said = faked.why()
    built = faked.built()
    assert {name: reason for name, (decision, reason) in said.items() if decision == "stale"} == {
        name: reason for name, reason in built.items() if said[name][0] != "waits"
    }
    assert set(built) <= {name for name, (decision, _) in said.items() if decision in {"stale", "waits"}}
    assert {decision for decision, _ in faked.why().values()} == {"fresh"}
    return built


def test_the_first_time(faked: Faked, tiny: ImageSet) -> None:
    faked.compile(tiny)
    assert faked.why()["child"] == ("waits", "decided when base is built")
    assert foretold(faked) == dict.fromkeys(tiny.images, "never built here")


def test_when_nothing_changed_nothing_is_called_but_the_list_of_images(fresh: Faked) -> None:
    assert fresh.built() == {}
    assert [line.split()[1] for line in fresh.calls()] == ["info", "images"]
    assert fresh.events() == []


def test_a_changed_leaf_is_built_alone(fresh: Faked, tmp_path: Path) -> None:
    assert changed(fresh, image_set(tmp_path, images(child="new"))) == {
        "child": f"recipe changed: {RECIPES}/child.yaml:4:5"
    }


def test_a_changed_parent_rebuilds_its_children(fresh: Faked, tmp_path: Path) -> None:
    assert changed(fresh, image_set(tmp_path, images(base="new"))) == {
        "base": f"recipe changed: {RECIPES}/base.yaml:4:5",
        "child": "parent changed: base",
    }


def test_a_changed_image_rebuilds_those_who_copy_from_it(fresh: Faked, tmp_path: Path) -> None:
    assert changed(fresh, image_set(tmp_path, images(tool="new"))) == {
        "tool": f"recipe changed: {RECIPES}/tool.yaml:4:5",
        "child": "copied-from image changed: tool",
    }


def test_a_parent_rebuilt_to_equal_content_leaves_its_children_alone(fresh: Faked, tmp_path: Path) -> None:
    rebuilt = images()
    rebuilt[0] = image("base", BASE, does("one"), Require(file="/etc/x", pattern="x"))
    assert changed(fresh, image_set(tmp_path, rebuilt)) == {
        "base": f"recipe changed: {RECIPES}/base.yaml:5:5"
    }


def test_a_recipe_that_returns_finds_its_image_again(fresh: Faked, tiny: ImageSet, tmp_path: Path) -> None:
    before = fresh.images()[reference("base")]
    changed(fresh, image_set(tmp_path, images(base="new")))
    assert fresh.images()[reference("base")] != before
    assert changed(fresh, tiny) == {}
    assert fresh.images()[reference("base")] == before


@pytest.fixture
def with_file(tmp_path: Path) -> ImageSet:
    (tmp_path / "files").mkdir()
    for name in ("a", "b"):
        (tmp_path / "files" / name).write_text("old")
    steps = [CopyContext(source=name, to=f"/etc/{name} x", mode="", owner="") for name in ("a", "b")]
    return image_set(tmp_path, [image("base", BASE, *steps), image("child", "base")])


def test_a_changed_file_is_named(faked: Faked, with_file: ImageSet, tmp_path: Path) -> None:
    changed(faked, with_file)
    (tmp_path / "files/b").write_text("new")
    assert changed(faked, with_file)["base"] == "file changed: files/b"


def test_a_file_copied_elsewhere_is_a_change_of_the_recipe(faked: Faked, with_file: ImageSet) -> None:
    changed(faked, with_file)
    steps = with_file.images["base"].instructions
    assert isinstance(steps[1], CopyContext)
    base = replace(with_file.images["base"], instructions=(steps[0], replace(steps[1], to="/other")))
    moved = replace(with_file, images={**with_file.images, "base": base})
    assert changed(faked, moved)["base"].startswith("recipe changed: ")


def test_a_changed_repository_rebuilds_who_uses_packages(faked: Faked, tmp_path: Path) -> None:
    def made(checksum: str) -> ImageSet:
        at = site(repositories=(Repository("os", str(tmp_path / "repo"), "", "", checksum * 64),))
        return image_set(tmp_path, [image("base", BASE, ImportKey(path="/key")), image("alone", BASE)], at=at)

    (tmp_path / "repo").mkdir()
    changed(faked, made("1"))
    assert changed(faked, made("2")) == {
        "base": "repository changed (unlocked: any repository change rebuilds)"
    }


def test_a_changed_gem_is_named(faked: Faked, tmp_path: Path) -> None:
    gem = tmp_path / "fluentd-0.12.gem"
    gem.write_text("old")
    install = InstallGems(gems=("fluentd",), flags=(), open_files=0)
    made = image_set(tmp_path, [image("base", BASE, install)], at=site(gems=(str(gem),)))
    changed(faked, made)
    gem.unlink()
    gem.write_text("new")
    assert changed(faked, made) == {"base": "gem changed: fluentd-0.12.gem"}


def test_format_epoch_and_runtime_are_inputs(
    fresh: Faked, tiny: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert changed(fresh, replace(tiny, format="oci"))["base"] == "format changed"
    assert changed(fresh, replace(tiny, format="oci", epoch=1))["base"] == "epoch changed"
    monkeypatch.setattr("buildsys.plan.compile.CONTENT_CHANGING", ("commit.sh",))
    assert changed(fresh, replace(tiny, format="oci", epoch=1))["base"] == "buildsys runtime changed"


def test_another_storage_driver_is_an_input(fresh: Faked) -> None:
    (fresh.fake / "driver").write_text("vfs\n")
    fresh.set_images({name: identity for name, identity in fresh.images().items() if "/t-" not in name})
    assert foretold(fresh)["base"] == "driver changed"


def test_forced(fresh: Faked) -> None:
    assert fresh.built(BS_FORCE="1") == dict.fromkeys(("base", "tool", "child", "alone"), "forced")
    assert fresh.built("child", BS_FORCE="1") == dict.fromkeys(("base", "tool", "child"), "forced")
    assert fresh.built() == {}


def test_a_name_that_moved_elsewhere_is_given_back(fresh: Faked) -> None:
    before = fresh.images()
    fresh.set_images({**before, reference("base"): "f" * 64})
    assert fresh.why()["base"] == (
        "renamed",
        "its name is used by another image; the store has the image under its key",
    )
    assert fresh.built() == {}
    assert fresh.images() == before


def test_a_name_that_is_gone_is_given_back(fresh: Faked) -> None:
    before = fresh.images()
    fresh.set_images({name: identity for name, identity in before.items() if name != reference("child")})
    assert fresh.built() == {}
    assert fresh.images() == before


def test_an_image_that_is_gone_is_built_again(fresh: Faked) -> None:
    before = fresh.images()
    fresh.set_images({name: identity for name, identity in before.items() if "base" not in name})
    assert foretold(fresh) == {"base": "image missing from the store"}
    assert fresh.images() == before


def test_a_base_that_moved_rebuilds_what_is_made_from_it(fresh: Faked) -> None:
    fresh.set_images({**fresh.images(), BUSYBOX: "c" * 64})
    built = foretold(fresh)
    assert built["base"] == f"parent changed: {BUSYBOX}"
    assert built["child"] == "parent changed: base"


def test_a_base_that_is_gone_again_is_not_needed(fresh: Faked) -> None:
    fresh.set_images({name: identity for name, identity in fresh.images().items() if name != BUSYBOX})
    assert fresh.built() == {}
    assert fresh.calls("buildah pull") == []


def test_without_its_state_a_plan_finds_what_it_built(fresh: Faked) -> None:
    for path in (fresh.plan / "state").iterdir():
        path.unlink()
    assert fresh.built() == {}
    assert len(fresh.events()) == 4


@pytest.mark.parametrize("pattern", ["*.checked", "*.id", "*.inputs", "*"])
def test_state_that_was_cut_short_is_made_whole(fresh: Faked, pattern: str) -> None:
    """A crash of the machine can leave any file empty; `make -t` too."""
    for path in (fresh.plan / "state").glob(pattern):
        if path.name != "lock":
            path.write_text("")
    assert fresh.built() == {}
    fresh.calls()
    assert fresh.built() == {}
    assert [line.split()[1] for line in fresh.calls()] == ["info", "images"]


def test_a_recipe_cannot_speak_for_the_key(faked: Faked, tmp_path: Path) -> None:
    """Lines of a `run` that look like inputs are none."""
    made = image_set(
        tmp_path, [image("base", BASE, does("x\nimage alone 123\nformat oci")), image("alone", BASE)]
    )
    changed(faked, made)
    faked.calls()
    assert faked.built() == {}
    assert [line.split()[1] for line in faked.calls()] == ["info", "images"]


def test_why_changes_nothing(fresh: Faked, tmp_path: Path) -> None:
    fresh.compile(image_set(tmp_path, images(base="new")))
    fresh.set_images({name: identity for name, identity in fresh.images().items() if name != BUSYBOX})
    before = {path: path.read_bytes() for path in fresh.plan.rglob("*") if path.is_file()}
    fresh.calls()
    assert fresh.why()["base"] == ("unknown", "an image that it is built from is not in the store")
    assert fresh.why()["child"] == ("waits", "decided when base is built")
    assert {path: path.read_bytes() for path in fresh.plan.rglob("*") if path.is_file()} == before
    assert {line.split()[1] for line in fresh.calls()} <= {"info", "images", "inspect"}


def test_a_base_named_by_digest_or_without_a_tag_is_found_without_pulling(
    faked: Faked, tmp_path: Path
) -> None:
    digest = f"registry.example/base@sha256:{'d' * 64}"
    made = image_set(tmp_path, [image("base", replace(BASE, reference=digest))])
    faked.misbehave("images", "sed '/@/d; s/^/sha256:/' \"$FAKE/images\"; exit")
    faked.set_images({digest: "e" * 64})
    assert changed(faked, made) == {"base": "never built here"}
    assert faked.calls("buildah pull") == []


def test_a_file_that_is_taken_from_a_package_is_named(tmp_path: Path) -> None:
    """The key holds what is taken, and where; of the package itself it says nothing."""

    def key(*files: tuple[str, str]) -> str:
        lines = [f"payload kolla sha256:{content * 64} {path}" for path, content in files]
        return "\n".join(["do payload '' '' kolla /x /x", *lines, "format oci"]) + "\n"

    reason = Path(__file__).parents[2] / "buildsys/plan/runtime/reason.sh"
    script = 'INPUTS=$(<now) STATE=. PLAN=. LIB="${0%/*}" IMAGE=x RECIPE=r FROM=""; . "$0"; explain_staleness'
    (tmp_path / "x.inputs").write_text(key(("/a", "1"), ("/b c", "1"), ("/d", "1")))
    (tmp_path / "now").write_text(key(("/a", "1"), ("/b c", "2"), ("/d", "2")))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script, reason],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[0] == "file changed: /b c of package kolla, /d of package kolla"
