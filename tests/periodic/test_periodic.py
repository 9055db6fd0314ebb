"""Periodic builds: nothing changed, something changed, something failed; and what the report says of it."""

from __future__ import annotations

import re
import signal
import time

import pytest

from buildsys.cli.output import CHANGED, FAILED, INTERRUPTED, REFUSED
from tests.busybox import put_base
from tests.periodic.conftest import SET, Scene

pytestmark = pytest.mark.real


def test_the_first_time_and_again(locked: Scene) -> None:
    report = locked.report()
    assert (report["version"], report["set"], report["site"]) == (1, "demo", "disk")
    assert report["outcome"] == "changed"
    assert [(item["reason"], item["is_new"]) for item in report["built"]] == [("never built here", True)] * 4
    rest = ("failed", "blocked", "added", "removed", "packages", "lock", "mistakes")
    assert [report[key] for key in rest] == [[]] * 7

    lock, names = locked.lock.read_bytes(), locked.store.names()
    begun = time.monotonic()
    done = locked.buildsys("periodic", "demo")
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - begun < 30
    assert done.stderr.endswith("demo: unchanged: 0 built, 4 fresh; build/demo/report.md says more\n")
    assert (locked.lock.read_bytes(), locked.store.names()) == (lock, names)
    report = locked.report()
    assert (report["outcome"], report["built"], report["fresh"]) == ("unchanged", [], 4)
    assert re.fullmatch(
        r"# demo, site disk: unchanged\n\n20\S+\+00:00, \d+\.\d s\. 0 built, 4 fresh\.\n", locked.page()
    )


def test_a_package_changed(locked: Scene) -> None:
    locked.publish("tool-1.1")
    lock = locked.lock.read_bytes()
    assert locked.periodic() == CHANGED
    assert locked.lock.read_bytes() != lock
    report = locked.report()
    # What does not install it was left alone.
    assert locked.built() == ["below", "tool"]
    assert report["fresh"] == 2
    package = {"image": "tool", "name": "tool", "arch": "noarch", "old": "1.0-1.el7", "new": "1.1-1.el7"}
    assert report["packages"] == [package]
    assert report["lock"] == [{"image": "tool", "name": "tool", "old": "1.0-1.el7", "new": "1.1-1.el7"}]
    page = locked.page()
    assert "## Packages\n\n| image | package | before | now |\n|---|---|---|---|\n" in page
    assert "| tool | tool.noarch | 1.0-1.el7 | 1.1-1.el7 |\n" in page
    assert "| below | parent changed: tool |" in page
    assert locked.periodic() == 0


def test_a_failure(locked: Scene) -> None:
    """It blocks its descendants; what it would have brought is told when it is built at last."""
    locked.publish("tool-1.1")
    recipe = "image: tool\nfrom: base\npackages: [tool]\nsteps:\n  - run: echo '| so |'; exit 7\n"
    locked.write("images/tool.yaml", recipe)
    assert locked.periodic() == FAILED
    report = locked.report()
    assert (report["outcome"], report["blocked"], locked.built()) == ("failed", ["below"], [])
    (failed,) = report["failed"]
    assert (failed["image"], failed["at"]) == ("tool", "recipes/demo/images/tool.yaml:5:5")
    assert failed["log"] == "build/demo/logs/tool.log"
    assert any("| so |" in line for line in failed["log_end"])
    assert "## Failed\n\n* tool, at `recipes/demo/images/tool.yaml:5:5`; its log is" in locked.page()
    assert "## Not reached\n\nbelow\n" in locked.page()

    locked.write("images/tool.yaml", recipe.replace("exit 7", "exit 0"))
    assert locked.periodic() == CHANGED
    assert locked.built() == ["below", "tool"]
    assert [(item["old"], item["new"]) for item in locked.report()["packages"]] == [
        ("1.0-1.el7", "1.1-1.el7")
    ]
    assert locked.report()["lock"] == []


def test_images_come_and_go(locked: Scene) -> None:
    locked.write("images/more.yaml", "image: more\nfrom: base\n")
    (locked.place / "recipes/demo/images/beside.yaml").unlink()
    # Another way to the same files: what is made from it is left alone.
    steps = "steps:\n  - {touch: /x}\n  - {remove: /x}\n"
    locked.write("images/tool.yaml", f"image: tool\nfrom: base\npackages: [tool]\n{steps}")
    assert locked.periodic() == CHANGED
    report = locked.report()
    assert (report["added"], report["removed"]) == (["more"], ["beside"])
    assert {item["image"]: item["is_new"] for item in report["built"]} == {"more": True, "tool": False}
    assert re.search(r"^\| tool \| .* \| [0-9a-f]{12}, as before \|$", locked.page(), re.MULTILINE)


