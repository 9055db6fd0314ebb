"""Fill variables into texts. The only door to jinja2, opened when a text needs more than plain names.

Recipes may come from anyone: a template can look up variables, choose, join and repeat a little. It
cannot call, multiply, nest loops or reach an attribute, so no text makes compiling slow or large.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from buildsys.diagnostics import Code, Diagnostic, closest
from buildsys.recipe.document import Written, is_template

if TYPE_CHECKING:
    from jinja2 import Environment, Template, nodes

LONGEST = 1 << 16
"""Characters of a template at most, and of its result."""
ROUNDS = 1000
"""Rounds of a loop at most."""


_ONE_NAME = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
_NEVER = {"set", "tag", "namespace", "prefix", "registry"}


class _Unfillable(Exception):  # noqa: N818 - carries a mistake
    def __init__(self, code: Code, message: str, hint: str = "") -> None:
        self.code, self.message, self.hint = code, message, hint


Holes = dict[Any, Any] | None
"""Places of templates in data, in its shape: `{"steps": {0: {"to": None}}}`; None marks a template."""


def holes(data: Any) -> Holes:
    """The places of the templates in data; empty without any."""
    if type(data) is str:
        return None if is_template(data) else {}
    items = data.items() if type(data) is dict else enumerate(data) if type(data) is list else ()
    return {key: inside for key, value in items if (inside := holes(value)) != {}}


def fill(written: Written, where: Holes, scope: Mapping[str, Any], found: list[Diagnostic]) -> Any:
    """The data of `written` with the templates at `where` filled in; mistakes are added to `found`.

    A text that is exactly `{{ name }}` becomes the variable's value, whatever its type.
    """

    def inside(data: Any, where: Holes, path: tuple[str | int, ...]) -> Any:
        if where is None:
            try:
                return fill_text(data, scope)
            except _Unfillable as problem:
                found.append(Diagnostic(written.spot(*path), problem.code, problem.message, problem.hint))
                return data
        if not where:
            return data
        copy = data.copy()
        for key, deeper in where.items():
            copy[key] = inside(data[key], deeper, (*path, key))
        return copy

    return inside(written.data, where, ())


def fill_text(text: str, scope: Mapping[str, Any]) -> Any:
    """One text with its variables filled in."""
    whole = _ONE_NAME.fullmatch(text)
    if whole:
        return _look_up(whole[1], scope)
    names = _plain_names(text)
    if names is None:
        return _render(text, scope)
    parts = [
        part if number % 2 == 0 else _as_text(_look_up(part, scope)) for number, part in enumerate(names)
    ]
    return _short("".join(parts))


@cache
def _plain_names(text: str) -> list[str] | None:
    """The text split at its variables (text, name, text, …); None if it holds more than plain names."""
    parts = _ONE_NAME.split(text)
    return None if any("{{" in part or "{%" in part or "}}" in part for part in parts[::2]) else parts


def _look_up(name: str, scope: Mapping[str, Any]) -> Any:
    try:
        return scope[name]
    except KeyError:
        raise _undefined(name, scope) from None


def _undefined(name: str, scope: Iterable[str]) -> _Unfillable:
    if name in _NEVER:
        hint = "names and tags are never part of what an image is; define a variable of another name"
    else:
        hint = closest(name, scope) or f"defined here: {', '.join(sorted(scope))}"
    return _Unfillable(Code.UNDEFINED_VARIABLE, f"the variable '{name}' is not defined", hint)


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    what = "nothing" if value is None else "a list" if isinstance(value, list) else "a map"
    raise _Unfillable(Code.BAD_TEMPLATE, f"a variable that is {what} cannot stand inside a text",
                      "join a list: {{ name | join(' ') }}")  # fmt: skip


def _short(text: str) -> str:
    if len(text) > LONGEST:
        raise _Unfillable(Code.BAD_TEMPLATE, f"this text becomes longer than {LONGEST} characters")
    return text


# What needs jinja2 ------------------------------------------------------------------------------


def _render(text: str, scope: Mapping[str, Any]) -> str:
    from jinja2 import TemplateError, UndefinedError

    if len(text) > LONGEST:
        raise _Unfillable(Code.BAD_TEMPLATE, f"a text with variables has at most {LONGEST} characters")
    try:
        template, names = _template(text)
        for name in names:
            _look_up(name, scope)
        return _joined(template.generate(**scope))
    except UndefinedError as error:
        raise _Unfillable(Code.UNDEFINED_VARIABLE, str(error.message)) from None
    except TemplateError as error:
        raise _Unfillable(Code.BAD_TEMPLATE, f"this is not a template: {error.message}") from None
    except (ArithmeticError, LookupError, TypeError, ValueError, RecursionError, MemoryError) as error:
        raise _Unfillable(Code.BAD_TEMPLATE, f"this template fails: {error}") from None


def _joined(chunks: Iterable[str]) -> str:
    parts, length = [], 0
    for chunk in chunks:
        parts.append(chunk)
        length += len(chunk)
        if length > LONGEST:
            break
    return _short("".join(parts))


@cache
def _template(text: str) -> tuple[Template, tuple[str, ...]]:
    """The compiled template, and the variables that it requires."""
    from jinja2 import meta

    environment = _environment()
    tree = environment.parse(text)
    _allow(tree, in_loop=False)
    names = sorted(meta.find_undeclared_variables(tree) - _tested(tree))
    return environment.from_string(tree), tuple(names)


def _tested(tree: nodes.Template) -> set[str]:
    """Names that the template tests for being defined."""
    from jinja2 import nodes

    tests = [test.node for test in tree.find_all(nodes.Test) if test.name in ("defined", "undefined")]
    tests += [item.node for item in tree.find_all(nodes.Filter) if item.name == "default" and item.node]
    return {node.name for node in tests if isinstance(node, nodes.Name)}


@cache
def _environment() -> Environment:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    class Sandbox(SandboxedEnvironment):
        """No attributes at all: variables are texts, numbers and lists."""

        def is_safe_attribute(self, *_: Any) -> bool:
            return False

    environment = Sandbox(
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        finalize=_as_text_or_undefined,
        # `{#` is shell (the length of a variable); a document holds no NUL, so no comment ever begins.
        comment_start_string="\0{#",
        comment_end_string="#}\0",
    )
    environment.globals = {"range": _rounds}
    environment.filters = {name: environment.filters[name] for name in _FILTERS} | {"join": _join}
    environment.tests = {name: environment.tests[name] for name in _TESTS}
    return environment


_FILTERS = (
    "default",
    "first",
    "int",
    "last",
    "length",
    "list",
    "lower",
    "sort",
    "string",
    "trim",
    "unique",
    "upper",
)
_TESTS = ("defined", "undefined", "divisibleby", "even", "odd", "eq", "in", "string", "number", "sequence")


def _as_text_or_undefined(value: Any) -> Any:
    from jinja2 import Undefined

    return value if isinstance(value, Undefined) else _as_text(value)


def _rounds(*bounds: int) -> range:
    rounds = range(*bounds)
    if len(rounds) > ROUNDS:
        raise ValueError(f"a range has at most {ROUNDS} numbers")
    return rounds


def _join(values: Iterable[Any], separator: str = "") -> str:
    texts = [_as_text(value) for value in values]
    if sum(map(len, texts)) + len(texts) * len(separator) > LONGEST:
        raise ValueError(f"it becomes longer than {LONGEST} characters")
    return separator.join(texts)


def _allow(tree: nodes.Node, *, in_loop: bool) -> None:
    """Refuse syntax that recipes do not need, before the template runs."""
    from jinja2 import nodes

    for node in tree.iter_child_nodes():
        kind = type(node).__name__
        if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name == "range":
            pass
        elif kind not in _ALLOWED:
            what = _REFUSED.get(kind, kind.lower())
            raise _Unfillable(Code.BAD_TEMPLATE, f"{what} cannot be used in a recipe",
                              "templates only fill values in; compute in a `run` step")  # fmt: skip
        if isinstance(node, nodes.For):
            if in_loop or node.recursive:
                raise _Unfillable(Code.BAD_TEMPLATE, "a loop cannot stand in another")
            _allow(node, in_loop=True)
        else:
            _allow(node, in_loop=in_loop)


_ALLOWED = frozenset(
    "Output TemplateData Name Const List Tuple Filter Test If CondExpr For Concat And Or Not Compare Operand "
    "Add Sub Neg Getitem Slice Keyword Pair Dict".split()
)
_REFUSED = {
    "Assign": "assigning", "AssignBlock": "assigning", "Block": "a block", "Call": "a call",
    "Div": "dividing", "Extends": "inheritance", "FloorDiv": "dividing", "Getattr": "an attribute",
    "Import": "importing", "Include": "including", "Macro": "a macro", "Mod": "formatting",
    "Mul": "multiplying", "Pow": "multiplying",
}  # fmt: skip


def names_in(texts: Iterable[str]) -> set[str]:
    """Every word inside the braces of texts: a superset of the variables in them."""
    return {word for text in texts for braces in _BRACES.findall(text) for word in _WORD.findall(braces)}


_BRACES = re.compile(r"\{[{%].*?[%}]\}", re.DOTALL)
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
