"""Defaults of options from configuration files, and every mistake in these files, word by word."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from buildsys import settings
from buildsys.diagnostics import Code, Refused

if TYPE_CHECKING:
    from tests.cli.conftest import Run

Write = Callable[[str], Path]


@pytest.fixture
def write(here: Path, environment: dict[str, str]) -> Write:
    """Write the user's configuration file."""
    for name in (
        "XDG_CONFIG_HOME",
        "BS_SITE",
        "BS_JOBS",
        "BS_TO",
        "BS_BUILD_DIR",
        "BS_RECIPES",
    ):
        environment.pop(name, None)
    environment["HOME"] = str(here / "home")
    path = here / "home/.config/buildsys/config.toml"
    path.parent.mkdir(parents=True)

    def written(text: str) -> Path:
        path.write_text(text, "utf-8")
        return path

    return written


def test_each_value_has_its_place(write: Write, environment: dict[str, str], buildsys: Run) -> None:
    path = write('# mine\nsite = "far"\n\nto = [ # two\n  "oci:/a",\n  "dir:/b",\n]\nrecipes = "~/sets"\n')
    environment["BS_JOBS"] = "3"
    rows = {row["key"]: row for row in json.loads(buildsys("config", "--json").stdout)}
    assert rows["site"] == {"key": "site", "value": "far", "from": f"{path}:2:8"}
    assert rows["to"] == {"key": "to", "value": ["oci:/a", "dir:/b"], "from": f"{path}:4:6"}
    assert rows["recipes"]["value"] == [f"{environment['HOME']}/sets"]
    assert rows["jobs"] == {"key": "jobs", "value": "3", "from": "BS_JOBS in the environment"}
    assert rows["build-dir"] == {"key": "build-dir", "value": "build", "from": "default"}
    plain = buildsys("config")
    assert f"to\toci:/a dir:/b\t{path}:4:6\n" in plain.stdout
    assert plain.stderr.startswith(f"{path}: read\n")


def test_the_order_of_what_counts(
    write: Write, here: Path, environment: dict[str, str], buildsys: Run
) -> None:
    sites = here / "recipes/tiny/sites"
    for name in ("near", "moon"):
        (sites / f"{name}.yaml").write_text((sites / "far.yaml").read_text().replace("far", name))

    def site(*options: str) -> str:
        done = buildsys("plan", "tiny", *options)
        assert done.returncode == 0, done.stderr
        data: dict[str, str] = json.loads((here / "build/tiny/plan.json").read_text())
        return data["site"]

    assert site() == "far"
    write('site = "near"\n')
    assert site() == "near"
    environment["BS_SITE"] = "moon"
    assert site() == "moon"
    assert site("--site", "far") == "far"


def test_the_users_file_counts_before_the_hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = tmp_path / "system.toml"
    system.write_text('site = "a"\njobs = 2\n')
    monkeypatch.setattr(settings, "SYSTEM", system)
    user = tmp_path / "config/buildsys/config.toml"
    user.parent.mkdir(parents=True)
    user.write_text('site = "b"\n')
    found = settings.settings({"XDG_CONFIG_HOME": str(tmp_path / "config")})
    assert {key: (setting.value, setting.spot.file) for key, setting in found.items()} == {
        "site": ("b", str(user)),
        "jobs": (2, str(system)),
    }


def test_sets_of_configured_folders_are_found(
    write: Write, here: Path, environment: dict[str, str], buildsys: Run
) -> None:
    (here / "recipes").rename(Path(environment["HOME"]) / "sets")
    path = write('recipes = ["~/sets"]\n')
    assert buildsys("check", "tiny").returncode == 0
    assert f"  {environment['HOME']}/sets ({path}:1)\n" in buildsys("sets").stderr


def test_jobs_store_and_folder_reach_the_run(
    write: Write, environment: dict[str, str], fake_bash: Path, buildsys: Run
) -> None:
    write('jobs = 3\nstore = "--root /srv/r --runroot /srv/q"\nbuild-dir = "made"\n')
    environment.pop("BS_STORE", None)
    done = buildsys("build", "tiny")
    assert done.returncode == 0, done.stderr
    called = fake_bash.read_text().splitlines()
    assert called[0] == "made/tiny/lib/run.sh"
    assert {"BS_STORE=--root /srv/r --runroot /srv/q", "JOBS=3"} <= set(called)


