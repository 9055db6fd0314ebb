"""Write the man pages of the command line, a page a verb, from the verbs themselves.

`python tools/man_pages.py FOLDER`. The text is that of `--help`; only buildsys(1) has a section of its
own, of files.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

from buildsys import __version__
from buildsys.cli import verbs

ROOT = Path(__file__).resolve().parents[1]
FILES = (
    ("./recipes", "the image sets of the working directory"),
    (
        "/usr/share/buildsys/recipes, /etc/buildsys/recipes, ~/.local/share/buildsys/recipes",
        "other image sets",
    ),
    ("~/.config/buildsys/config.toml, /etc/buildsys/config.toml", "defaults of options"),
    ("./build", "everything that is made"),
)


def write(folder: Path) -> None:
    """Write all pages into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages():
        (folder / name).write_text(text, "utf-8")


def pages() -> Iterator[tuple[str, str]]:
    """Names and texts of the pages."""
    for words, context in calls(("buildsys",), verbs, None):
        yield f"{'-'.join(words)}.1", page(words, context)


def calls(
    words: tuple[str, ...], command: click.Command, parent: click.Context | None
) -> Iterator[tuple[tuple[str, ...], click.Context]]:
    """A verb and all verbs in it, with their contexts."""
    context = click.Context(command, parent, info_name=words[-1])
    yield words, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from calls((*words, name), inner, context)


def page(words: tuple[str, ...], context: click.Context) -> str:
    """One page in the macros of man(7)."""
    command = context.command
    name = "-".join(words)
    first, _, rest = inspect.cleandoc(command.help or "").partition("\n\n")
    lines = [
        f'.TH {roff(name.upper())} 1 {released()} "buildsys {__version__}" "buildsys"',
        ".SH NAME",
        f"{roff(name)} \\- {roff(_flowed(first)[:1].lower() + _flowed(first)[1:].rstrip('.'))}",
        ".SH SYNOPSIS",
        f"\\fB{roff(' '.join(words))}\\fR {roff(' '.join(command.collect_usage_pieces(context)))}",
    ]
    if rest:
        lines += [".SH DESCRIPTION", *paragraphs(rest)]
    if options := [
        record
        for item in command.get_params(context)
        if isinstance(item, click.Option) and (record := item.get_help_record(context))
    ]:
        lines.append(".SH OPTIONS")
        for spelled, about in options:
            lines += [".TP", f"\\fB{roff(spelled)}\\fR", roff(_flowed(about)) or "\\&"]
    if isinstance(command, click.Group):
        lines.append(".SH COMMANDS")
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            assert found is not None
            reference = f".BR {roff('-'.join((*words, inner)))} (1)"
            lines += [".TP", reference, roff(_flowed((found.help or "").partition("\n\n")[0]))]
    if command.epilog:
        examples = command.epilog.replace("\b", "").strip().removeprefix("Examples:").strip("\n")
        lines += [".SH EXAMPLES", *verbatim(examples)]
    if len(words) == 1:
        lines.append(".SH FILES")
        for path, about in FILES:
            lines += [".TP", f".I {roff(path)}", roff(about)]
    else:
        lines += [".SH SEE ALSO", f".BR {roff('-'.join(words[:-1]))} (1)"]
    return "\n".join(lines) + "\n"


def paragraphs(text: str) -> Iterator[str]:
    """Paragraphs as click reads them: one that begins with \\b keeps its lines."""
    for number, paragraph in enumerate(re.split(r"\n\s*\n", text.strip())):
        yield from ([".PP"] if number else [])
        if paragraph.startswith("\b"):
            yield from verbatim(paragraph.removeprefix("\b").strip("\n"))
        else:
            yield roff(_flowed(paragraph))


def verbatim(text: str) -> Iterator[str]:
    """Lines that are not filled."""
    yield ".nf"
    yield from (roff(line) or "\\&" for line in text.split("\n"))
    yield ".fi"


def roff(text: str) -> str:
    """Text in which roff finds no commands."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("~", "\\(ti").replace("^", "\\(ha")
    escaped = escaped.replace("`", "\\(ga").replace("'", "\\(aq").replace("…", "...")
    return f"\\&{escaped}" if escaped[:1] in {".", "'"} else escaped


def released() -> str:
    """The date of the pages: SOURCE_DATE_EPOCH, else when the changelog was changed."""
    seconds = os.environ.get("SOURCE_DATE_EPOCH") or (ROOT / "CHANGELOG.md").stat().st_mtime
    return f"{datetime.fromtimestamp(int(seconds), UTC):%Y-%m-%d}"


def _flowed(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    write(Path(sys.argv[1]))
