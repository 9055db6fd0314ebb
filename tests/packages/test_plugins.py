"""What sets package managers apart lies in buildsys/packages/: nothing else decides by the name of one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import buildsys
from buildsys.lock import apt_solver, dnf_solver
from buildsys.lock.solver import Solver
from buildsys.packages import MANAGERS

ROOT = Path(buildsys.__file__).parent
NAMES = {"rpm", "dpkg"} | {
    word for manager in MANAGERS.values() for word in (manager.name, *manager.programs)
}
"""Of managers, of the programs that they are called by, and of those that install for them."""


SOLVERS: dict[str, Solver] = {"buildsys.lock.apt_solver": apt_solver, "buildsys.lock.dnf_solver": dnf_solver}
"""mypy compares each module with the protocol."""


def decisions(tree: ast.AST) -> Iterator[ast.AST]:
    """The places that compare something with the name of a package manager, or look something up by it."""
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=left, comparators=others):
                if any(names_one(side) for side in (left, *others)):
                    yield node
            case ast.MatchValue(value=value) if names_one(value):
                yield node
            case ast.Call(func=ast.Attribute(attr="startswith" | "endswith"), args=[argument, *_]):
                if names_one(argument):
                    yield node
            case (
                ast.Call(func=ast.Attribute(value=ast.Dict() as table, attr="get"))
                | ast.Subscript(value=ast.Dict() as table)
            ):
                if any(key is not None and names_one(key) for key in table.keys):
                    yield node
            case ast.Subscript(slice=index) if names_one(index):
                yield node
            case _:
                pass


def names_one(node: ast.AST) -> bool:
    """Whether this is the name of a package manager, or a collection that holds one."""
    match node:
        case ast.Constant(value=value):
            return value in NAMES
        case ast.Set(elts=items) | ast.Tuple(elts=items) | ast.List(elts=items):
            return any(map(names_one, items))
        case _:
            return False


def places(root: Path) -> Iterator[str]:
    """`FILE:LINE: TEXT` of each decision below a folder, the plug-ins left out."""
    for file in sorted(root.rglob("*.py")):
        if not file.is_relative_to(root / "packages"):
            text = file.read_text()
            for node in decisions(ast.parse(text)):
                line: int = (
                    node.value.lineno if isinstance(node, ast.MatchValue) else getattr(node, "lineno", 0)
                )
                yield f"{file.relative_to(root.parent)}:{line}: {text.splitlines()[line - 1].strip()}"


def test_only_plugins_decide_by_the_name_of_a_package_manager() -> None:
    assert list(places(ROOT)) == []


@pytest.mark.parametrize(
    "line",
    [
        "x = site.installer == 'apt'",
        "x = 'dnf' != site.installer",
        "x = site.installer in {'dnf', 'yum'}",
        "x = site.installer not in ('yum',)",
        "x = site.installer.startswith('apt')",
        "x = {'': 0, 'apt': 1}.get(site.installer, 2)",
        "x = {'apt': 1}[site.installer]",
        "x = tables['apt-get']",
        "match site.installer:\n    case 'dnf' | 'yum': pass",
    ],
)
def test_the_rule_finds_what_it_forbids(line: str, tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    (tmp_path / "lock/one.py").write_text(f"site = None\n{line}\n")
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages/two.py").write_text(f"site = None\n{line}\n")
    found = list(places(tmp_path))
    assert found
    assert all(item.startswith(f"{tmp_path.name}/lock/one.py:") for item in found)


@pytest.mark.parametrize("line", ["x = f(installer='dnf')", "x = ('apt-get', 'update')", "x = a == 'apart'"])
def test_the_rule_leaves_commands_alone(line: str) -> None:
    assert list(decisions(ast.parse(line))) == []


@pytest.mark.parametrize("name", MANAGERS)
def test_a_plugin_is_whole(name: str) -> None:
    manager = MANAGERS[name]
    assert manager.name == name
    assert name in manager.programs
    assert import_module(manager.solver) is SOLVERS[manager.solver]
    for locked in (False, True):
        runtime = manager.runtime(locked=locked)
        assert (ROOT / f"plan/runtime/{runtime.name}.sh").is_file()
        assert runtime.tools
    assert manager.host_repositories("") == ()
