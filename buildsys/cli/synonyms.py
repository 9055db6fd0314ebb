"""Words of other tools that lead to ours: the hint below a usage error names the exact command.

No synonym is accepted: one word for each thing keeps scripts and pages readable.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import click

from buildsys.diagnostics import closest_words

VERBS: Mapping[str, tuple[str, ...]] = {
    "apply": ("build",), "bake": ("build",), "make": ("build",), "run": ("build",), "up": ("build",),
    "catalogue": ("list",), "images": ("list",), "ls": ("list",), "ps": ("status", "list"),
    "clean": ("prune",), "gc": ("prune",), "rm": ("prune",), "rmi": ("prune",),
    "compile": ("plan",), "generate": ("plan",), "render": ("plan",),
    "completions": ("completion",),
    "create": ("new",), "init": ("new",), "scaffold": ("new",),
    "convert": ("import",),
    "deps": ("graph",), "tree": ("graph",),
    "describe": ("show",), "inspect": ("show",),
    "env": ("config", "doctor"), "info": ("doctor",), "settings": ("config", "doctor"),
    "explain": ("why",), "lint": ("check",), "validate": ("check",),
    "freeze": ("lock",), "pin": ("lock",), "update": ("lock",), "upgrade": ("lock",),
    "history": ("log", "why"), "logs": ("log",),
    "man": ("help",),
    "push": ("publish",), "release": ("publish",), "upload": ("publish",),
    "version": ("--version",),
}  # fmt: skip
"""Verb of another tool -> ours, the best first; the first that there is counts."""

OPTIONS: Mapping[str, tuple[str, ...]] = {
    "--always-make": ("--force",), "--no-cache": ("--force",), "--rebuild": ("--force",), "-B": ("--force",),
    "-f": ("--force",), "--overwrite": ("--force",),
    "--build-arg": ("--set",), "--define": ("--set",), "--var": ("--set",), "-D": ("--set",),
    "-e": ("--set",),
    "--just-print": ("--dry-run",), "--recon": ("--dry-run",), "--simulate": ("--dry-run",),
    "--parallel": ("--jobs",), "--threads": ("--jobs",), "--workers": ("--jobs",),
    "--image": ("--only",), "--select": ("--only",), "--target": ("--only",), "-i": ("--only",),
    "--override": ("--overlay",), "--values": ("--overlay",),
    "--directory": ("--output", "--build-dir"), "--out": ("--output",), "-C": ("--build-dir",),
    "--deps": ("--parents",), "--no-deps": ("--no-parents",),
    "--registry": ("--to",), "--dest": ("--to",), "-t": ("--tag", "--to"),
    "--assume-yes": ("--yes",), "-y": ("--yes",),
}  # fmt: skip
"""Option of another tool -> ours, the best first; the first that the verb has counts."""

_GOES_ON = "leave it out: after a failure a build goes on with all images that do not need the failed one"
_LISTS = "leave it out: without --yes nothing is removed"
WORDS: Mapping[tuple[str, str], str] = {
    ("build", "-k"): _GOES_ON, ("build", "--keep-going"): _GOES_ON,
    ("test", "-k"): _GOES_ON, ("test", "--keep-going"): _GOES_ON,
    ("periodic", "-k"): _GOES_ON, ("periodic", "--keep-going"): _GOES_ON,
    ("prune", "-n"): _LISTS, ("prune", "--dry-run"): _LISTS,
    ("build", "--pull"): "`buildsys periodic SET` asks registries and repositories again",
    ("build", "--tag"): "images have the tag that set.yaml says; `buildsys publish` takes --tag",
    ("build", "-t"): "images have the tag that set.yaml says; `buildsys publish` takes --tag",
    ("build", "--push"): "build first, then: buildsys publish SET --to docker://HOST/NAMESPACE",
}  # fmt: skip
"""Verb and option of another tool -> what to do instead, where no option of ours is the same."""


def hint_of_verb(word: str, arguments: Sequence[str], verbs: Collection[str], sets: Path) -> str:
    """What to write instead of a verb that does not exist; empty if nothing is near.

    `arguments`: all words of the command line. `sets`: the folder of sets that are given by name.
    """
    if ours := next((verb for verb in VERBS.get(word, ()) if verb in verbs or verb.startswith("-")), ""):
        if ours.startswith("-"):
            return f"write `buildsys {ours}`"
        return f"write `{_instead(word, ours, arguments)}`"
    if "/" not in word and (sets / word / "set.yaml").is_file():
        return f"a verb comes first: `buildsys build {shlex.quote(word)}`"
    near = [f"`{_instead(word, verb, arguments)}`" for verb in closest_words(word, verbs)]
    return f"did you mean {' or '.join(near)}?" if near else ""


def hint_of_option(wrong: click.NoSuchOption, arguments: Sequence[str]) -> str:
    """What to write instead of an option of another tool; empty for one that none has."""
    context = wrong.ctx
    if context is None:
        return ""
    verb, option = context.command_path.removeprefix("buildsys").strip(), wrong.option_name
    known = {
        spelling
        for parameter in context.command.params
        for spelling in (*parameter.opts, *parameter.secondary_opts)
    }
    if words := WORDS.get((verb, option)):
        return words
    if ours := next((one for one in OPTIONS.get(option, ()) if one in known), ""):
        return f"write `{_instead(option, ours, arguments)}`"
    if option in {"-n", "--dry-run"} and "--dry-run" not in known:
        return "`buildsys why SET` says what a build would do, and does nothing"
    return ""


def _instead(word: str, ours: str, arguments: Sequence[str]) -> str:
    """The command line as it was typed, with our word for one of its words."""
    done = False
    words = []
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not done and (argument == word or (equals and name == word)):
            words.append(f"{ours}{equals}{value}" if equals else ours)
            done = True
        else:
            words.append(argument)
    return shlex.join(["buildsys", *words])
