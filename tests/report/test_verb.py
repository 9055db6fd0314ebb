"""`buildsys report` and `buildsys graph --svg`, as they are called."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from buildsys import cli
from tests.report import world

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _there(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the folder that has ./recipes/shop, with the user's own store."""
    monkeypatch.chdir(shop.parent.parent)
    monkeypatch.delenv("BS_STORE", raising=False)


@pytest.fixture
def podman(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A podman that writes down its arguments in `called`, and prints the file `answer`; fails without it."""
    program = tmp_path / "bin/podman"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/called\nexec cat {tmp_path}/answer\n')
    program.chmod(0o755)
    buildah = tmp_path / "bin/buildah"
    buildah.write_text(f"#!/bin/sh\nexec cat {tmp_path}/listing\n")
    buildah.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return tmp_path


def test_a_set_without_a_plan_has_a_report_below_the_build_directory(capsys: Captured, podman: Path) -> None:
    assert cli.run(["report", "shop"]) == 0
    assert capsys.readouterr().err == "build/shop.html: 6 images\n"
    assert "not planned yet" in Path("build/shop.html").read_text()
    # There is nothing to ask a store for, and no plan was made.
    assert not (podman / "called").exists()
    assert [path.name for path in Path("build").iterdir()] == ["shop.html"]


@pytest.fixture
def ran(shop: Path) -> None:
    """`base` and `alone` were built, and the plan is not in its usual place."""
    plan = Path("elsewhere/plan").absolute()
    world.planned(shop, plan)
    world.ran(plan, {"base": {}, "alone": {"reason": "forced"}})


@pytest.mark.usefixtures("ran")
def test_sizes_come_from_one_call_on_the_chosen_store(podman: Path) -> None:
    rows = [("alone", 500), ("base", 1000)]
    (podman / "answer").write_text("".join(f"{size} sha256:{name},\n" for name, size in rows))
    words = [
        "report",
        "shop",
        "--plan",
        "elsewhere/plan",
        "-o",
        "out/report.html",
        "--store",
        "--root /s --runroot /r",
    ]
    assert cli.run(words) == 0
    first, *others = (podman / "called").read_text().splitlines()
    assert first.startswith("--root /s --runroot /r image inspect --format ")
    assert first.endswith(f" {world.identity('alone')} {world.identity('base')}")
    # The base image, which the store lacks, is asked for by itself; podman then answers nothing.
    assert all("registry.example/base:1" in line for line in others)
    text = Path("out/report.html").read_text()
    assert "1.5 kB" not in text
    assert ">1 kB<" in text
    assert "forced" in text


@pytest.mark.usefixtures("ran")
def test_a_store_that_does_not_answer_leaves_sizes_out(podman: Path) -> None:
    assert cli.run(["report", "shop", "--plan", "elsewhere/plan"]) == 0
    assert (podman / "called").exists()
    assert "No sizes: the store could not be read" in Path("build/shop.html").read_text()


@pytest.mark.usefixtures("ran")
def test_images_that_the_store_lacks_are_left_out_by_a_second_call(podman: Path) -> None:
    (podman / "bin/podman").write_text(
        f'#!/bin/sh\nfor last; do :; done\n[ "$last" = {world.identity("base")} ] || exit 125\n'
        f"echo 1234567 sha256:a,\n"
    )
    (podman / "listing").write_text(f"sha256:{world.identity('base')} localhost/base:1\n")
    assert cli.run(["report", "shop", "--plan", "elsewhere/plan"]) == 0
    assert "1.2 MB" in Path("build/shop.html").read_text()


@pytest.mark.usefixtures("podman")
def test_the_report_is_replaced_whole_and_can_be_read_by_others_as_the_umask_allows(capsys: Captured) -> None:
    Path("report.html").write_text("old")
    before = os.umask(0o077)
    try:
        assert cli.run(["report", "shop", "-o", "report.html"]) == 0
    finally:
        os.umask(before)
    assert Path("report.html").read_text().startswith("<!doctype html>")
    assert Path("report.html").stat().st_mode & 0o777 == 0o600
    assert not [path for path in Path().iterdir() if path.name.endswith(".new")]
    capsys.readouterr()


@pytest.mark.usefixtures("podman")
def test_a_folder_in_the_place_of_the_report_is_a_mistake_of_usage(capsys: Captured) -> None:
    Path("report.html").mkdir()
    assert cli.run(["report", "shop", "-o", "report.html"]) == 2
    assert "'report.html' is a directory" in capsys.readouterr().err


@pytest.mark.usefixtures("podman")
def test_a_mistake_in_a_recipe_is_reported_and_no_file_is_written(capsys: Captured) -> None:
    Path("recipes/shop/images/web.yaml").write_text("image: web\nfrom: nowhere\n")
    assert cli.run(["report", "shop"]) == 2
    assert "recipes/shop/images/web.yaml:2:7" in capsys.readouterr().err
    assert not Path("build").exists()


@pytest.mark.usefixtures("podman")
def test_a_folder_without_a_plan_is_refused_where_it_is_named(capsys: Captured) -> None:
    assert cli.run(["report", "shop", "--plan", "recipes"]) == 2
    assert capsys.readouterr().err == (
        "error: recipes holds no plan [no-plan]\n  hint: leave --plan out for a report without results\n"
    )


@pytest.mark.usefixtures("ran")
def test_damaged_records_do_not_end_a_report(podman: Path) -> None:
    plan = Path("elsewhere/plan")
    (plan / "results/base.json").write_text('{"image_id": ["x"], "reason": "\\ud800", "status": 3}')
    (plan / "results/alone.json").write_text('{"image_id"')
    for name, seconds in (("base", "nan"), ("alone", "-3")):
        (plan / f"state/{name}.seconds").write_text(seconds)
    lines = ['{"time": 1e300, "event": "run", "run": "1"}']
    for begin, end in (("5", "1e300"), ("9", "3"), ("NaN", "NaN")):
        lines += [f'{{"time": {begin}, "event": "started", "image": "base"}}']
        lines += [f'{{"time": {end}, "event": "built", "image": "base", "seconds": 1}}']
    (plan / "events.jsonl").write_text("\n".join([*lines, '{"time": 3, "event": "bui']))
    assert cli.run(["report", "shop", "--plan", str(plan)]) == 0
    text = Path("build/shop.html").read_text()
    assert "run of an unknown time" in text
    assert "nan" not in text.partition("<script>")[0].replace("nano", "")
    assert podman.is_dir()


def test_the_graph_is_drawn_for_the_chosen_images(capsys: Captured) -> None:
    assert cli.run(["graph", "shop", "web", "--svg"]) == 0
    drawn = capsys.readouterr().out
    assert drawn.startswith("<svg ")
    assert all(f">{name}</text>" in drawn for name in ("base", "web", "side-door"))
    assert ">alone<" not in drawn
    assert cli.run(["graph", "shop", "web", "--format=svg"]) == 0
    assert capsys.readouterr().out == drawn


def test_an_image_whose_parent_is_not_chosen_is_drawn_without_it(capsys: Captured) -> None:
    assert cli.run(["graph", "shop", "web", "--no-parents", "--svg"]) == 0
    assert "<path" not in capsys.readouterr().out
