"""A disk that is full, out of inodes or of a quota is named, with its place and what is free."""

from __future__ import annotations

import errno
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from buildsys import disk
from tests.plan.sets import BASE, image, image_set
from tests.runtime.conftest import faked
from tests.runtime.faked import Done, Faked, does

__all__ = ["faked"]

HINT = "  hint: free some space; the next run goes on from here\n"
APART = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]


def small(place: Path, script: str, options: str = "size=1m") -> list[str]:
    """A command that runs a script with a small disk mounted at a place, in a namespace of its own."""
    mount = f"mount -t tmpfs -o {options} none {place}"
    return ["/usr/bin/unshare", *APART, "--mount", "bash", "-c", f"{mount} && {script}"]


@pytest.fixture
def good(faked: Faked, tmp_path: Path) -> Faked:
    faked.compile(image_set(tmp_path, [image("base", BASE, does("one")), image("child", "base")]))
    for folder in ("state", "logs", "results"):
        (faked.plan / folder).mkdir()
    return faked


@pytest.mark.parametrize(
    "said",
    [
        "write /x: no space left on device",
        "installing package a needs 516KB more space on the / filesystem",
        "installing package a needs 12 inodes on the / filesystem",
        "sqlite failure: database or disk is full",
    ],
)
def test_words_of_tools_name_the_disk(good: Faked, said: str) -> None:
    good.misbehave("mount", f"echo '{said}' >&2; exit 125")
    done = good.run("base")
    assert done.returncode == 1
    named = re.search(r"error: the disk became full: \d+ MiB.* free at /.*\n *" + HINT.strip(), done.stderr)
    assert named, done.stderr


def test_a_quota(good: Faked) -> None:
    good.misbehave("commit", "echo 'write /x: disk quota exceeded' >&2; exit 125")
    assert "error: the quota of a disk is used up: " in good.run("base").stderr
    assert good.call([str(good.plan / "steps/base.sh")]).returncode == 75


def _full(good: Faked, script: str, options: str = "size=1m") -> Done:
    """Run with the store on a small disk that a step fills."""
    root = good.fake / "root"
    return good.call(small(root, script, options), BS_SPACE_MIB="0", ROOT=str(root), PLAN=str(good.plan))


def test_a_full_disk_of_which_nobody_speaks(good: Faked) -> None:
    good.misbehave(
        "commit", 'head -c 2M /dev/zero >"$FAKE/root/fill"; echo "read/write on closed pipe" >&2; exit 125'
    )
    done = _full(good, 'bash "$PLAN/lib/run.sh" base')
    assert done.returncode == 1
    assert "error: the disk is full: 0 MiB and " in done.stderr
    assert f" inodes free at {good.fake}/root\n" in done.stderr
    step = _full(good, '"$PLAN/steps/base.sh"')
    assert step.returncode == 75


def test_inodes(good: Faked) -> None:
    script = 'for ((i = 0; i < 90; i++)); do : >"$FAKE/root/$i" || break; done; echo odd >&2; exit 125'
    good.misbehave("commit", script)
    done = _full(good, '"$PLAN/steps/base.sh"', "size=9m,nr_inodes=50")
    assert done.returncode == 75
    assert f"base: error: the disk is full: 9 MiB and 0 inodes free at {good.fake}/root\n" in (
        done.stderr + (good.plan / "logs/base.log").read_text().replace("error", "base: error")
    )


def test_a_recipe_whose_run_fills_the_disk(good: Faked, tmp_path: Path) -> None:
    """Not its fault, when nothing is left; its own words count for nothing."""
    good.compile(
        image_set(tmp_path, [image("base", BASE, does("host head -c 2M /dev/zero >$FAKE/root/fill; false"))])
    )
    assert _full(good, '"$PLAN/steps/base.sh"').returncode == 75
    good.compile(image_set(tmp_path, [image("base", BASE, does("host echo no space left on device; false"))]))
    assert _full(good, '"$PLAN/steps/base.sh"').returncode == 1


def test_a_run_that_cannot_begin(good: Faked) -> None:
    script = 'head -c 2M /dev/zero >"$PLAN/state/fill" 2>/dev/null; bash "$PLAN/lib/run.sh"'
    done = good.call(small(good.plan / "state", script), BS_SPACE_MIB="0", PLAN=str(good.plan))
    assert done.returncode == 1
    assert done.stderr.endswith(f" free at {good.plan}/state\n{HINT}")


def test_too_few_inodes_to_begin(good: Faked) -> None:
    done = good.call(
        small(good.fake / "root", 'bash "$PLAN/lib/run.sh"', "size=2g,nr_inodes=500"), PLAN=str(good.plan)
    )
    assert done.returncode == 1
    assert re.search(r"error: \d+ inodes are free at .*/root, 1024 are needed to start\n", done.stderr)


