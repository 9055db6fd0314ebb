"""The command line: verbs, and how each run ends. The only room that prints.

A verb's module is imported when the verb runs, and it imports the compiler's libraries where it calls them:
what is not needed costs nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import click

from buildsys import __version__, disk
from buildsys.cli.output import BUG, FAILED, INTERRUPTED, REFUSED, Ended, say, status_of
from buildsys.cli.surroundings import tell_of_tmpdir
from buildsys.diagnostics import Refused
from buildsys.temporary import TEMPORARY

HELP = """Build trees of container images from short recipes.

SET is an image set: the path of its folder, or a name that `buildsys sets` lists.

Data goes to stdout, messages to stderr. Exit status: 0 done; 1 a build or a test failed; 2 a mistake in
recipes or usage; 3 a needed tool is missing; 10 changed, and built (periodic); 70 a bug of buildsys; 130
interrupted.
"""

VERBS = {
    "new": "new",
    "sets": "sets",
    "check": "show",
    "list": "show",
    "show": "show",
    "graph": "show",
    "overlay": "overlay",
    "plan": "build",
    "build": "build",
    "why": "build",
    "status": "last_run",
    "log": "last_run",
    "report": "report",
    "test": "test",
    "publish": "publish",
    "verify": "publish",
    "lock": "lock",
    "packages": "packages",
    "sbom": "sbom",
    "audit": "audit",
    "diff": "diff",
    "compare": "diff",
    "export": "export",
    "import": "import_",
    "periodic": "periodic",
    "prune": "prune",
    "worker": "worker",
    "doctor": "doctor",
    "schema": "show",
    "config": "config",
    "completion": "completion",
    "help": "help",
}
"""Each verb's module, in the order in which a person needs the verbs. There its name is the verb's."""

READING = set("new sets check list show graph overlay status log config completion schema help".split())
"""Verbs that make no temporary file."""
PYTHONS = {"list": "list_images", "import": "import_", "help": "help_"}
"""What verbs are called in their modules, where Python has the word already."""

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class NoSuchVerb(click.UsageError):
    """A word where a verb is wanted."""

    def __init__(self, word: str, ctx: click.Context) -> None:
        super().__init__(f"No such command '{word}'.", ctx)
        self.word = word


class Verbs(click.Group):
    """The verbs, imported one by one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb that the first word names.

        Raises:
            NoSuchVerb: it names none.
        """
        if args[0] not in VERBS and not args[0].startswith("-") and not ctx.resilient_parsing:
            raise NoSuchVerb(args[0], ctx)
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names of the verbs."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The verb of that name."""
        if cmd_name not in VERBS:
            return None
        module = import_module(f"buildsys.cli.{VERBS[cmd_name]}")
        name = PYTHONS.get(cmd_name, cmd_name)
        command: click.Command = getattr(module, name)
        return command


@click.group(cls=Verbs, help=HELP, context_settings=SETTINGS)
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="Show the traceback of a bug of buildsys.")
@click.pass_context
def verbs(ctx: click.Context, debug: bool) -> None:  # noqa: ARG001, FBT001 - read by `run`
    """All verbs."""
    if ctx.invoked_subcommand not in READING:
        tell_of_tmpdir()


def run(arguments: Sequence[str]) -> int:
    """Run one verb; returns the exit status. Whatever happens, a person sees a sentence, not a traceback."""
    TEMPORARY.begin()
    try:
        status = verbs.main(list(arguments), "buildsys", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as wrong:
        return _misused(wrong, arguments)
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except Refused as refused:
        say(refused.text())
        status = status_of(item.code for item in refused.diagnostics)
        return FAILED if _names_a_disk(refused.text(), only_by_words=status != FAILED) else status
    except Ended as ended:
        if ended.sentence:
            say(f"error: {ended.sentence}")
        if ended.status == FAILED:
            _names_a_disk(ended.sentence)
        return ended.status
    except BrokenPipeError:
        # Who read our output has had enough. Nothing more can be written there, at exit neither.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except RecursionError:
        _trace(arguments)
        say("error: a file or an answer that was read has too many things in one another")
        return REFUSED
    except OSError as error:
        _trace(arguments)
        files = " to ".join(str(name) for name in (error.filename, error.filename2) if name is not None)
        say(f"error: {files}{': ' if files else ''}{error.strerror or error}")
        disk.writes(*(Path(os.fsdecode(name)) for name in (error.filename, error.filename2) if name))
        _names_a_disk(str(error.strerror))
        return FAILED
    except Exception as error:  # noqa: BLE001 - the last resort
        _trace(arguments)
        what = f"{type(error).__name__}: {error}".rstrip(": ")
        if _names_a_disk(what):
            return FAILED
        say(f"error: this is a bug of buildsys, not of your recipes: {what}")
        if "--debug" not in arguments:
            say(f"  hint: `buildsys --debug {' '.join(arguments)}` shows where; please report it with that")
        return BUG
    finally:
        TEMPORARY.end()
    return status if isinstance(status, int) else 0


def _misused(wrong: click.ClickException, arguments: Sequence[str]) -> int:
    """Print a usage error, and the command to write instead where one is known."""
    from buildsys.cli import synonyms
    from buildsys.cli.options import RECIPES

    hint = ""
    if isinstance(wrong, NoSuchVerb):
        hint = synonyms.hint_of_verb(wrong.word, arguments, VERBS, RECIPES)
    elif isinstance(wrong, click.NoSuchOption):
        hint = synonyms.hint_of_option(wrong, arguments)
        if hint:
            wrong = _plain(wrong)
    wrong.show()
    if hint:
        say(f"  hint: {hint}")
    return wrong.exit_code


def _plain(wrong: click.NoSuchOption) -> click.UsageError:
    """The same error, without click's guess at the option that was meant."""
    return click.UsageError(f"No such option '{wrong.option_name}'.", wrong.ctx)


def _names_a_disk(message: str, *, only_by_words: bool = False) -> bool:
    """Name the full disk that caused a failure, if one did."""
    sentence = disk.blamed(message, only_by_words=only_by_words)
    if sentence:
        say(f"error: {sentence}\n  hint: {disk.HINT}")
    return bool(sentence)


def _trace(arguments: Sequence[str]) -> None:
    if "--debug" in arguments:
        from traceback import format_exc

        say(format_exc().rstrip())
