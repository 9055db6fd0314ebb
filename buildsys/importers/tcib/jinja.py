"""Fill in variables as Ansible does for tcib: jinja2 templates, and a lookup of files.

A tree may come from anyone: a template can look things up, choose, join and repeat a little. It cannot
multiply, nest loops, make values of others or call anything but what is listed here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, StrictUndefined, TemplateError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

LONGEST = 1 << 16
"""Most characters of a template and of its result."""
DEEPEST = 5
"""Most rounds of filling in a variable's result again."""

Lookup = Callable[[str], list[str]]
"""Finds paths of files by a pattern."""


class Unfilled(Exception):  # noqa: N818 - what a text wants and does not get
    """A text cannot be filled in; the message gives the reason."""


class Filling:
    """Fills in texts with the variables of one image."""

    def __init__(self, variables: Mapping[str, Any], lookup: Lookup) -> None:
        self._lookup = lookup
        self._variables = dict(variables)
        for name, value in self._variables.items():
            # A failure is reported where the variable is used.
            try:
                self._variables[name] = self._fill(value, DEEPEST)
            except Unfilled:
                continue

    def fill(self, value: Any) -> Any:
        """Return a value with its texts filled in.

        Raises:
            Unfilled: a variable has no value, or a template is more than a template of tcib needs.
        """
        return self._fill(value, DEEPEST)

    def _fill(self, value: Any, rounds: int) -> Any:
        match value:
            case str() if "{{" in value or "{%" in value:
                filled = self._text(value)
                return self._fill(filled, rounds - 1) if rounds and filled != value else filled
            case Mapping():
                return {key: self._fill(item, rounds) for key, item in value.items()}
            case list():
                return [self._fill(item, rounds) for item in value]
            case _:
                return value

    def _text(self, text: str) -> Any:
        if len(text) > LONGEST:
            raise Unfilled(f"a text with variables has at most {LONGEST} characters")
        try:
            environment = _environment()
            tree = environment.parse(text)
            _allow(tree)
            whole = _one_lookup(tree)
            if whole is not None:
                return self._lookup(_held(whole))
            scope = {**self._variables, "lookup": self._called}
            parts, length = [], 0
            for part in environment.from_string(tree).generate(**scope):
                parts.append(part)
                length += len(part)
                if length > LONGEST:
                    raise Unfilled(f"it becomes longer than {LONGEST} characters")
            return _held("".join(parts))
        except TemplateError as error:
            raise Unfilled((error.message or "this is not a template").rstrip(".")) from None
        except _FAILURES as error:
            # A SyntaxError's place is in the Python code that jinja2 generates.
            raise Unfilled(f"the template fails: {getattr(error, 'msg', '') or error}") from None

    def _called(self, kind: str, pattern: str = "", **_: Any) -> str:
        if kind != "fileglob" or not isinstance(pattern, str):
            raise ValueError(f"this is not a known lookup: lookup('{kind}')")
        return ",".join(self._lookup(pattern))


@cache
def _environment() -> Environment:
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True, finalize=_as_text
    )
    environment.globals = {}
    own: dict[str, Callable[..., Any]] = {"join": _join, "to_json": json.dumps, "bool": _bool}
    environment.filters = {name: environment.filters[name] for name in _FILTERS} | own
    return environment


_FILTERS = ("default", "d", "first", "last", "length", "list", "lower", "sort", "string", "trim", "unique",
            "upper", "int")  # fmt: skip
_CALLS = {"get", "items", "keys", "split", "values"}


def _held(text: str) -> str:
    """Return a text; refuse characters that files and commands cannot hold."""
    if _NO_TEXT.search(text):
        raise Unfilled("its result has characters that no file or command can hold")
    return text


def _as_text(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, bool) else value


def _bool(value: Any) -> bool:
    return str(value).lower() in {"1", "true", "yes", "on"}


def _join(values: Iterable[Any], separator: str = "") -> str:
    texts = [str(value) for value in values]
    if sum(map(len, texts)) + len(texts) * len(separator) > LONGEST:
        raise ValueError(f"it becomes longer than {LONGEST} characters")
    return separator.join(texts)


def _one_lookup(tree: nodes.Template) -> str | None:
    """Return the pattern of a text that consists of `{{ lookup('fileglob', PATTERN, …) }}`."""
    match tree.body:
        case [nodes.Output(nodes=[nodes.Call(node=nodes.Name(name="lookup"), args=arguments)])]:
            match arguments:
                case [nodes.Const(value="fileglob"), nodes.Const(value=str(pattern))]:
                    return pattern
                case _:
                    return None
        case _:
            return None


def _allow(tree: nodes.Node, *, in_loop: bool = False) -> None:
    """Refuse template features that no tree needs, before the template runs."""
    for node in tree.iter_child_nodes():
        kind = type(node).__name__
        if isinstance(node, nodes.Call):
            called = node.node
            known = isinstance(called, nodes.Name) and called.name == "lookup"
            if not known and not (isinstance(called, nodes.Getattr) and called.attr in _CALLS):
                raise Unfilled("only items(), get() and the like can be called in a template here")
        elif isinstance(node, nodes.Assign):
            made = (node.node, *node.node.find_all(nodes.Node))
            if any(type(part).__name__ not in _ASSIGNED for part in made) or _multiplies(made):
                raise Unfilled("the value in {% set %} is computed from other values")
        elif kind not in _ALLOWED:
            raise Unfilled(f"'{kind.lower()}' cannot be used in a template here")
        if isinstance(node, nodes.Concat) and len(node.nodes) > MOST_JOINED:
            raise Unfilled(f"at most {MOST_JOINED} texts can be joined by ~ in a template here")
        if isinstance(node, nodes.For) and (in_loop or node.recursive):
            raise Unfilled("a loop cannot stand in another")
        _allow(node, in_loop=in_loop or isinstance(node, nodes.For))


def _multiplies(made: Iterable[nodes.Node]) -> bool:
    """Whether a tuple holds names: a chain of such assignments would fill the memory."""
    tuples = (part for part in made if isinstance(part, nodes.Tuple) and part.ctx == "load")
    return any(not isinstance(item, nodes.Const) for part in tuples for item in part.items)


MOST_JOINED = 16
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_FAILURES = (ArithmeticError, LookupError, TypeError, ValueError, AttributeError, AssertionError, SyntaxError,
             RecursionError, MemoryError)  # fmt: skip
"""Exceptions that a bad template can cause in Python and jinja2."""
_ALLOWED = frozenset(
    "Output TemplateData Name Const List Tuple Filter Test If CondExpr For Concat And Or Not Compare Operand "
    "Getitem Getattr Slice Keyword Pair Dict".split()
)
_ASSIGNED = frozenset("Name Const Getitem Getattr Filter Call Tuple".split())
