"""check, list, show, graph: what they print."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from buildsys import image
from buildsys.cli import image_text
from buildsys.diagnostics import NOWHERE, Spot
from buildsys.pipeline import Pipeline
from buildsys.recipe.yaml_text import flow

if TYPE_CHECKING:
    from tests.cli.conftest import Run

ROOT = Path(__file__).resolve().parents[2]
REFERENCES = {name: f"localhost/test/t-{name}:1" for name in ("alone", "app", "base", "side-door")}


def at_a_terminal(argv: list[str], cwd: Path, environment: dict[str, str]) -> str:
    """What a program writes to a terminal of 100 columns."""
    ours, theirs = pty.openpty()
    environment = {**environment, "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(argv, cwd=cwd, env=environment, stdout=theirs, stderr=subprocess.DEVNULL):
        os.close(theirs)
        said = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # how Linux says that nobody writes there any more
                break
            if not part:
                break
            said += part
    os.close(ours)
    return said.decode().replace("\r\n", "\n")


# check


def test_check(buildsys: Run) -> None:
    done = buildsys("check", "tiny")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "tiny: 4 images, no mistakes\n")


def test_check_as_json(buildsys: Run, here: Path) -> None:
    assert buildsys("check", "tiny", "--json").stdout == "[]\n"
    (here / "recipes/tiny/images/alone.yaml").write_text("image: alone\nfrom: sight\nuser: 7\n")
    done = buildsys("check", "tiny", "--json")
    assert (done.returncode, done.stderr) == (2, "")
    (mistake,) = json.loads(done.stdout)
    assert (mistake["code"], mistake["file"], mistake["line"], mistake["column"]) == (
        "wrong-type",
        "recipes/tiny/images/alone.yaml",
        3,
        7,
    )


def test_check_looks_at_every_site(buildsys: Run, here: Path) -> None:
    site = here / "recipes/tiny/sites/near.yaml"
    site.write_text('site: near\nbase: {image: "{{ nothing }}"}\ninstaller: dnf\n')
    assert buildsys("check", "tiny", "--site", "far").returncode == 0
    done = buildsys("check", "tiny")
    assert done.returncode == 2
    assert done.stderr.startswith(
        "recipes/tiny/sites/near.yaml:2:15: error: the variable 'nothing' is not defined"
    )


@pytest.mark.parametrize("verb", ["check", "plan"])
@pytest.mark.parametrize("where", ["set.yaml", "sites/near.yaml"])
def test_an_epoch_to_come_is_refused(buildsys: Run, here: Path, verb: str, where: str) -> None:
    """Files that are newer than the epoch are the step's: none would be, and two builds would differ."""
    file = here / "recipes/tiny" / where
    known = file.read_text() if file.exists() else "site: near\nbase: {image: x}\ninstaller: dnf\n"
    lines = [line for line in known.splitlines() if not line.startswith("epoch:")]
    file.write_text("".join(f"{line}\n" for line in [*lines, "epoch: 4102444800"]))
    done = buildsys(verb, "tiny", *(("--site", "near") if where != "set.yaml" else ()))
    assert done.returncode == 2
    place = f"recipes/tiny/{where}:{len(lines) + 1}:8"
    assert done.stderr.startswith(
        f"{place}: error: the epoch is 2100-01-01 00:00, the clock of this machine "
    )
    assert "[late-epoch]" in done.stderr
    assert not (here / "build/tiny").exists()


# list


def test_list(buildsys: Run) -> None:
    done = buildsys("list", "tiny")
    assert done.stderr == ""
    assert [line.split("\t") for line in done.stdout.splitlines()] == [
        ["alone", "registry.example/base:1", REFERENCES["alone"], ""],
        ["base", "registry.example/base:1", REFERENCES["base"], ""],
        ["side-door", "base", REFERENCES["side-door"], "front"],
        ["app", "base", REFERENCES["app"], "front"],
    ]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["app"], ["app"]),
        (["a*"], ["alone", "app"]),
        (["@front"], ["side-door", "app"]),
        (["--only", "alone 'side-*'"], ["alone", "side-door"]),
        (["--only", "", "--only", "base alone"], ["alone", "base"]),
        (["alone", "--only", "base"], ["alone", "base"]),
        (["app", "--parents"], ["base", "side-door", "app"]),
        (["side-door", "--children"], ["side-door", "app"]),
        (["base", "--children", "--no-parents"], ["base", "side-door", "app"]),
    ],
)
def test_list_some(buildsys: Run, words: list[str], names: list[str]) -> None:
    done = buildsys("list", "tiny", *words)
    assert done.stderr == ""
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == names


def test_list_refuses_what_means_no_image(buildsys: Run) -> None:
    done = buildsys("list", "tiny", "ap", "@frond")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: no image matches 'ap' [no-match]\n  hint: did you mean 'app'?\n\n"
        "error: no profile is called 'frond' [no-match]\n  hint: did you mean '@front'?\n"
    )


def test_list_refuses_half_a_quotation(buildsys: Run) -> None:
    done = buildsys("list", "tiny", "--only", "app 'side-*")
    assert (done.returncode, done.stderr) == (2, "error: unbalanced quotes in: app 'side-*\n")


