"""Markdown pages that can be carried out: files they show are written, commands run, outputs compared.

A fenced block is a file when its first line is a comment that names one (`# recipes/first/set.yaml`). It is
carried out when its language is `console`: lines that begin with `$ ` are commands (`> ` continues one), what
stands below a command is its output. In it `…` stands for anything, alone on a line for any number of lines.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"(?:#|<!--) ([\w./-]+/[\w.-]+|[\w-]+\.\w+)(?: -->)?\n")
_STATUS = re.compile(r"^\[\d+/(\d+)\] (\S.*) \d+\.\d s(.*)$")
_SPACES = re.compile(r" {2,}")
_END = "\x1e"
"""Parts what the commands of a page print."""


@dataclass(frozen=True, slots=True)
class File:
    """A file that a page tells the reader to write."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Command:
    """A command that a page tells the reader to run, and what it shows of the output."""

    text: str
    shown: str

    @property
    def may_fail(self) -> bool:
        """Whether the page shows it failing."""
        return bool(re.search(r"^(make: \*\*\*|\S+: error: |error: )|  FAILED$", self.shown, re.MULTILINE))


def steps(page: str) -> Iterator[File | Command]:
    """What a page tells the reader to do, in order."""
    for language, body in _BLOCK.findall(page):
        if language == "console":
            yield from _commands(body)
        elif named := _NAMED.match(body):
            yield File(named[1], body[named.end() :])


def _commands(body: str) -> Iterator[Command]:
    text, shown = "", ""
    for line in body.splitlines(keepends=True):
        if line.startswith("$ "):
            if text:
                yield Command(text, shown)
            text, shown = line[2:], ""
        elif line.startswith("> ") and not shown:
            text += line[2:]
        else:
            assert text, f"output without a command: {line}"
            shown += line
    if text:
        yield Command(text, shown)


def carry_out(
    page: str, folder: Path, environment: Mapping[str, str], within: Sequence[str] = ()
) -> list[str]:
    """Do what a page says in a folder; returns what came out otherwise than shown, in words.

    `within` is a command that runs the reader's shell, which follows it.
    """
    todo = list(steps(page))
    lines = ["exec 2>&1"]
    for step in todo:
        match step:
            case File(name, text):
                lines.append(f"mkdir -p {shlex.quote(str(Path(name).parent))}")
                lines.append(f"printf %s {shlex.quote(text)} >{shlex.quote(name)}")
            case Command(text):
                # A command sees the status of the one before it, as at a prompt.
                lines += ["(exit ${status-0})", text.rstrip("\n"), f"status=$?; printf '%s{_END}' $status"]
    script = folder / "page.sh"
    script.write_text("\n".join(lines) + "\n", "utf-8")
    ran = subprocess.run(
        [*within, "bash", script.name], cwd=folder, env=dict(environment), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    commands = [step for step in todo if isinstance(step, Command)]
    outputs = ran.stdout.split(_END)
    wrong = [] if len(outputs) == len(commands) + 1 else [f"the page ended early:\n{ran.stdout}"]
    for command, output in zip(commands, outputs, strict=False):
        status = re.search(r"\d+$", output)
        printed = output[: status.start()] if status else output
        if (status is None or int(status[0])) and not command.may_fail:
            wrong.append(f"$ {command.text}failed:\n{output}")
        elif not like(printed, command.shown):
            wrong.append(f"$ {command.text}shown:\n{command.shown}came out:\n{printed}")
    return wrong


def like(printed: str, shown: str) -> bool:
    """Whether an output is what the page shows; seconds, the order of images and widths of columns aside."""
    if not shown:
        return True
    parts = []
    for line in _level(shown):
        if line == "…":
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(r".*?".join(re.escape(part) for part in re.split(r" *… *", line)) + r"\n")
    return re.fullmatch("".join(parts), "".join(f"{line}\n" for line in _level(printed))) is not None


def _level(text: str) -> Iterator[str]:
    status: list[str] = []
    for line in text.splitlines():
        if match := _STATUS.match(line):
            status.append(f"[{match[1]}] {match[2]}{match[3]}")
            continue
        yield from sorted(status)
        status = []
        yield _SPACES.sub("  ", line.rstrip())
    yield from sorted(status)
