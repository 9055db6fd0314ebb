"""Parse template overrides with jinja2: their variables, and the text of their blocks. Nothing is rendered.

Lines of a block's text keep their numbers, so that an instruction found in it has its place in the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jinja2 import Environment, TemplateSyntaxError, nodes

from buildsys.diagnostics import Code, Diagnostic, Refused, Spot
from buildsys.importers.containerfile_steps import CLOSE, OPEN
from buildsys.importers.overlay_text import untaken
from buildsys.importers.yaml_lines import IMAGE
from buildsys.recipe.document import read_text

LONGEST = 1 << 16
"""Most characters or items of a computed value."""
_CONTINUED = re.compile(r'\$\{"\\+"\}')
"""A continued line, in overrides that are themselves a Mako template."""
_ENDS = re.compile("\r\n|\r|\n")
"""Where jinja2 sees a line end."""


@dataclass(frozen=True, slots=True)
class Setting:
    """`{% set NAME = VALUE %}` outside of blocks."""

    name: str
    value: Any
    spot: Spot


@dataclass(frozen=True, slots=True)
class Expression:
    """`{{ … }}` in a block: packages that it installs, or a value that only kolla-build knows."""

    packages: tuple[str, ...]
    """Arguments of `macros.install_packages`; empty for other expressions."""
    wheels: tuple[str, ...]
    """Arguments of `macros.install_pip`."""
    spot: Spot


@dataclass(frozen=True, slots=True)
class Block:
    """`{% block NAME %}`: instructions that replace a part of Kolla's template."""

    name: str
    text: str
    expressions: tuple[Expression, ...]
    spot: Spot


@dataclass(slots=True)
class Template:
    """A file of overrides."""

    settings: list[Setting] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    """Names of settings that the file itself uses."""
    found: list[Diagnostic] = field(default_factory=list)
    """Parts that have no meaning here."""


def read_template(file: str, known: Mapping[str, Any] | None = None) -> Template:
    """Read a file of template overrides; `known` are values of names that the file does not set.

    Raises:
        Refused: it cannot be read, or is not a template (`kolla-syntax`).
    """
    text = _CONTINUED.sub(r"\\", read_text(file))
    try:
        tree = Environment(autoescape=False).parse(text)  # noqa: S701 - only parsed
        return _Reader(file, text, {"image_name": IMAGE, **(known or {})}).template(tree)
    except TemplateSyntaxError as error:
        message = f"this is not a template: {error.message}"
        raise Refused([Diagnostic(Spot(file, error.lineno), Code.KOLLA_SYNTAX, message)]) from error
    except RecursionError as error:
        message = "this template is nested too deeply to be read"
        raise Refused([Diagnostic(Spot(file), Code.KOLLA_SYNTAX, message)]) from error


class _Unknown(Exception):  # noqa: N818 - a value that only kolla-build knows
    pass


class _Scope(dict[str, Any]):
    """Values of names; `used` are those that were read."""

    def __init__(self, *given: dict[str, Any], used: set[str]) -> None:
        super().__init__(*given)
        self.used = used

    def within(self) -> _Scope:
        """Return a copy for a block, whose own values stay in it."""
        return _Scope(self, used=self.used)

    def __getitem__(self, name: str) -> Any:
        self.used.add(name)
        return super().__getitem__(name)


class _Reader:
    """Walks one template."""

    def __init__(self, file: str, text: str, known: dict[str, Any]) -> None:
        self._file = file
        self._known = known
        self._lines = _ENDS.split(text)
        self._template = Template()

    def template(self, tree: nodes.Template) -> Template:
        self._walk(tree.body, _Scope(self._known, used=self._template.used))
        return self._template

    def _walk(self, body: list[nodes.Node], scope: _Scope) -> None:
        for node in body:
            match node:
                case nodes.Extends():
                    pass
                case nodes.Assign(target=nodes.Name(name=name)):
                    try:
                        value = scope[name] = _constant(node.node, scope)
                    except _Unknown:
                        self._refuse(node, f"'{name}'", "its value is worked out by kolla-build", _WRITE_OUT)
                    else:
                        self._template.settings.append(Setting(name, value, self._spot(node)))
                case nodes.Block():
                    self._template.blocks.append(self._block(node, scope.within()))
                case nodes.Output() if all(map(_is_blank, node.nodes)):
                    pass
                case nodes.Output():
                    where = next(item for item in node.nodes if not _is_blank(item))
                    self._refuse(where, "text outside of blocks", "it has no effect in Kolla either")
                case nodes.Import() | nodes.FromImport():
                    pass  # its uses are reported where they are
                case nodes.If() if (way := _way(node, scope)) is not None:
                    self._walk(way, scope)
                case nodes.If() | nodes.For():
                    self._refuse(node, _kind(node), *_CONDITION)
                case _:
                    self._refuse(node, _kind(node), *_EXPRESSION)

    def _block(self, block: nodes.Block, scope: _Scope) -> Block:
        text = _Text()
        expressions: list[Expression] = []
        self._fill(block.body, text, expressions, scope)
        return Block(block.name, text.whole(), tuple(expressions), self._spot(block))

    def _fill(
        self, body: list[nodes.Node], text: _Text, expressions: list[Expression], scope: _Scope
    ) -> None:
        for node in body:
            match node:
                case nodes.Output():
                    for item in node.nodes:
                        self._output(item, text, expressions, scope)
                case nodes.Assign(target=nodes.Name(name=name)):
                    try:
                        scope[name] = _constant(node.node, scope)
                    except _Unknown:
                        self._refuse(node, f"'{name}'", "its value is worked out by kolla-build", _WRITE_OUT)
                case nodes.Block():
                    why = "it stands in another block"
                    self._refuse(node, f"the block '{node.name}'", why, "close the outer one first")
                case nodes.Import() | nodes.FromImport():
                    pass  # its uses are reported where they are
                case nodes.If() if (way := _way(node, scope)) is not None:
                    self._fill(way, text, expressions, scope)
                case nodes.If() | nodes.For():
                    self._refuse(node, _kind(node), *_CONDITION)
                case _:
                    self._refuse(node, _kind(node), *_EXPRESSION)

    def _output(self, item: nodes.Expr, text: _Text, expressions: list[Expression], scope: _Scope) -> None:
        if isinstance(item, nodes.TemplateData):
            text.add(_plain(item.data), item.lineno)
            return
        if isinstance(item, nodes.Call) and isinstance(item.node, nodes.Name) and item.node.name == "super":
            return  # Kolla's own headers and footers are empty
        try:
            value = _constant(item, scope)
        except _Unknown:
            value = None
        if isinstance(value, str | int):
            text.add(str(value) if value == IMAGE else _plain(str(value)), item.lineno)
            return
        text.stand(len(expressions), item.lineno)
        packages, wheels = (
            tuple(_installed(item, name, scope)) for name in ("install_packages", "install_pip")
        )
        expressions.append(Expression(packages, wheels, self._spot(item)))

    def _refuse(self, node: nodes.Node, what: str, why: str, hint: str = "") -> None:
        self._template.found.append(untaken(self._spot(node), what, why, hint))

    def _spot(self, node: nodes.Node) -> Spot:
        number = node.lineno
        if isinstance(node, nodes.TemplateData):
            blank = node.data[: len(node.data) - len(node.data.lstrip())]
            number += blank.count("\n")
        line = self._lines[number - 1] if number <= len(self._lines) else ""
        return Spot(self._file, number, len(line) - len(line.lstrip()) + 1)