def test_list_as_json(buildsys: Run) -> None:
    (found,) = json.loads(buildsys("list", "tiny", "app", "--json").stdout)
    assert found == {
        "image": "app",
        "from": "base",
        "reads": ["base", "side-door"],
        "reference": REFERENCES["app"],
        "profiles": ["front"],
        "at": "recipes/tiny/images/app.yaml:1:8",
    }


def test_a_terminal_gets_a_table_and_colours_only_where_they_are_wanted(
    here: Path, environment: dict[str, str]
) -> None:
    argv = [sys.executable, "-m", "buildsys", "list", "tiny", "app"]
    coloured = at_a_terminal(argv, here, environment)
    assert "\x1b[1mIMAGE" in coloured
    plain = at_a_terminal(argv, here, {**environment, "NO_COLOR": "1"})
    assert [line.split() for line in plain.splitlines()] == [
        ["IMAGE", "FROM", "REFERENCE", "PROFILES"],
        ["app", "base", REFERENCES["app"], "front"],
    ]
    show = [sys.executable, "-m", "buildsys", "show", "tiny", "app"]
    assert "\x1b[" in at_a_terminal(show, here, environment)
    assert "\x1b[" not in at_a_terminal(show, here, {**environment, "NO_COLOR": "1"})


# show


def test_show(buildsys: Run) -> None:
    done = buildsys("show", "tiny", "app")
    assert (done.returncode, done.stderr) == (0, "")
    where = "# recipes/tiny/images/app.yaml"
    expected = [
        ("image: app", f"{where}:1:8"),
        ("reference: localhost/test/t-app:1", ""),
        ("from: base", f"{where}:2:7"),
        ("profiles: [front]", ""),
        ("instructions:", ""),
        ("  - copy: /srv/page", f"{where}:4:5"),
        ("    from: side-door", ""),
        ("    to: /srv/page", ""),
        ("  - chmod: [/srv/page]", f"{where}:7:5"),
        ('    mode: "644"', ""),
        ("user: nobody", f"{where}:9:7"),
        ("cmd: [serve, --colour, red]", f"{where}:10:6"),
        ("env:", ""),
        ('  PAGE: "yes"', f"{where}:11:13"),
        ("labels:", ""),
        ("  name: app", "# recipes/tiny/set.yaml:11:18"),
    ]
    assert done.stdout == "".join(f"{text:<64} {spot}\n" if spot else f"{text}\n" for text, spot in expected)


def test_show_with_a_variable_and_an_overlay(buildsys: Run, here: Path) -> None:
    (here / "mine.yaml").write_text("overlay: mine\nimages:\n  app:\n    user: root\n")
    done = buildsys("show", "tiny", "app", "--variable", "colour=blue", "--overlay", "mine.yaml")
    lines = [line.split(" # ") for line in done.stdout.splitlines()]
    shown = [(line[0].strip(), line[-1]) for line in lines]
    assert ("cmd: [serve, --colour, blue]", "recipes/tiny/images/app.yaml:10:6") in shown
    assert ("user: root", "mine.yaml:4:11") in shown


def test_show_refuses_a_variable_that_cannot_have_this_value(buildsys: Run) -> None:
    done = buildsys("show", "tiny", "app", "--variable", "colour=bleu")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: the variable 'colour' cannot be 'bleu' [bad-choice]\n")


def test_show_refuses_an_image_that_is_not_there(buildsys: Run) -> None:
    done = buildsys("show", "tiny", "apps")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: tiny has no image called 'apps' [unknown-image]\n  hint: did you mean 'app'?\n"
    )


def test_show_as_json(buildsys: Run) -> None:
    shown = json.loads(buildsys("show", "tiny", "app", "--json").stdout)
    where = "recipes/tiny/images/app.yaml"
    assert shown["from"] == {"value": "base", "at": f"{where}:2:7"}
    assert shown["instructions"][1] == {"chmod": ["/srv/page"], "mode": "644", "at": f"{where}:7:5"}
    assert shown["config"]["cmd"] == {"value": ["serve", "--colour", "red"], "at": f"{where}:10:6"}
    assert shown["config"]["labels"] == {"name": {"value": "app", "at": "recipes/tiny/set.yaml:11:18"}}
    packages = json.loads(buildsys("show", "tiny", "base", "--json").stdout)["instructions"][0]["packages"]
    assert packages == [{"name": "tree", "at": "recipes/tiny/images/base.yaml:3:12"}]


