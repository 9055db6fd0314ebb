"""plan, build, why: what is written, and how the plan is started. What a plan does is tested elsewhere."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from buildsys import programs
from buildsys.cli.test import condensed
from buildsys.run.make import RunOptions
from buildsys.run.plan_lock import turn

if TYPE_CHECKING:
    from tests.cli.conftest import Fake, Run


def called(record: Path) -> tuple[list[str], dict[str, str]]:
    """The words and the environment that the false bash was given."""
    lines = record.read_text().splitlines()
    words = [line for line in lines if "=" not in line]
    return words, dict(line.split("=", 1) for line in lines if "=" in line)


# plan


def test_plan(buildsys: Run, here: Path) -> None:
    first = buildsys("plan", "tiny")
    # Neither the mark nor the lock is counted, nor what only an SBOM reads.
    count = sum(path.is_file() for path in (here / "build/tiny").rglob("*")) - 3
    assert (first.returncode, first.stdout) == (0, "")
    assert first.stderr == f"build/tiny: 4 images, {count} files written\n"
    assert json.loads((here / "build/tiny/plan.json").read_text())["site"] == "far"
    assert buildsys("plan", "tiny").stderr == "build/tiny: 4 images, 0 files written\n"
    assert sorted(path.name for path in (here / "build").iterdir()) == ["tiny"]


def test_plan_writes_where_it_is_told(buildsys: Run, here: Path) -> None:
    assert buildsys("plan", "tiny", "-o", "there").returncode == 0
    assert buildsys("plan", "tiny", "--build-dir", "made").returncode == 0
    assert (here / "there/plan.json").read_text() == (here / "made/tiny/plan.json").read_text()
    assert not (here / "build").exists()


def test_plan_never_overwrites_what_is_not_a_plan(buildsys: Run, here: Path) -> None:
    (here / "mine").mkdir()
    (here / "mine/thesis").write_text("all of it")
    done = buildsys("plan", "tiny", "-o", "mine")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: mine is not empty and not a plan: nothing was written [plan-directory-taken]\n"
        "  hint: give -o a directory that is empty, missing or holds a plan\n"
    )
    assert [path.name for path in (here / "mine").iterdir()] == ["thesis"]


def test_plan_waits_for_who_uses_the_directory_when_there_is_something_to_write(
    buildsys: Run, here: Path, environment: dict[str, str]
) -> None:
    buildsys("plan", "tiny")
    told: list[str] = []
    argv = [sys.executable, "-m", "buildsys", "plan", "tiny"]
    with turn(here / "build/tiny", "trying things", told.append):
        assert buildsys("plan", "tiny").stderr == "build/tiny: 4 images, 0 files written\n"
        (here / "recipes/tiny/images/alone.yaml").unlink()
        waits = subprocess.Popen(argv, env=environment, cwd=here, stderr=subprocess.PIPE, text=True)
        assert waits.stderr is not None
        assert re.fullmatch(
            rf"waiting for process {os.getpid()} of \S+, trying things since [\d:]+\n",
            waits.stderr.readline(),
        )
        assert (here / "build/tiny/steps/alone.sh").exists()
    assert re.fullmatch(r"build/tiny: 3 images, \d+ files written\n", waits.communicate(timeout=30)[1])
    assert not (here / "build/tiny/steps/alone.sh").exists()


def test_plan_check_says_what_differs_and_writes_nothing(buildsys: Run, here: Path) -> None:
    missing = buildsys("plan", "tiny", "--check")
    assert missing.returncode == 1
    assert {line.split("\t")[0] for line in missing.stdout.splitlines()} == {"missing"}
    assert not (here / "build").exists()

    buildsys("plan", "tiny")
    same = buildsys("plan", "tiny", "--check")
    assert (same.returncode, same.stdout, same.stderr) == (0, "", "build/tiny is up to date\n")

    (here / "build/tiny/steps/app.sh").chmod(0o644)
    (here / "build/tiny/keys/base").write_text("other\n")
    (here / "build/tiny/steps/gone.sh").write_text("other\n")
    (here / "build/tiny/state/app.id").write_text("of a run\n")
    (here / "build/tiny/graph").unlink()
    differs = buildsys("plan", "tiny", "--check")
    assert (differs.returncode, differs.stderr) == (1, "error: build/tiny is not up to date: 4 files\n")
    assert differs.stdout == (
        "missing\tgraph\nchanged\tkeys/base\nchanged\tsteps/app.sh\nextra\tsteps/gone.sh\n"
    )
    assert (here / "build/tiny/keys/base").read_text() == "other\n"


def test_plan_check_compares_what_the_plan_carries(buildsys: Run, here: Path) -> None:
    (here / "recipes/tiny/files").mkdir()
    (here / "recipes/tiny/files/page").write_text("one\n")
    with (here / "recipes/tiny/images/alone.yaml").open("a") as recipe:
        recipe.write("steps:\n  - {copy: page, to: /page}\n")
    assert buildsys("plan", "tiny").returncode == 0
    assert buildsys("plan", "tiny", "--check").returncode == 0
    (carried,) = (here / "build/tiny/context").iterdir()
    carried.write_text("two\n")
    done = buildsys("plan", "tiny", "--check")
    assert (done.returncode, done.stdout) == (1, f"changed\tcontext/{carried.name}\n")


# What the site cannot build

CLOSED = "left-out: {closed: {because: it is shut, packages: [lamp]}}\n"
LAMP = "image: lamp\nfrom: base\npackages: [lamp]\n"
WARNING = """\
recipes/tiny/images/lamp.yaml:3:12: {}: the site 'far' cannot build 'lamp', nor what is made from it \
(lamp-post): it has no package lamp [not-at-this-site]
  3 | packages: [lamp]
    |            ^
  recipes/tiny/sites/far.yaml:4:12: the repository 'closed' is left out: it is shut
  4 | left-out: {{closed: {{because: it is shut, packages: [lamp]}}}}
    |            ^
  hint: an overlay can add it: sites: {{far: {{repositories: {{closed: …}}}}}}
