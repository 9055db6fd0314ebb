"""The table of surroundings: what each is, what becomes of a build in it, and how a test makes it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.stores import Store
from tests.surroundings.ground import Scene

EQUAL = "works, equal ids"
ODD = "a b&c%d'e$f#g;h@iü"
"""A name of letters that mean something to a shell, to make, to rpm or to a URL."""


@dataclass(frozen=True)
class Row:
    """A row of the table."""

    group: str
    name: str
    """What the surroundings are, as the table names them."""
    make: Callable[[Scene], Scene]
    refused: str = ""
    """What the refusal says; empty: the build works, and its ids are those of the plain run."""
    hint: str = ""
    """What the table advises where a build is refused."""

    @property
    def outcome(self) -> str:
        """The cell of the table."""
        return f"refused: {self.hint}" if self.refused else EQUAL


def _locale(name: str, source: str, encoding: str) -> Callable[[Scene], Scene]:
    def make(scene: Scene) -> Scene:
        if name == "C":
            return scene.adding(LC_ALL="C", LANG="C")
        if not Path("/usr/share/i18n/locales", source).exists():
            pytest.skip("the locales package is not installed")
        folder = scene.place / "locales"
        folder.mkdir()
        command = ["localedef", "-i", source, "-f", encoding, str(folder / name)]
        subprocess.run(command, check=True, capture_output=True)
        return scene.adding(LC_ALL=name, LANG=name, LOCPATH=str(folder))

    return make


def _apart(script: str) -> Callable[[Scene], Scene]:
    """Surroundings that a script makes in a mount namespace of its own; `$place` is the test's folder."""

    def make(scene: Scene) -> Scene:
        text = f'place={shlex.quote(str(scene.place))}; {script}\nexec "$@"'
        return scene.within("unshare", "--mount", "--propagation", "private", "bash", "-euc", text, "bash")

    return make


def _temporary(options: str) -> Callable[[Scene], Scene]:
    """The usual places of temporary files mounted with these options; not the test's folder in them."""
    return _apart(
        f"for at in /tmp /var/tmp; do mount --bind $at $at; mount -o remount,bind,{options} $at; done\n"
        f'for at in "$place" {shlex.quote(str(ROOT))}; do\n'
        'mount --bind "$at" "$at"; mount -o remount,bind,rw,exec "$at"; done'
    )


def _read_only_tmpdir(scene: Scene) -> Scene:
    script = (
        'mkdir -p "$place/ro"; mount --bind "$place/ro" "$place/ro"; mount -o remount,bind,ro "$place/ro"'
    )
    return _apart(script)(scene).adding(TMPDIR=str(scene.place / "ro"))


def _tmpdir_that_is_a_file(scene: Scene) -> Scene:
    (scene.place / "file").write_text("")
    return scene.adding(TMPDIR=str(scene.place / "file"))


def _relative_tmpdir(scene: Scene) -> Scene:
    (scene.place / "here").mkdir()
    return scene.adding(TMPDIR="here")


def _odd_tmpdir(name: str) -> Callable[[Scene], Scene]:
    def make(scene: Scene) -> Scene:
        (scene.place / name).mkdir()
        return scene.adding(TMPDIR=str(scene.place / name))

    return make


def _no_environment(scene: Scene) -> Scene:
    return scene.but(environment={"PATH": scene.environment["PATH"]})


def _shell(text: str) -> Callable[[Scene], Scene]:
    return lambda scene: scene.within("bash", "-c", f'{text}; exec "$@"', "bash")


def _hostile(scene: Scene) -> Scene:
    rc = scene.place / "rc"
    rc.write_text("cd /; umask 0; alias ls=false\n")
    makefile = scene.place / "makefile"
    makefile.write_text("$(error this is not ours)\n")
    other = scene.place / "elsewhere"
    (other / "lib").mkdir(parents=True)
    return scene.adding(
        BASH_ENV=str(rc), ENV=str(rc), CDPATH=f"{other}:/usr", OLDPWD=str(other), GLOBIGNORE="*",
        GREP_OPTIONS="--invert-match", GREP_COLORS="mt=1", TAR_OPTIONS="--verbose", POSIXLY_CORRECT="1",
        MAKEFILES=str(makefile), BUILDAH_HISTORY="true", BUILDAH_LAYERS="true", SHELLOPTS="noglob:noclobber",
        BASHOPTS="nullglob:failglob:nocasematch", IFS="/", TZ="Asia/Tokyo", SOURCE_DATE_EPOCH="1",
        **{"BASH_FUNC_buildah%%": "() { false; }", "BASH_FUNC_sed%%": "() { false; }"},
    )  # fmt: skip


def _place(name: str, *, store: bool = False) -> Callable[[Scene], Scene]:
    """Recipes and plan, or the container store, in a folder of this name."""

    def make(scene: Scene) -> Scene:
        folder = scene.place / name
        if store:
            there = Store(folder / "store")
            options = f"--root {shlex.quote(str(there.root))} --runroot {shlex.quote(str(there.runroot))}"
            return scene.but(store=there, options=options)
        return scene.but(build=folder / "build")

    return make


def _faketime(year: int) -> Callable[[Scene], Scene]:
    return lambda scene: scene.within("faketime", "-f", f"@{year}-02-03 04:05:06")


def _cgroups(script: str) -> Callable[[Scene], Scene]:
    return _apart(f"mount -t tmpfs none /sys/fs/cgroup; {script}")