def an_instruction(kind: type[Any]) -> Any:
    """One instruction of a kind, each field filled with something of its type."""
    spot = Spot("x.yaml", 1, 2)
    package = image.PackageName("tree", spot)
    locked = image.LockedPackage("tree", "0", "1", "2", "noarch", "os", "sha256:0", "tree.rpm")
    values: dict[str, Any] = {
        "str": "text", "bool": True, "int": 7, "tuple[str, ...]": ("one", "two"), "PackageName": package,
        "tuple[PackageName, ...]": (package,), "tuple[LockedPackage, ...]": (locked,),
        "LockedPackage | None": locked, "Login | None": None, "tuple[tuple[str, str], ...]": (("a", "b"),),
        "tuple[tuple[int, tuple[str, ...]], ...]": ((1, ("a",)),),
        "tuple[Account, ...]": (image.Account("me", 1, 2, "/home/me", "/bin/sh", ("us",)),), "Spot": spot,
        "tuple[NamedImage, ...]": (image.NamedImage("there", "it", spot),), "tuple[Spot, ...]": (spot,),
        "tuple[OtherImage, ...]": (image.OtherImage("here", "there", spot),),
        "tuple[HereFile, ...]": (image.HereFile("0/x", "text", executable=True),),
        "tuple[ContextFolder, ...]": (image.ContextFolder("more", "folder", spot),),
        "tuple[Secret, ...]": (image.Secret("token", required=True, file="", spot=spot),),
    }  # fmt: skip
    fields = kind.__dataclass_fields__
    return kind(**{name: values[str(field.type)] for name, field in fields.items()})


@pytest.mark.parametrize("kind", get_args(image.Instruction), ids=lambda kind: kind.__name__)
def test_every_kind_of_instruction_is_shown_with_its_place(kind: type[Any]) -> None:
    step = an_instruction(kind)
    told = list(image_text.lines(an_image(step)))
    (shown,) = yaml.safe_load("\n".join(line.text for line in told))["instructions"]
    assert shown == plain(image_text.step_keys(step))
    assert [line.spot for line in told if line.text.startswith("  - ")] == [step.spot]


def an_image(*steps: image.Instruction) -> image.Image:
    reference = image.ImageReference("localhost", "test", "", "it", "1")
    return image.Image("it", reference, image.EmptyRoot(), steps, image.OciConfig())


def plain(value: Any) -> Any:
    if isinstance(value, image.PackageName):
        return value.name
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, tuple | list) else value


def test_every_image_of_the_pike_set_is_shown_whole_as_yaml() -> None:
    shown = Pipeline(ROOT / "recipes/stable-pike").resolve().images
    assert len(shown) == 108
    for name, resolved in shown.items():
        told = yaml.safe_load("\n".join(line.text for line in image_text.lines(resolved)))
        assert (told["image"], told["reference"]) == (name, str(resolved.reference))
        assert len(told.get("instructions", ())) == len(resolved.instructions)
        assert told.get("user") == resolved.config.user
        assert told["labels"] == resolved.config.labels
        every = {
            key
            for key, value in told.items()
            if key not in {"image", "reference", "profiles", "instructions"}
        }
        placed = {
            line.text.split(":")[0].strip() for line in image_text.lines(resolved) if line.spot != NOWHERE
        }
        assert every - {"env", "labels"} <= placed


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]))
values = st.recursive(
    st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=8,
)


@given(values)
def test_what_is_shown_reads_as_the_same_value(value: Any) -> None:
    assert yaml.safe_load(flow(value)) == value


# graph


def test_graph_as_a_tree(buildsys: Run) -> None:
    done = buildsys("graph", "tiny")
    assert done.stderr == ""
    assert done.stdout == (
        "tiny\n"
        "├── alone\n"
        "└── base\n"
        "    ├── side-door\n"
        "    └── app (copies from side-door)\n"
    )  # fmt: skip


def test_graph_of_one_image_without_its_parents(buildsys: Run) -> None:
    assert buildsys("graph", "tiny", "side-door").stdout == "tiny\n└── base\n    └── side-door\n"
    alone = buildsys("graph", "tiny", "side-door", "--no-parents").stdout
    assert alone == "tiny\n└── side-door (from base)\n"


def test_graph_for_graphviz(buildsys: Run) -> None:
    assert buildsys("graph", "tiny", "app", "--format", "dot").stdout == (
        'digraph "tiny" {\n  rankdir=LR;\n  node [shape=box];\n  "base";\n'
        '  "side-door";\n  "base" -> "side-door";\n'
        '  "app";\n  "base" -> "app";\n  "side-door" -> "app" [style=dashed];\n}\n'
    )


def test_graph_for_mermaid(buildsys: Run) -> None:
    assert buildsys("graph", "tiny", "app", "--format", "mermaid").stdout == (
        '---\ntitle: "tiny"\n---\nflowchart LR\n'
        '  image_base["base"]\n'
        '  image_side_2d_door["side-door"]\n  image_base --> image_side_2d_door\n'
        '  image_app["app"]\n  image_base --> image_app\n  image_side_2d_door -.-> image_app\n'
    )


def test_graph_as_json(buildsys: Run) -> None:
    assert json.loads(buildsys("graph", "tiny", "app", "--no-parents", "--format", "json").stdout) == {
        "set": "tiny",
        "images": [
            {"image": "app", "reads": [{"image": "base", "as": "from"}, {"image": "side-door", "as": "copy"}]}
        ],
    }


# schema


def test_schema_knows_the_keys_of_a_recipe(buildsys: Run) -> None:
    shown = json.loads(buildsys("schema").stdout)
    assert {"image", "from", "uses", "stop-signal"} <= shown["$defs"]["Recipe"]["properties"].keys()