def test_destinations_are_those_of_the_file(write: Write, buildsys: Run) -> None:
    write('to = "nope"\n')
    done = buildsys("publish", "tiny")
    assert (
        ":1:6: error: 'nope' has no known transport [bad-destination]\n  1 | to = \"nope\"\n" in done.stderr
    )
    assert buildsys("publish", "tiny", "--to", "oci:/x").stderr.count("bad-destination") == 0


def test_help_needs_no_right_file(write: Write, buildsys: Run) -> None:
    write("site = \n")
    assert "[default: build]" in " ".join(buildsys("build", "--help").stdout.split()).replace("; ", " [")
    assert buildsys("--version").returncode == 0
    assert buildsys("build", "tiny").returncode == 2


MISTAKES = {
    'site = 3\njobs = "4"\nrecipes = [\n  "r" ]\n"a=b" = 1\nstor = "x"\n[x]\ny = 1\n': """\
:1:8: error: this is not a text [wrong-type]
  1 | site = 3
    |        ^
  hint: write it in quotes: "…"

:2:8: error: this is not a whole number [wrong-type]
  2 | jobs = "4"
    |        ^
  hint: write it without quotes: jobs = 4

:3:11: error: 'r' is a relative path, and this file counts in every folder [bad-path]
  3 | recipes = [
    |           ^
  hint: begin it with / or ~/

:5:1: error: there is no key 'a=b' here [unknown-key]
  5 | "a=b" = 1
    | ^
  hint: the keys are site, store, to, jobs, recipes, build-dir

:6:1: error: there is no key 'stor' here [unknown-key]
  6 | stor = "x"
    | ^
  hint: did you mean 'store' or 'to'?

:7:1: error: there is no key 'x' here [unknown-key]
  7 | [x]
    | ^
  hint: the keys are site, store, to, jobs, recipes, build-dir
""",
    "jobs = 0\nto = []\nsite = true\n": """\
:1:8: error: 0 is not above 0 [bad-number]
  1 | jobs = 0
    |        ^
  hint: leave the key out for what suits the host

:2:6: error: this is not a list of texts [wrong-type]
  2 | to = []
    |      ^
  hint: write ["…", "…"]

:3:8: error: this is not a text [wrong-type]
  3 | site = true
    |        ^
  hint: write it in quotes: "…"
""",
    '# first\nsite = host\nstore = "x"\n': """\
:2:8: error: invalid value [toml-syntax]
  2 | site = host
    |        ^
  hint: a setting is KEY = VALUE, text in quotes: site = "rdo"
""",
    'site = "a"\nto = [\n  "x",\n': """\
:3:7: error: invalid value [toml-syntax]
  3 |   "x",
    |       ^
  hint: a setting is KEY = VALUE, text in quotes: site = "rdo"
""",
    'site = "moon"\n': """\
:1:8: error: no site is called 'moon' [unknown-site]
  1 | site = "moon"
    |        ^
  hint: known sites: far
""",
    'store = "--root /a:b"\n': """\
:1:9: error: a container store cannot lie in /a:b: its path must hold no : , + ] \\ or newline [bad-store]
  1 | store = "--root /a:b"
    |         ^
""",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_mistakes(text: str, write: Write, environment: dict[str, str], buildsys: Run) -> None:
    environment.pop("BS_STORE", None)
    path = write(text)
    done = buildsys("plan", "tiny")
    shown = "\n".join(
        f"{path}{line}" if line.startswith(":") else line for line in MISTAKES[text].split("\n")
    )
    assert (done.returncode, done.stderr) == (2, shown)


@pytest.mark.parametrize(
    ("content", "code"),
    [(b'site = "\xff"\n', Code.NOT_UTF_8), (b"#" * 70_000, Code.LARGE_FILE)],
)
def test_files_that_are_no_text(content: bytes, code: Code, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    with pytest.raises(Refused) as refused:
        settings.read(path, {})
    assert [item.code for item in refused.value.diagnostics] == [code]


def test_without_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "home", lambda _environment: None)
    assert settings.files({}) == [settings.SYSTEM]
    path = tmp_path / "config.toml"
    path.write_text('recipes = "~/x"\n')
    with pytest.raises(Refused) as refused:
        settings.read(path, {})
    assert refused.value.diagnostics[0].message == "this user has no home, so ~ means nothing"