def _more_stores(scene: Scene) -> Scene:
    """The base image lies in a store that the user's own only reads from."""
    more, own = scene.used_store, Store(scene.place / "own")
    text = f'[storage]\ndriver = "overlay"\ngraphroot = "{own.root}"\nrunroot = "{own.runroot}"\n'
    text += f'[storage.options]\nadditionalimagestores = ["{more.root}"]\n'
    configuration = scene.place / "storage.conf"
    configuration.write_text(text)
    return scene.adding(CONTAINERS_STORAGE_CONF=str(configuration)).but(options="")


def _make_jobs(style: str) -> Callable[[Scene], Scene]:
    """Run by a make that shares jobs with it."""

    def make(scene: Scene) -> Scene:
        program = shutil.which("make")
        assert program
        said = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
        if style and "--jobserver-style" not in said:
            pytest.skip("this make has no other job server; 4.4 and newer do")
        makefile = scene.place / "Makefile"
        makefile.write_text("all: ; +@$(RUN)\n")
        script = (
            'printf -v RUN "%q " "$@"; export RUN="${RUN//\\$/\\$\\$}"; exec make -f "$MAKE_FILE" -j2 $STYLE'
        )
        return scene.within("bash", "-c", script, "bash").adding(MAKE_FILE=str(makefile), STYLE=style)

    return make


STORE = "a container store cannot lie in"
NOEXEC = "a plan cannot run from a file system mounted noexec"
CLOCK = "the clock of this machine shows 2001-02-03"
NAMES = "choose another directory for the store, `BS_STORE='--root DIR --runroot DIR'`"
MOVE = "build elsewhere: `--build-dir`"
FIFO = "--jobserver-style=fifo"
SET_CLOCK = "set the clock; a step finds the files it wrote by their time"
HOSTILE = "`BASH_ENV`, `CDPATH`, `OLDPWD`, `GREP_OPTIONS`, `TAR_OPTIONS`, `MAKEFILES`, `SHELLOPTS`, functions"
BYTES = os.fsdecode(b"a\xffb")
HARD = 'a:b,c+d]e"f\\g[h*i?'
_plan_noexec = _apart('mount --bind "$place" "$place"; mount -o remount,bind,noexec "$place"')
_version_1 = "mkdir /sys/fs/cgroup/pids; mount -t cgroup -o pids none /sys/fs/cgroup/pids"

ROWS = (
    Row("environment", "no variable but `PATH`: no `HOME`, `USER`, `XDG_RUNTIME_DIR`", _no_environment),
    Row("environment", "`HOME` that does not exist", lambda scene: scene.adding(HOME="/nonexistent")),
    Row("environment", HOSTILE, _hostile),
    Row("environment", "umask 077", _shell("umask 077")),
    Row("locale", "`C`", _locale("C", "", "")),
    Row("locale", "`de_DE.ISO-8859-1`", _locale("de_DE.ISO-8859-1", "de_DE", "ISO-8859-1")),
    Row("locale", "`tr_TR.UTF-8`", _locale("tr_TR.UTF-8", "tr_TR", "UTF-8")),
    Row("temporary files", "`TMPDIR` that does not exist", lambda scene: scene.adding(TMPDIR="/nonexistent")),
    Row("temporary files", "`TMPDIR` that is read-only", _read_only_tmpdir),
    Row("temporary files", "`TMPDIR` that is a file", _tmpdir_that_is_a_file),
    Row("temporary files", "`TMPDIR` that is empty", lambda scene: scene.adding(TMPDIR="")),
    Row("temporary files", "`TMPDIR` as a relative path", _relative_tmpdir),
    Row("temporary files", "`TMPDIR` in a path with a space, `ü` or `&%'$#;@`", _odd_tmpdir(ODD)),
    Row("temporary files", '`TMPDIR` in a path with `:,+[]*?"\\`', _odd_tmpdir(HARD)),
    Row("temporary files", "`/tmp` and `/var/tmp` read-only", _temporary("ro")),
    Row("temporary files", "`/tmp` and `/var/tmp` mounted `noexec`", _temporary("noexec")),
    Row("paths", "recipes and plan in a path with a space, `ü` or `&%'$#;@`", _place(ODD)),
    Row("paths", "the container store in such a path", _place(ODD, store=True)),
    Row("paths", 'recipes and plan in a path with `:,+[]*?"\\`', _place(HARD)),
    Row("paths", "recipes and plan in a path that is not UTF-8", _place(BYTES)),
    Row("paths", "the container store in such a path", _place(BYTES, store=True)),
    Row("paths", "a plan on a file system mounted `noexec`", _plan_noexec, NOEXEC, MOVE),
    *(
        Row("paths", f"container store in a path with `{it}`", _place(f"a{it}b", store=True), STORE, NAMES)
        for it in ":,+]\\"
    ),
    Row("clock", "a year before the set's epoch: 2001", _faketime(2001), CLOCK, SET_CLOCK),
    Row("clock", "2040, past the end of 32 bits", _faketime(2040)),
    Row("control groups", "version 2", _cgroups("mount -t cgroup2 none /sys/fs/cgroup")),
    Row("control groups", "version 1", _cgroups(_version_1)),
    Row("control groups", "none", _cgroups(":")),
    Row("container store", "`additionalimagestores` in storage.conf, with the base image", _more_stores),
    Row("caller", "make's job server by descriptors", _make_jobs("")),
    Row(
        "caller",
        "make's job server by a named pipe: `fifo`, of make 4.4",
        _make_jobs(FIFO),
    ),
    Row("caller", "`SIGINT`, `SIGQUIT`, `SIGHUP`, `SIGPIPE` ignored", _shell("trap '' INT QUIT HUP PIPE")),
    Row("caller", "stdin closed", _shell("exec <&-")),
    Row("caller", "stdout closed", _shell("exec >&-")),
    Row("caller", "stdin, stdout and stderr closed", _shell("exec <&- >&- 2>&-")),
)