def test_runs_that_build_nothing(locked: Scene) -> None:
    """A repository that does not answer; too little space to begin; Ctrl-C."""
    lock = locked.lock.read_bytes()
    locked.repository.rename(locked.place / "away")
    assert locked.periodic() == FAILED
    assert locked.lock.read_bytes() == lock
    report = locked.report()
    assert (report["outcome"], report["built"]) == ("failed", [])
    assert [item["code"] for item in report["mistakes"]] == ["repository-unreachable"]
    assert "## Nothing was built\n\n```\n" in locked.page()

    (locked.place / "away").rename(locked.repository)
    locked.write("images/tool.yaml", "image: tool\nfrom: base\n")
    assert locked.periodic(BS_SPACE_MIB="999999999") == FAILED
    report = locked.report()
    # Nothing was looked at, whatever the last run had to say.
    assert (report["outcome"], report["built"], report["fresh"]) == ("failed", [], 0)
    assert sorted(report["blocked"]) == ["base", "below", "beside", "tool"]

    locked.write("images/tool.yaml", "image: tool\nfrom: base\nsteps:\n  - run: sleep 60\n")
    log = locked.plan / "logs/tool.log"
    for number in (None, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        log.unlink()
        (locked.plan / "report.json").unlink()

        def builds() -> bool:
            return log.exists() and (locked.plan / "state/working.tool").exists()

        assert locked.interrupted(builds, number) == INTERRUPTED
        report = locked.report()
        assert (report["outcome"], report["blocked"]) == ("interrupted", ["tool", "below"])
        assert locked.store.buildah("containers", "--quiet").split() == []


def test_a_mistake_before_there_is_a_plan_leaves_no_directory_behind(scene: Scene) -> None:
    scene.write("images/base.yaml", "image: base\nfrom: nothing\n")
    assert scene.periodic() == REFUSED
    assert not scene.plan.exists()
    scene.write("images/base.yaml", "image: base\nfrom: site\n")
    assert scene.buildsys("plan", "demo").returncode == 0


def test_without_a_lock_any_change_of_the_repository_builds(scene: Scene) -> None:
    assert scene.periodic() == CHANGED
    assert not scene.lock.exists()
    assert scene.periodic() == 0
    scene.publish("tool-1.1")
    assert scene.periodic() == CHANGED
    assert {item["reason"] for item in scene.report()["built"] if item["image"] == "tool"} == {
        "repository changed (unlocked: any repository change rebuilds)"
    }
    assert scene.report()["packages"] == []


def test_base_images_are_asked_for_anew_but_not_those_made_here(scene: Scene) -> None:
    put_base(scene.store, scene.place / "root")
    scene.write("sites/disk.yaml", "site: disk\ninstaller: dnf\nbase: {image: localhost/busybox:1}\n")
    scene.write("images/tool.yaml", "image: tool\nfrom: base\n")
    assert scene.periodic() == CHANGED
    assert scene.periodic() == 0
    nowhere = "registry.invalid/busybox:1"
    scene.store.buildah("tag", "localhost/busybox:1", nowhere)
    scene.write("sites/disk.yaml", f"site: disk\ninstaller: dnf\nbase: {{image: {nowhere}}}\n")
    done = scene.buildsys("periodic", "demo")
    assert done.returncode == FAILED
    assert f"error: the base image {nowhere} cannot be pulled\n" in done.stderr
    assert scene.report()["outcome"] == "failed"


def test_a_version_that_goes_back(locked: Scene) -> None:
    """The images of before are in the store under their keys: nothing is built, and the set is another."""
    before = {name: item.removeprefix("sha256:") for name, item in locked.store.names().items()}
    locked.publish("tool-1.1")
    assert locked.periodic() == CHANGED
    (locked.repository / "tool-1.1-1.el7.noarch.rpm").unlink()
    locked.publish()
    assert locked.periodic() == CHANGED
    report = locked.report()
    assert (report["outcome"], report["built"], report["fresh"]) == ("changed", [], 4)
    changed = {item["image"]: (item["new"], item["is_built"]) for item in report["changed"]}
    names = {name: f"localhost/example/{name}:1" for name in ("tool", "below")}
    assert changed == {name: (before[names[name]], False) for name in names}
    assert [item["reference"] for item in report["changed"]] == [*names.values()]
    package = {"image": "tool", "name": "tool", "arch": "noarch", "old": "1.1-1.el7", "new": "1.0-1.el7"}
    assert report["packages"] == [package]
    page = locked.page()
    assert "0 built, 4 fresh, 2 changed without a build." in page
    assert "## Changed without a build\n\n| image | why | id before | id now |\n" in page
    assert "| tool | built from these inputs before; its name moves back to that image |" in page
    assert locked.periodic() == 0


def test_what_another_run_built_is_changed_too(locked: Scene) -> None:
    """By hand, or by a periodic build that failed later."""
    locked.write("images/beside.yaml", "image: beside\nfrom: base\nsteps:\n  - touch: /other\n")
    assert locked.buildsys("build", "demo").returncode == 0
    assert locked.periodic() == CHANGED
    assert [(item["image"], item["is_built"]) for item in locked.report()["changed"]] == [("beside", False)]
    assert locked.report()["built"] == []

    locked.write("images/below.yaml", "image: below\nfrom: tool\nsteps:\n  - run: exit 7\n")
    locked.write("images/beside.yaml", "image: beside\nfrom: base\nsteps:\n  - touch: /beside\n")
    assert locked.periodic() == FAILED
    locked.write("images/below.yaml", SET["images/below.yaml"])
    assert locked.periodic() == CHANGED
    assert [item["image"] for item in locked.report()["changed"]] == ["beside"]
    assert locked.periodic() == 0


def test_another_name_and_one_image_less_are_changes(locked: Scene) -> None:
    locked.write("set.yaml", SET["set.yaml"].replace('tag: "1"', 'tag: "2"'))
    assert locked.periodic() == CHANGED
    assert {item["reference"] for item in locked.report()["changed"]} == {
        f"localhost/example/{name}:2" for name in ("base", "tool", "below", "beside")
    }
    (locked.place / "recipes/demo/images/beside.yaml").unlink()
    assert locked.periodic() == CHANGED
    assert (locked.report()["removed"], locked.report()["changed"]) == (["beside"], [])
    assert locked.periodic() == 0