_WRITE_OUT = "write the value out"
_EXPRESSION = "only kolla-build can fill it in", "write it out"
_CONDITION = (
    "which way it goes is known only to kolla-build",
    "take the way that your images go, and remove the others",
)


class _Text:
    """Text whose lines keep their numbers in the file."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._line = 1

    def add(self, text: str, line: int) -> None:
        if self._line < line:
            self._parts.append("\n" * (line - self._line))
        self._parts.append(text)
        self._line = max(self._line, line) + text.count("\n")

    def stand(self, number: int, line: int) -> None:
        """Add a placeholder for an expression; alone on its line it becomes a RUN instruction."""
        before = self.whole()
        begun = before.rpartition("\n")[2].strip() if self._line >= line else ""
        goes_on = before.rstrip().endswith("\\")
        self.add(f"{'' if begun or goes_on else 'RUN '}{OPEN}{number}{CLOSE}", line)

    def whole(self) -> str:
        return "".join(self._parts)


def _constant(node: nodes.Node, scope: _Scope) -> Any:
    """Return a constant value, or one computed from constants."""
    match node:
        case nodes.Const(value=value):
            return value
        case nodes.List(items=items) | nodes.Tuple(items=items):
            return [_constant(item, scope) for item in items]
        case nodes.Name(name=name) if name in scope:
            return scope[name]
        case nodes.Not(node=inner):
            return not _constant(inner, scope)
        case nodes.And(left=left, right=right):
            return _constant(left, scope) and _constant(right, scope)
        case nodes.Or(left=left, right=right):
            return _constant(left, scope) or _constant(right, scope)
        case nodes.Compare(expr=left, ops=[nodes.Operand(op=op, expr=right)]):
            return _compared(op, _constant(left, scope), _constant(right, scope))
        case nodes.Add(left=left, right=right):
            one, other = _constant(left, scope), _constant(right, scope)
            joins = type(one) is type(other) and isinstance(one, str | list)
            if joins and len(one) + len(other) <= LONGEST:
                return one + other
        case _:
            pass
    raise _Unknown


def _compared(op: str, one: Any, other: Any) -> bool:
    if IMAGE in {str(one), str(other)}:
        raise _Unknown
    if op in {"eq", "ne"}:
        return bool(one == other) == (op == "eq")
    if op.endswith("in") and (isinstance(other, list) or (isinstance(other, str) and isinstance(one, str))):
        return (one in other) == (op == "in")
    raise _Unknown


def _way(node: nodes.If, scope: _Scope) -> list[nodes.Node] | None:
    """Evaluate a condition; None if only kolla-build knows."""
    try:
        for way in (node, *node.elif_):
            if _constant(way.test, scope):
                return way.body
    except _Unknown:
        return None
    return node.else_


def _installed(node: nodes.Node, macro: str, scope: _Scope) -> Iterator[str]:
    """Return the packages of `macros.install_packages(…)` and the like, customizable or not."""
    match node:
        case nodes.Call(node=nodes.Getattr(attr=attr), args=[asked, *_]) if attr == macro:
            while isinstance(asked, nodes.Filter) and asked.name == "customizable" and asked.node is not None:
                asked = asked.node
            try:
                packages = _constant(asked, scope)
            except _Unknown:
                return
            if isinstance(packages, list) and all(isinstance(item, str) for item in packages):
                yield from packages
        case _:
            pass


def _plain(text: str) -> str:
    """Return a text without the placeholders that are used here."""
    return text.replace(OPEN, "?").replace(IMAGE, "?")


def _is_blank(node: nodes.Node) -> bool:
    return isinstance(node, nodes.TemplateData) and not node.data.strip()


def _kind(node: nodes.Node) -> str:
    return {"If": "a condition", "For": "a loop", "Macro": "a macro"}.get(
        type(node).__name__, f"'{type(node).__name__.lower()}'"
    )
