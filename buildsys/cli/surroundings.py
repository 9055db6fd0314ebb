"""What this process takes from its caller, put right first: descriptors, encoding, TMPDIR."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from pathlib import Path

from buildsys.temporary import TEMPORARY

MODES = (os.O_RDONLY, os.O_WRONLY, os.O_WRONLY)
"""How stdin, stdout and stderr are opened where the caller closed them."""
UNUSABLE = "BS_TMPDIR_UNUSABLE"
"""An unusable TMPDIR, until the note about it is printed."""
UNICODE = "BS_UNICODE"
"""Whether the caller's locale is UTF-8; this process sets its own."""
REPLACING = ":backslashreplace"
ENTERING = Path(__file__).parents[1] / "plan/runtime/user.sh"
"""How a plan enters the user namespace: exit statuses and signals come through."""


def settle() -> None:
    """Put right what can be put right.

    Where the locale is not UTF-8, this process begins again in Python's UTF-8 mode: names of files are bytes,
    and recipes name files in UTF-8. Programs that it starts print English in UTF-8, for it to read.
    """
    _open_descriptors()
    os.environ.setdefault(UNICODE, "yes" if _is_utf8() else "no")
    if sys.getfilesystemencoding() != "utf-8":
        # What a person reads stays in the encoding of the terminal.
        os.environ["PYTHONIOENCODING"] = f"{sys.stderr.encoding if sys.stderr else 'ascii'}{REPLACING}"
        argv = [sys.executable, "-X", "utf8", *sys.orig_argv[1:]]
        os.execv(sys.executable, argv)  # noqa: S606 - no shell reads it
    if os.environ.get("PYTHONIOENCODING", "").endswith(REPLACING):
        del os.environ["PYTHONIOENCODING"]
    os.environ["LC_ALL"] = "C.UTF-8"
    os.environ.pop("LANGUAGE", None)
    place = os.environ.get("TMPDIR")
    if not place:
        os.environ.pop("TMPDIR", None)
    elif not (Path(place).is_dir() and os.access(place, os.W_OK | os.X_OK)):
        # Python looks elsewhere by itself; what it starts would not.
        del os.environ["TMPDIR"]
        os.environ[UNUSABLE] = place
    else:
        # What is started may work in another directory.
        os.environ["TMPDIR"] = os.path.abspath(place)  # noqa: PTH100 - links stay as they are


def takes_unicode() -> bool:
    """Whether the terminal shows more than ASCII, by the locale of the caller."""
    return os.environ.get(UNICODE) == "yes"


def _is_utf8() -> bool:
    every, some, rest = (os.environ.get(name, "") for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    if not every and some == "C.UTF-8" and rest in {"", "C", "POSIX"}:
        # Python itself sets LC_CTYPE where there is no other locale.
        some = ""
    return "utf" in (every or some or rest).lower()


def tell_of_tmpdir() -> None:
    """Say that temporary files go elsewhere than the caller wanted, before anything is made; once a run."""
    if place := os.environ.pop(UNUSABLE, ""):
        sys.stderr.write(
            f"note: TMPDIR is {place}, where no file can be created; temporary files go elsewhere\n"
        )


def require_user_namespace() -> None:
    """Check that an ordinary user gets buildah's user namespace, as far as a few milliseconds show.

    Raises:
        Ended: this user gets none (status 3); the sentence has the reason.
    """
    if os.geteuid() and "BS_USERNS" not in os.environ:
        from buildsys.cli.output import MISSING, Ended
        from buildsys.run.rights import lacks_namespace

        if reason := lacks_namespace():
            raise Ended(MISSING, f"an ordinary user builds in a user namespace, and {reason}")


def enter_user_namespace() -> None:
    """As an ordinary user, start again in buildah's user namespace, which owns the files of the store.

    Raises:
        Ended: see `require_user_namespace`.
    """
    if os.geteuid() and "BS_USERNS" not in os.environ:
        require_user_namespace()
        again = (sys.executable, "-m", "buildsys", *sys.argv[1:])
        argv = ("bash", "-euc", '. "$0"; run_in_namespace "$@"', str(ENTERING), *again)
        TEMPORARY.end()
        os.execvp(argv[0], argv)  # noqa: S606 - the shell reads only what stands above


def _open_descriptors() -> None:
    """Open what is closed: the first file would take its place, and programs would write into it."""
    for number, mode in enumerate(MODES):
        with suppress(OSError):
            os.fstat(number)
            continue
        os.set_inheritable(os.open(os.devnull, mode), True)  # noqa: FBT003 - its only parameter
    # Python has looked already.
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        # Names of files are bytes, and come out as they went in.
        sys.stdout.reconfigure(errors="surrogateescape")
