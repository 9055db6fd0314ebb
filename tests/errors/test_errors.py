"""Every diagnostic, word by word: a folder for each code holds what is wrong and exactly what is said.

A folder `CODE` or `CODE+MORE` holds the files that differ from `any-set/`, and `expected.txt`. `command`
says what is checked when it is not just `check demo`; `prepare` makes what git cannot hold.
Rewrite the expected texts with `pytest --rewrite tests/errors`, and read the difference.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path

import pytest

from buildsys import diagnostics
from buildsys.diagnostics import Code, Diagnostic, Refused, Spot
from buildsys.lock.requests import buildable
from buildsys.recipe.library import load_set
from buildsys.resolve import resolve
from buildsys.selection import Selection
from tests.acl import give

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CASES = sorted(
    path.name for path in HERE.iterdir() if path.is_dir() and path.name not in {"any-set", "__pycache__"}
)


@pytest.mark.parametrize("case", CASES)
def test_says_exactly(
    case: str, golden: Callable[[str, Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(HERE / "any-set", tmp_path, dirs_exist_ok=True)
    shutil.copytree(HERE / case, tmp_path, dirs_exist_ok=True, symlinks=True)
    monkeypatch.chdir(tmp_path)
    prepare(Path("prepare"))
    diagnostics._lines.cache_clear()
    try:
        found = check(Path("command").read_text() if Path("command").exists() else "check demo")
        text = "\n\n".join(item.text("warning") for item in found)
    except Refused as refused:
        found, text = refused.diagnostics, refused.text()
    assert {item.code for item in found} == {case.partition("+")[0]}
    golden(f"{text}\n", HERE / case / "expected.txt")


def test_the_set_they_all_change_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE / "any-set")
    check("check demo --site here --variable driver=odl --select base")


def test_of_a_line_is_shown_what_a_terminal_can_show(tmp_path: Path) -> None:
    file = tmp_path / "long"
    file.write_text("\ufeffone\ftwo\x1b]0;x\x07\n" + "a" * 500 + "HERE" + "b" * 500 + "\n" + "c" * 161)
    shown = [
        Diagnostic(Spot(str(file), *place), Code.WRONG_TYPE, "m").text().split("\n", 1)[1]
        for place in ((1, 8), (2, 501), (2, 1004), (3, 1))
    ]
    assert shown == [
        "  1 | one\ufffdtwo\ufffd]0;x\ufffd\n    |        ^",
        f"  2 | …{'a' * 80}HERE{'b' * 76}…\n    | {' ' * 81}^",
        f"  2 | …{'b' * 160}\n    | {' ' * 160}^",
        f"  3 | {'c' * 160}…\n    | ^",
    ]


def test_a_mistake_is_told_once_whatever_each_site_would_advise() -> None:
    found = [Diagnostic(Spot("x"), Code.WRONG_TYPE, "m", hint) for hint in ("b", "a")]
    assert Refused(found).diagnostics == (found[1],)


def test_the_wrong_name_of_a_set_and_mistakes_of_its_recipes_are_told_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(HERE / "any-set", tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    head = Path("demo/set.yaml")
    head.write_text(head.read_text().replace("set: demo", "set: dmo"))
    Path("demo/images/web.yaml").write_text("image: Web\nfrom: bse\n")
    with pytest.raises(Refused) as refused:
        check("check demo")
    assert [str(item.code) for item in refused.value.diagnostics] == [
        "bad-image-name",
        "unknown-parent",
        "set-name",
    ]


def check(command: str) -> tuple[Diagnostic, ...]:
    """What `buildsys check` does with a set, without the command line; what it remarks."""
    parser = ArgumentParser()
    parser.add_argument("verb")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--site")
    parser.add_argument("--platform", default="")
    parser.add_argument("--overlay", action="append", type=Path, default=[])
    parser.add_argument("--variable", action="append", default=[])
    parser.add_argument("--select", nargs="+", default=[])
    given = parser.parse_args(shlex.split(command))
    library = load_set(given.directory, given.overlay)
    variables = dict(text.split("=", 1) for text in given.variable)
    image_set = resolve(
        library, site=given.site, variables=variables, stand_ins=None, platform=given.platform
    )
    if given.select:
        Selection(tuple(given.select), parents=True, children=False).names(buildable(image_set))
    return image_set.remarks


def prepare(file: Path) -> None:
    r"""`grow PATH BYTES` makes a file that large, `fifo PATH` a pipe, `name PATH` a file (\xe9: a byte).

    `acl PATH` gives a file an ACL.
    """
    for line in file.read_text().splitlines() if file.exists() else []:
        what, path, *size = line.split()
        if what == "grow":
            Path(path).write_bytes(Path(path).read_bytes().ljust(int(size[0]), b"#"))
        elif what == "name":
            Path(os.fsdecode(path.encode().decode("unicode-escape").encode("latin-1"))).touch()
        elif what == "acl":
            give(Path(path))
        else:
            os.mkfifo(path)


# No code without a folder, none that is not in the catalogue ------------------------------------


def codes(*modules: Path) -> set[str]:
    """The codes that modules use."""
    return {
        str(Code[node.attr])
        for module in modules
        for node in ast.walk(ast.parse(module.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Code"
    }


def modules(*rooms: str) -> list[Path]:
    files = [ROOT / "buildsys" / room for room in rooms]
    return [module for file in files for module in ([file] if file.is_file() else file.rglob("*.py"))]


def test_every_code_of_recipes_has_a_folder() -> None:
    named = codes(*modules("recipe", "resolve", "packages", "graph.py"))
    assert named == {case.partition("+")[0] for case in CASES}


def test_every_code_of_other_rooms_is_named_by_a_test() -> None:
    tests = "\n".join(file.read_text("utf-8") for file in (ROOT / "tests").rglob("*.py"))
    others = codes(*modules(".")) - codes(*modules("recipe", "resolve", "packages", "graph.py"))
    assert {code for code in others if code not in tests} == set()


def test_every_code_is_used() -> None:
    assert codes(*modules(".")) == set(Code)


def test_the_catalogue_holds_every_code_with_its_meaning(golden: Callable[[str, Path], None]) -> None:
    file = ROOT / "docs" / "reference" / "errors.md"
    text = file.read_text("utf-8")
    row = re.compile(r"^\| `([a-z0-9-]+)` \|.*$", flags=re.MULTILINE)
    assert sorted(row.findall(text)) == sorted(Code)
    meanings = {str(code): code.meaning for code in Code}
    golden(row.sub(lambda match: f"| `{match[1]}` | {meanings[match[1]]} |", text), file)
