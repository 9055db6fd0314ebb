"""Where sets are found by name, and that a plan does not depend on it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from buildsys import search_path

if TYPE_CHECKING:
    from tests.cli.conftest import Run


@pytest.fixture
def elsewhere(here: Path, environment: dict[str, str]) -> Path:
    """A working directory without recipes; those of `here` are in the user's data."""
    environment |= {"HOME": str(here / "home"), "XDG_DATA_DIRS": "/nonexistent"}
    place = here / "home/.local/share/buildsys/recipes"
    place.parent.mkdir(parents=True)
    (here / "recipes").rename(place)
    return place


def test_a_set_of_the_user_is_found_by_its_name(elsewhere: Path, buildsys: Run) -> None:
    done = buildsys("sets")
    assert done.stdout.splitlines()[0] == f"tiny\t4\t{elsewhere}/tiny\t"
    assert f"  {elsewhere} (this user)\n" in done.stderr
    assert "  recipes (the working directory, does not exist)\n" in done.stderr
    assert buildsys("check", "tiny").returncode == 0


def test_the_first_folder_wins_and_the_other_set_is_hidden(
    here: Path, environment: dict[str, str], buildsys: Run
) -> None:
    for name in ("a", "b", "c"):
        shutil.copytree(here / "recipes", here / name)
    environment["BS_RECIPES"] = f"{here}/b::c"
    found = json.loads(buildsys("sets", "--recipes", "a", "--json").stdout)
    rows = [(row["directory"], row["hidden"]) for row in found["sets"] if row["name"] == "tiny"]
    assert rows == [("a/tiny", False), (f"{here}/b/tiny", True), ("c/tiny", True), ("recipes/tiny", True)]
    assert [row["reason"] for row in found["searched"]][:4] == [
        "--recipes", "BS_RECIPES", "BS_RECIPES", "the working directory",
    ]  # fmt: skip


def test_a_name_that_no_folder_has(buildsys: Run) -> None:
    done = buildsys("check", "tinny")
    assert (done.returncode, done.stderr) == (
        2,
        "error: no image set is called 'tinny' [no-set]\n  hint: did you mean 'tiny'?\n",
    )
    done = buildsys("check", "quite-different")
    assert done.stderr.endswith(
        "  hint: `buildsys sets` lists all, and the folders that are searched; `buildsys new` begins one\n"
    )


def test_without_a_home_the_host_is_searched(environment: dict[str, str], buildsys: Run) -> None:
    environment.pop("HOME", None)
    assert buildsys("check", "tiny").returncode == 0


def test_relative_folders_of_data_are_ignored() -> None:
    found = search_path.search_path((), {"XDG_DATA_HOME": "a", "XDG_DATA_DIRS": "b:/c"})
    paths = [str(item.path) for item in found]
    assert "/c/buildsys/recipes" in paths
    assert not {"a/buildsys/recipes", "b/buildsys/recipes"} & set(paths)


def test_a_plan_does_not_depend_on_the_place_of_the_recipes(
    here: Path, environment: dict[str, str], buildsys: Run
) -> None:
    environment["HOME"] = str(here / "home")
    context = here / "recipes/tiny/files/page"
    context.parent.mkdir()
    context.write_text("hello\n")
    app = here / "recipes/tiny/images/app.yaml"
    app.write_text(app.read_text().replace("  - chmod:", "  - copy: page\n    to: /srv/\n  - chmod:"))
    (here / "recipes/tiny/images/filed").mkdir()
    (here / "recipes/tiny/images/filed/filed.yaml").write_text(
        "image: filed\ncontainerfile: Containerfile\ntest:\n  run: [{run: 'true'}]\n"
    )
    (here / "recipes/tiny/images/filed/Containerfile").write_text("FROM base\nCOPY . /srv/\n")
    done = buildsys("plan", "tiny", "-o", "here")
    assert done.returncode == 0, done.stderr
    (here / "recipes").rename(here / "it's moved")
    done = buildsys("plan", "tiny", "-o", "there", "--recipes", f"{here}/it's moved")
    assert done.returncode == 0, done.stderr
    differ = subprocess.run(
        ["diff", "-r", "--exclude=state", "here", "there"], cwd=here, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert (differ.returncode, differ.stdout) == (0, "")


def test_messages_name_the_file_itself(elsewhere: Path, buildsys: Run) -> None:
    assert f"{elsewhere}/tiny/images/app.yaml:1:8" in buildsys("show", "tiny", "app").stdout
    with (elsewhere / "tiny/images/app.yaml").open("a") as file:
        file.write("colour: red\n")
    done = buildsys("check", "tiny")
    assert f"{elsewhere}/tiny/images/app.yaml:12:1: error: " in done.stderr
    assert "  12 | colour: red\n" in done.stderr


def test_the_lock_of_an_installed_set_is_written_where_the_user_says(
    here: Path, environment: dict[str, str], buildsys: Run
) -> None:
    place = here / "usr/share/buildsys/recipes"
    place.parent.mkdir(parents=True)
    (here / "recipes").rename(place)
    environment["XDG_DATA_DIRS"] = f"{here}/usr/share"
    done = buildsys("lock", "tiny")
    expected = (
        f"error: {place}/tiny/locks/far.yaml is not written: the set tiny was installed, and updates "
        "replace its folder\n  hint: write -o far.yaml, and build with --lock far.yaml\n"
    )
    assert (done.returncode, done.stderr) == (2, expected)
    assert not (place / "tiny/locks").exists()