"""
TOLD = WARNING.format("warning") + "\ntiny: the site far can build 4 of 6 images\n"


@pytest.fixture
def closed(here: Path) -> Path:
    """The set, at a site that cannot build two more images of it."""
    tiny = here / "recipes/tiny"
    with (tiny / "sites/far.yaml").open("a") as site:
        site.write(CLOSED)
    with (tiny / "set.yaml").open("a") as header:
        header.write("  lights: ['lamp*']\n  lit: [lamp, app]\n")
    (tiny / "images/lamp.yaml").write_text(LAMP)
    (tiny / "images/lamp-post.yaml").write_text("image: lamp-post\nfrom: lamp\n")
    return here


def test_plan_leaves_out_what_the_site_cannot_build_and_says_so(buildsys: Run, closed: Path) -> None:
    done = buildsys("plan", "tiny")
    assert done.returncode == 0
    assert done.stderr.startswith(f"{TOLD}build/tiny: 4 images, "), done.stderr
    assert not (closed / "build/tiny/steps/lamp.sh").exists()
    note = "not built, for the site far cannot give it: lamp (it has no package lamp); lamp-post (it has no"
    assert note in (closed / "build/tiny/notes").read_text()


@pytest.mark.parametrize(
    ("words", "said", "goals"),
    [
        ([], TOLD, []),
        (["app"], "", ["app"]),
        (["@front"], "", ["side-door", "app"]),
        (["@lit"], TOLD, ["app"]),
        (["*a*"], TOLD, ["alone", "base", "app"]),
    ],
)
@pytest.mark.usefixtures("closed")
def test_build_begins_with_what_the_site_cannot_build_of_what_is_asked_for(
    buildsys: Run, fake_bash: Path, words: list[str], said: str, goals: list[str]
) -> None:
    done = buildsys("build", "tiny", *words)
    assert (done.returncode, done.stderr) == (0, said)
    assert sorted(called(fake_bash)[0]) == sorted(["build/tiny/lib/run.sh", *goals])


@pytest.mark.parametrize("word", ["lamp", "lamp-post", "lamp*", "@lights"])
@pytest.mark.usefixtures("closed")
def test_build_of_what_the_site_cannot_build_is_refused(buildsys: Run, fake_bash: Path, word: str) -> None:
    done = buildsys("build", "tiny", "app", word)
    assert (done.returncode, done.stderr) == (2, WARNING.format("error"))
    assert not fake_bash.exists()


def test_an_overlay_gives_the_site_what_it_lacks(buildsys: Run, closed: Path, fake_bash: Path) -> None:
    (closed / "mine.yaml").write_text(
        "overlay: mine\nsites:\n  far:\n    repositories:\n"
        "      closed: {url: 'http://mirror.example.org/', gpgcheck: false}\n"
    )
    done = buildsys("build", "tiny", "--overlay", "mine.yaml", "lamp")
    assert (done.returncode, done.stderr) == (0, "")
    assert called(fake_bash)[0] == ["build/tiny/lib/run.sh", "lamp"]


@pytest.mark.usefixtures("closed")
def test_check_of_one_site_tells_too(buildsys: Run) -> None:
    assert buildsys("check", "tiny", "--site", "far").stderr == f"{TOLD}tiny: 6 images, no mistakes\n"
    assert buildsys("check", "tiny").stderr == "tiny: 6 images, no mistakes\n"


@pytest.mark.usefixtures("closed", "fake_bash")
def test_why_is_silent_about_it(buildsys: Run) -> None:
    assert buildsys("why", "tiny").stderr == ""


# build


def test_build_writes_the_plan_and_becomes_its_run(buildsys: Run, fake_bash: Path, here: Path) -> None:
    done = buildsys("build", "tiny")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    words, environment = called(fake_bash)
    assert words == ["build/tiny/lib/run.sh"]
    assert (here / "build/tiny/lib/run.sh").is_file()
    assert environment["BS_STORE"] == ""
    assert not {"JOBS", "BS_FORCE"} & environment.keys()


@pytest.mark.parametrize("status", [0, 1, 3, 75, 130])
def test_build_ends_as_the_run_does(buildsys: Run, fake_bash: Path, status: int) -> None:
    assert buildsys("build", "tiny", env={"FAKE_STATUS": str(status)}).returncode == status
    assert fake_bash.exists()


def test_build_hands_on_what_was_asked_for(buildsys: Run, fake_bash: Path, tmp_path: Path) -> None:
    store = f"--root {tmp_path}/a --runroot {tmp_path}/b --storage-driver vfs"
    words = ["--jobs", "3", "--force", "--store", store, "-o", "there"]
    assert buildsys("build", "tiny", *words, env={"MAKEFLAGS": "k"}).returncode == 0
    argv, environment = called(fake_bash)
    assert argv == ["there/lib/run.sh"]
    expected = {"JOBS": "3", "BS_FORCE": "1", "BS_STORE": store, "MAKEFLAGS": "k"}
    assert {name: environment[name] for name in expected} == expected


def test_build_takes_the_store_from_the_environment(buildsys: Run, fake_bash: Path, tmp_path: Path) -> None:
    store = f"--root {tmp_path}/c --runroot {tmp_path}/d --storage-driver vfs"
    assert buildsys("build", "tiny", env={"BS_STORE": store}).returncode == 0
    assert called(fake_bash)[1]["BS_STORE"] == store


@pytest.mark.parametrize(
    ("words", "goals"),
    [
        ([], []),
        (["--only", ""], []),
        (["app"], ["app"]),
        (["--only", "alone 'side-*'"], ["alone", "side-door"]),
        (["@front"], ["side-door", "app"]),
        (["side-door", "--children"], ["side-door", "app"]),
    ],
)
def test_build_some(buildsys: Run, fake_bash: Path, words: list[str], goals: list[str]) -> None:
    assert buildsys("build", "tiny", *words).returncode == 0
    assert called(fake_bash)[0] == ["build/tiny/lib/run.sh", *goals]


def test_build_of_nothing_known_starts_nothing(buildsys: Run, fake_bash: Path) -> None:
    done = buildsys("build", "tiny", "ap")
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, "error: no image matches 'ap' [no-match]")
    assert not fake_bash.exists()


def test_the_run_gets_signals_as_a_shell_expects_them(buildsys: Run, fake: Fake, here: Path) -> None:
    """Python ignores SIGPIPE; a shell that starts so cannot undo it, and its pipes would complain."""
    fake(
        "bash",
        'if [ "$1" = --version ]; then echo "GNU bash, version 5.2.15(1)-release"; exit; fi',
        f"grep SigIgn /proc/self/status >{here}/ignored",
    )
    assert buildsys("build", "tiny").returncode == 0
    ignored = int((here / "ignored").read_text().split()[1], 16)
    # What whoever started the tests ignores is none of Python's doing.
    assert not ignored & (1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1)


def test_the_run_shares_the_job_server_of_the_make_that_called(
    here: Path, environment: dict[str, str], fake: Fake
) -> None:
    fake(
        "bash",
        'if [ "$1" = --version ]; then echo "GNU bash, version 5.2.15(1)-release"; exit; fi',
        f"printf 'all: a b\\na b: ; @echo $$MAKEFLAGS >>{here}/flags\\n' >{here}/inner.mk",
        f"make -f {here}/inner.mk",
    )
    (here / "Makefile").write_text(f"all: ; +@{sys.executable} -m buildsys build tiny\n")
    done = subprocess.run(
        ["make", "-j3"], cwd=here, env=environment, check=False, capture_output=True, text=True
    )
    # Without the job server's file descriptors make would warn that there is none, and go on with one job.
    assert (done.returncode, done.stderr) == (0, "")
    flags = (here / "flags").read_text().splitlines()
    assert len(flags) == 2
    assert all("-j3" in line and "--jobserver-auth=" in line for line in flags)


def test_a_host_without_repositories_is_refused_at_the_site_host(
    buildsys: Run, fake: Fake, fake_bash: Path, here: Path
) -> None:
    site = here / "recipes/tiny/sites/far.yaml"
    site.write_text(site.read_text() + "repositories: host\n")
    fake("dnf", "echo warning >&2")
    done = buildsys("build", "tiny")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: this site takes packages from the host's own repositories, and dnf has none"
        " [no-host-repositories]\n"
        "  hint: enable some (`dnf repolist --all` lists them), or choose another site with --site\n"
    )
    assert not fake_bash.exists()
    fake("dnf", "echo 'repo id  repo name'", "echo 'os       The system'")
    assert buildsys("build", "tiny").returncode == 0


# programs


def only_on_path(environment: dict[str, str], here: Path, *names: str) -> dict[str, str]:
    """An environment in which the named programs of this host are missing."""
    folder = here / "few"
    folder.mkdir()
    for place in environment["PATH"].split(":"):
        for program in Path(place).iterdir() if Path(place).is_dir() else ():
            if program.name not in names and not (folder / program.name).exists():
                (folder / program.name).symlink_to(program)
    return {**environment, "PATH": str(folder)}


def test_build_names_every_program_that_is_missing_or_too_old(
    buildsys: Run, fake: Fake, here: Path, environment: dict[str, str]
) -> None:
    old = fake("buildah", "echo buildah version 1.23.1")
    few = only_on_path(environment, here, "skopeo", "flock", "buildah")
    (here / "few/buildah").symlink_to(old)
    done = buildsys("build", "tiny", env=few)
    hint = "in a clone of buildsys, `make setup` installs all that is missing"
    command = (programs.install_command(["skopeo"]) or "").removesuffix(" skopeo")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.split("\n\n") == [
        f"error: flock is needed and is not installed [missing-tool]\n  hint: `{command} util-linux`; {hint}",
        f"error: skopeo is needed and is not installed [missing-tool]\n  hint: `{command} skopeo`; {hint}",
        (
            f"error: buildah 1.27 or newer is needed, {here}/few/buildah is version 1.23.1 [old-tool]\n"
            "  hint: images are committed with --omit-history, which buildah 1.27 brought\n"
        ),
    ]


# why


def test_why_asks_the_plan(buildsys: Run, fake: Fake) -> None:
    fake(
        "bash",
        'if [ "$1" = --version ]; then echo "GNU bash, version 5.2.15(1)-release"; exit; fi',
        r'script=$1; shift; for name; do printf "%s\tstale\tbecause of %s\n" "$name" "$script"; done',
    )
    done = buildsys("why", "tiny", "side-door", "--children")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "side-door\tstale\tbecause of build/tiny/lib/why.sh\napp\tstale\tbecause of build/tiny/lib/why.sh\n"
    )
    shown = json.loads(buildsys("why", "tiny", "app", "--json").stdout)
    assert shown == [{"image": "app", "state": "stale", "reason": "because of build/tiny/lib/why.sh"}]


def test_a_dry_run_says_what_why_says_of_all_that_a_build_would_make(buildsys: Run, fake: Fake) -> None:
    fake(
        "bash",
        'if [ "$1" = --version ]; then echo "GNU bash, version 5.2.15(1)-release"; exit; fi',
        'program=$1; shift; for name; do printf "%s\\tstale\\t%s%s\\n" $name ${program##*/} $BS_FORCE; done',
    )
    done = buildsys("build", "tiny", "side-door", "-n")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "base\tstale\twhy.sh\nside-door\tstale\twhy.sh\n"
    done = buildsys("build", "tiny", "base", "--verbose")
    assert done.stderr == "base: stale: why.sh\n"
    done = buildsys("build", "tiny", "base", "--dry-run", "--force")
    assert done.stdout == "base\tstale\twhy.sh1\n"


def test_why_ends_as_the_plan_does(buildsys: Run, fake_bash: Path) -> None:
    assert buildsys("why", "tiny", env={"FAKE_STATUS": "3"}).returncode == 3
    assert fake_bash.exists()


def test_the_environment_of_a_run_keeps_what_was_there() -> None:
    assert RunOptions().environment({"A": "b", "BS_STORE": "old"}) == {"A": "b", "BS_STORE": ""}
    assert RunOptions("s", 2, force=True).environment({"JOBS": "9"}) == {
        "JOBS": "2",
        "BS_STORE": "s",
        "BS_FORCE": "1",
    }


# test


def test_lines_that_are_alike_are_shown_once() -> None:
    asked = [f'10.0.0.{i} - [30/Nov/2026 20:0{i}] "GET /missing" 404 in 0.00{i}' for i in range(9)]
    traced = [f"req-{i}f3a9c0d{i}1 no such page" for i in range(9)]
    both = [line for pair in zip(asked, traced, strict=True) for line in pair]
    assert condensed(["starts", "warns 1", "warns 2", *both, "ends"]) == [
        "starts", "warns 1", "warns 2",
        f"{asked[-1]}  (9 lines like this)", f"{traced[-1]}  (9 lines like this)", "ends",
    ]  # fmt: skip
    assert condensed([]) == []
