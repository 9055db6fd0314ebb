"""The Python API: what the page about it promises, and what it refuses."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from buildsys.diagnostics import Refused, host_path
from buildsys.pipeline import Compiled, Pipeline
from buildsys.plan.compile import Plan
from buildsys.standins.tools import MissingTool, StandinError

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/reference/python-api.md").read_text()


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """A set of two images, whose packages come from a repository that is not asked."""
    files = {
        "set.yaml": 'set: demo\nnamespace: test\ntag: "1"\nformat: oci\nepoch: 1500000000\nsite: far\n',
        "sites/far.yaml": 'site: far\nbase: {image: "registry.example/base:1"}\ninstaller: dnf\n',
        "images/base.yaml": "image: base\nfrom: site\npackages: [tree]\n",
        "images/app.yaml": "image: app\nfrom: base\ncmd: [serve]\n",
    }
    for name, text in files.items():
        path = tmp_path / "recipes/demo" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "recipes/demo"


def test_the_example_of_the_page_runs(demo: Path) -> None:
    """In a process of its own, which shows too that neither click nor rich is imported."""
    (example,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (printed,) = re.findall(r"^```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    check = "import sys\nassert not {'click', 'rich'} & sys.modules.keys()\n"
    done = subprocess.run(
        [sys.executable, "-c", example + check],
        cwd=demo.parent.parent,
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == printed
    assert (demo.parent.parent / "build/demo/Makefile").is_file()


def test_the_page_names_every_public_method() -> None:
    methods = {name for name in vars(Pipeline) if not name.startswith("_")}
    assert methods <= set(re.findall(r"`(\w+)", PAGE))


def test_writing_again_changes_nothing(demo: Path, tmp_path: Path) -> None:
    pipeline = Pipeline(demo, build_directory=tmp_path / "build")
    compiled = pipeline.compile()
    assert pipeline.write(compiled, tmp_path / "plan") > 0
    assert pipeline.write(compiled, tmp_path / "plan") == 0


def test_no_plan_is_written_where_none_can_run(demo: Path, tmp_path: Path) -> None:
    directory = tmp_path / "two\nlines"
    image_set = Pipeline(demo).resolve()
    with pytest.raises(Refused) as refused:
        Pipeline(demo).write(Compiled(image_set, Plan({}, {})), directory)
    assert [item.code for item in refused.value.diagnostics] == ["plan-directory-name"]
    assert not directory.exists()


@pytest.mark.parametrize(
    ("error", "code"),
    [(MissingTool("createrepo_c"), "missing-tool"), (StandinError("out of ink"), "stand-ins-failed")],
)
def test_stand_ins_that_cannot_be_made_are_refused(
    demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: StandinError, code: str
) -> None:
    def build_repository(*_: Path) -> None:
        raise error

    monkeypatch.setattr("buildsys.standins.build_repository", build_repository)
    (demo / "sites/here.yaml").write_text(
        'site: here\nbase: {image: "registry.example/base:1"}\ninstaller: dnf\nstand-ins: data.yaml\n'
    )
    (demo / "data.yaml").write_text("")
    with pytest.raises(Refused) as refused:
        Pipeline(demo, site="here", build_directory=tmp_path / "build").prepare()
    assert [(item.code, item.message) for item in refused.value.diagnostics] == [(code, str(error))]


def test_without_a_lock_there_is_nothing_to_update(demo: Path, tmp_path: Path) -> None:
    assert Pipeline(demo, build_directory=tmp_path / "build").update_lock() == []


def test_the_main_road_is_as_the_page_says() -> None:
    """At most twelve modules; each exists, defines its functions, and one before it calls it."""
    text = (ROOT / "docs/explanation/architecture.md").read_text()
    road = re.findall(r"^\d+\. `(buildsys/\S+\.py)`: (.*)$", text.split("## The main road")[1], re.MULTILINE)
    assert 0 < len(road) <= 12
    before = ""
    for module, functions in road:
        source = (ROOT / module).read_text()
        for function in re.findall(r"`(\w+)`", functions):
            assert re.search(rf"^ *def {function}\(", source, re.MULTILINE), (module, function)
            if before and module != "buildsys/cli/build.py":  # click finds the verb by its name
                assert re.search(rf"\b{function}\(", before), (module, function)
        before += source


def test_of_two_sets_with_one_path_in_plans_the_latest_is_shown(
    demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program may open an installed set, and then one of the same name in the working directory."""
    monkeypatch.chdir(tmp_path)
    other = tmp_path / "elsewhere/demo"
    shutil.copytree(demo, other)
    installed = Pipeline(other, path_in_plans="recipes/demo").resolve()
    own = Pipeline(Path("recipes/demo"), path_in_plans="recipes/demo").resolve()
    for image_set, folder in ((installed, other), (own, Path("recipes/demo"))):
        spot = image_set.images["app"].spot
        assert str(spot) == "recipes/demo/images/app.yaml:1:8"
        assert spot.shown() == f"{folder}/images/app.yaml:1:8"
    # A plan names the place; the words of a build are shown with it.
    assert host_path("recipes/demo/images/app.yaml") == "recipes/demo/images/app.yaml"
    Pipeline(other, path_in_plans="recipes/demo").resolve()
    assert host_path("recipes/demo/images/app.yaml") == f"{other}/images/app.yaml"