def test_half_a_copy_on_a_disk_that_is_smaller_than_the_copy(good: Faked, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/large").write_bytes(b"x" * 3_000_000)
    (tmp_path / "log").write_text("storing layer to file: io: read/write on closed pipe\n")
    root = good.fake / "root"
    script = f'. {good.plan}/lib/disk.sh; raise_minimum {tmp_path}/log "$0"; full_disk {tmp_path}/log {root}'
    for tree, status in ((tmp_path / "tree", 0), (tmp_path / "log", 1)):
        done = subprocess.run(
            [*small(root, f"set -- x; bash -c '{script}' {tree}", "size=2m")],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, bool(done.stdout)) == (status, status == 0), done


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("No space left on device", "the disk became full: "),
        ("[Errno 122] Disk quota exceeded", "the quota of a disk is used up: "),
        ("the repository cannot be read", ""),
    ],
)
def test_what_a_verb_says(text: str, words: str) -> None:
    assert disk.blamed(text).startswith(words)
    assert bool(disk.blamed(text)) is bool(words)


SPACE = """\
write error: No space left on device
write /x: no space left on device
OSError: [Errno 28] ENOSPC
failed: StorageFull (os error 28)
ENOSPC: no space left on device, write
tar: x: Cannot write: No space left on device""".splitlines()
QUOTA = """\
write error: Disk quota exceeded
write error: Quota exceeded
cp: x: Quota exceeded (os error 122)
write /x: disk quota exceeded
Error: writing blob: storing blob to file "/x": write /x: disk quota exceeded: exit status 1
OSError: [Errno 122] EDQUOT
failed: FilesystemQuotaExceeded (os error 122)
EDQUOT: disk quota exceeded, write
cannot copy extracted data for './x' to '/x.dpkg-new': failed to write (Disk quota exceeded)""".splitlines()
ELSEWHERE = """\
denied: Quota exceeded for quota metric 'Requests' and limit 'Requests per minute'
error: quota exceeded by 3 images of the project
line 122: os error 1220""".splitlines()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        *((text, "the disk became full: ") for text in SPACE),
        *((text, "the quota of a disk is used up: ") for text in QUOTA),
        *((text, "") for text in ELSEWHERE),
    ],
)
def test_the_words_of_every_language(text: str, words: str, tmp_path: Path) -> None:
    """glibc, musl, Go, Python, Rust, JavaScript; for verbs and plans. A server's quota is no disk's."""
    (tmp_path / "log").write_text(f"before\n{text}\nafter\n")
    library = Path(disk.__file__).parent / "plan/runtime/disk.sh"
    script = '. "$0"; full_disk "$1" "$2"'
    command = ["bash", "-uc", script, str(library), str(tmp_path / "log"), str(tmp_path)]
    done = subprocess.run(
        command, env={"LC_ALL": "C", "PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False
    )
    for sentence in (done.stdout, disk.blamed(f"before\n{text}\nafter")):
        assert sentence.startswith(words)
        assert bool(sentence) is bool(words)


def test_errors_of_the_system() -> None:
    assert {os.strerror(number) for number in disk.FULL} == {"No space left on device", "Disk quota exceeded"}
    assert all(disk.WORDS.search(os.strerror(number)) for number in (errno.ENOSPC, errno.EDQUOT))


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """A set without mistakes whose plan needs no network."""
    files = {
        "set.yaml": "set: demo\nnamespace: example\ntag: latest\nepoch: 1517443200\nsite: here\n",
        "sites/here.yaml": "site: here\nbase: {image: 'localhost/x:1'}\ninstaller: dnf\n",
        "images/base.yaml": "image: base\nfrom: site\n",
    }
    for name, text in files.items():
        path = tmp_path / "demo" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "small").mkdir()
    return tmp_path / "demo"


def buildsys(*words: str | Path) -> str:
    """The command as a line of shell."""
    return shlex.join([sys.executable, "-m", "buildsys", *map(str, words)])


def test_verbs_name_the_disk_they_write_to(demo: Path, tmp_path: Path) -> None:
    """A plan, by a process of its own: what it fills is a disk of its own."""
    (tmp_path / "wide").mkdir()
    done = None
    for fill, status in (("", 0), (f"head -c 2M /dev/zero >{tmp_path}/small/fill 2>/dev/null; ", 1)):
        script = f"{fill}exec {buildsys('plan', demo, '-o', tmp_path / 'small/plan')}"
        done = subprocess.run(
            small(tmp_path / "small", script, "size=3m" if not fill else "size=1m"),
            cwd=tmp_path / "wide", capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == status, done.stderr
    assert done is not None
    assert "error: the disk is full: 0 MiB and " in done.stderr
    assert f"free at {tmp_path}/small" in done.stderr
    assert done.stderr.endswith(HINT)


@pytest.mark.parametrize("options", ["size=1m", "size=1m,ro"])
def test_a_mistake_in_a_recipe_is_no_full_disk(demo: Path, tmp_path: Path, options: str) -> None:
    """The command runs in a folder that has no space left, or takes none: the recipe is what is wrong."""
    (demo / "images/base.yaml").write_text("image: base\nfrom: nobody\n")
    fill = f"cd {tmp_path}/small && {{ head -c 2M /dev/zero >fill; }} 2>/dev/null"
    full = f"{fill}; exec {buildsys('check', demo)}"
    done = subprocess.run(
        small(tmp_path / "small", full, options), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "nobody" in done.stderr
    assert "disk" not in done.stderr
