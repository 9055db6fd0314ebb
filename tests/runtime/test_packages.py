"""Packages of the pool: nothing counts as verified that nobody looked at."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.rpms import build

LIB = Path(__file__).parents[2] / "buildsys/plan/runtime"
NAMES = ("a_1_all.deb", "b_1_all.deb")


@dataclass
class Bench:
    """What a step has around it when it calls an installer."""

    plan: Path

    def call(self, installer: str, script: str) -> subprocess.CompletedProcess[str]:
        """Run a script as a step does, with the installer's functions."""
        (self.plan / "scratch").mkdir(exist_ok=True)
        head = (
            "set -Eeuo pipefail; shopt -s inherit_errexit; export LC_ALL=C; PLAN=$0 LIB=$1 INSTALLER=$2; "
            "STATE=$PLAN/state SCRATCH=$PLAN/scratch IMAGE=app SPOT=app.yaml:1:1 SET=tiny SITE=here; "
            'HOST="" NETWORK=""; . "$LIB/log.sh"; . "$LIB/packages.sh"; '
        )
        argv = ["bash", "-c", head + script, str(self.plan), str(LIB), installer]
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)

    def verified(self) -> list[str]:
        """The checksums that nobody will look at again."""
        return sorted(path.name for path in (self.plan / "state").glob("**/verified/*"))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A plan whose pool has two packages, of which the second is not the one that the lock names."""
    for folder in ("state", "keys", "steps", "pool/packages", "pool/keys"):
        (tmp_path / folder).mkdir(parents=True)
    for name in NAMES:
        (tmp_path / "pool/packages" / name).write_text(name)
    (tmp_path / "keys/app").write_text(
        "".join(f"package {name[0]} 1 all {name} sha256:{said(name)}\n" for name in NAMES)
    )
    (tmp_path / "steps/app.sh").write_text("")
    (tmp_path / "unsigned").write_text("".join(f"{name}\n" for name in NAMES))
    (tmp_path / "pool/packages" / NAMES[1]).write_text("something else")
    return Bench(tmp_path)


def said(name: str) -> str:
    """The checksum of the package that the lock names."""
    return hashlib.sha256(name.encode()).hexdigest()


def test_the_settings_of_rpm_are_replaced_whole(bench: Bench) -> None:
    """Steps that begin together write them together; one cut short sends rpm to another database."""
    show = 'rpm_list_kit >/dev/null; stat -c %i "$STATE/kit.macros"; '
    done = bench.call("rpm", f'{show} exec 6<"$STATE/kit.macros"; {show} cat <&6')
    first, second, *text = done.stdout.splitlines()
    assert first != second
    assert text == ["%_dbpath /var/lib/rpm", "%_netsharedpath /dev:/proc:/sys"], done.stderr


INSTALLERS = pytest.mark.parametrize("installer", ["apt", "rpm"])


@INSTALLERS
def test_what_is_whole_is_looked_at_once(bench: Bench, installer: str) -> None:
    script = f"{installer}_fetch a {NAMES[0]}"
    done = bench.call(installer, script)
    assert (done.returncode, done.stdout) == (0, f"{bench.plan}/pool/packages/{NAMES[0]}"), done.stderr
    assert bench.verified() == [said(NAMES[0])]
    (bench.plan / "pool/packages" / NAMES[0]).write_text("nobody looks")
    assert bench.call(installer, script).returncode == 0


@INSTALLERS
def test_another_package_than_the_locks_is_refused(bench: Bench, installer: str) -> None:
    done = bench.call(installer, f"{installer}_fetch b {NAMES[1]}")
    assert (done.returncode, done.stdout, bench.verified()) == (1, "", [])
    assert done.stderr == (
        f"error: a package of the pool differs from the lock: {NAMES[1]}\n"
        '  hint: "buildsys build tiny" fetches it again; '
        "if the plan was copied here, copy it again\n"
    )


FULL = 'ln -s /dev/full "$SCRATCH/sums"; '
KILLED = (
    'sha256sum() { if [[ ${1-} == --check ]]; then kill -9 "$BASHPID"; else command sha256sum "$@"; fi; }; '
)
NO_LIST = 'rm "$PLAN/keys/app"; '


@INSTALLERS
@pytest.mark.parametrize("fault", [FULL, KILLED, NO_LIST], ids=["full disk", "killed", "no list"])
@pytest.mark.parametrize("name", NAMES)
def test_what_could_not_be_looked_at_is_not_verified(
    bench: Bench, installer: str, fault: str, name: str
) -> None:
    done = bench.call(installer, f"{fault}{installer}_fetch x {name}")
    assert (done.returncode != 0, done.stdout, bench.verified()) == (True, "", []), done.stderr
    if fault == KILLED:
        assert done.stderr.endswith("error: app.yaml:1:1: packages of the pool cannot be read completely\n")


def test_a_key_that_cannot_be_read_leaves_no_keyring(bench: Bench) -> None:
    """The next run has another try."""
    key = bench.plan / "pool/keys/site"
    key.write_text("no key")
    assert bench.call("rpm", f"rpm_fetch a {NAMES[0]}").returncode != 0
    assert [path.name for path in (bench.plan / "state").glob("keyring.*") if path.suffix != ".part"] == [
        "keyring.lock"
    ]
    assert bench.call("rpm", "rpm_open_keyring || :; printf '%s' \"${KEYRING-none}\"").stdout == "none"


def test_a_keyring_that_refused_a_signature_stays_until_the_next_run(bench: Bench) -> None:
    """Other steps of the run read it: without it, they would find no key for any package."""
    fake = "rpmkeys() { case $* in *--checksig*) echo x: digests NOT OK; return 1 ;; esac; }; "
    state = bench.plan / "state"
    assert bench.call("rpm", fake + "rpm_check_signatures x").returncode != 0
    rings = [path for path in state.glob("keyring.*") if path.is_dir()]
    assert [path.name for path in state.glob("keyring.*.doubtful")] == [f"{rings[0].name}.doubtful"]
    done = bench.call("rpm", '. "$LIB/leftovers.sh"; TMPDIR=/nowhere; clear_leftovers')
    assert (done.returncode, [path.name for path in state.glob("keyring.*")]) == (0, ["keyring.lock"]), (
        done.stderr
    )


OLDER = pytest.mark.parametrize(
    "older", ["", "shopt -u patsub_replacement 2>/dev/null || :; "], ids=["", "older bash"]
)


@OLDER
@pytest.mark.parametrize(
    ("installer", "word", "line"),
    [
        ("dnf", "tree", 4),
        ("dnf", "tree-1.0-1", 4),
        ("dnf", "gcc-c++", 5),
        ("dnf", "gcc-c++-8.5.0-1.el8.x86_64", 5),
        ("dnf", "/usr/bin/a.b", 6),
        ("dnf", "perl(A::B)", 7),
        ("dnf", "libstdc++", 0),
        ("dnf", "gcc-c..", 0),
        ("dnf", "R&D", 8),
        ("dnf", "back\\\\slash", 9),
        ("apt_", "libstdc++6", 10),
        ("apt_", "libstdc", 0),
    ],
)
def test_which_line_asks_for_a_package(
    bench: Bench, older: str, installer: str, word: str, line: int
) -> None:
    words = (
        "tree",
        "gcc-c++",
        "/usr/bin/a.b",
        "'perl(A::B)'",
        "'R&D'",
        "'back\\\\slash'",
        "'libstdc++6_12_all.deb'",
    )
    rows = (f"    {word:30} # a & b/app.yaml:{number}:3\n" for number, word in enumerate(words, 4))
    (bench.plan / "steps/app.sh").write_text(f"dnf_install {chr(92)}\n{''.join(rows)}")
    finder = "set_package_spot" if installer == "dnf" else "apt_set_spot"
    done = bench.call(installer.rstrip("_"), f"{older}{finder} '{word}'; echo \"$SPOT\"")
    assert done.stdout == (f"a & b/app.yaml:{line}:3\n" if line else "app.yaml:1:1\n"), done.stderr


@OLDER
def test_a_plan_may_lie_where_a_substitution_has_signs(tmp_path: Path, older: str) -> None:
    there = tmp_path / "R&D \\1"
    (there / "pool").mkdir(parents=True)
    (there / "pool/repositories.conf").write_text("baseurl=file://@PLAN@/pool\n")
    show = 'RELEASE=8 ROOT=/nowhere; run_unshared() { cat "$SCRATCH/dnf.conf"; }; dnf_call makecache'
    done = Bench(there).call("dnf", older + show)
    assert done.stdout == f"baseurl=file://{tmp_path}/R&D%20\\1/pool\n", done.stderr


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Builds of one package; the newest has an epoch."""
    place = tmp_path_factory.mktemp("builds")
    versions = {"rc": "1.10~rc1", "nine": "1.9", "ten": "1.10", "caret": "1.10^git1", "old": "0.1"}
    made = {name: build(place, "foo", version) for name, version in versions.items()}
    return made | {"epoch": build(place, "foo", "0.2", epoch=1), "other": build(place, "foo-1", "9")}


ORDER = ("old", "nine", "rc", "ten", "caret", "epoch")


def lay(folder: Path, builds: dict[str, Path], places: dict[str, str]) -> None:
    """Put builds into folders, by name."""
    for name, place in places.items():
        (folder / place).mkdir(parents=True, exist_ok=True)
        (folder / place / builds[name].name).write_bytes(builds[name].read_bytes())


@pytest.mark.parametrize("newest", ORDER)
def test_the_newest_file_is_what_rpm_takes_for_it(bench: Bench, builds: dict[str, Path], newest: str) -> None:
    """Wherever it lies, and whatever lies beside it."""
    there = ORDER[: ORDER.index(newest) + 1]
    places = {name: "a" if name == newest else "b/c" for name in (*there, "other")}
    lay(bench.plan / "pool/repos", builds, places)
    (bench.plan / "pool/repos/b/c/foo-9.noarch.rpm").write_text("no package")
    done = bench.call("dnf", "rpm_check_signatures() { :; }; dnf_fetch foo")
    assert done.stdout == f"{bench.plan}/pool/repos/a/{builds[newest].name}", done.stderr


def test_a_package_that_is_in_no_repository_is_missing(bench: Bench, builds: dict[str, Path]) -> None:
    lay(bench.plan / "pool/repos", builds, {"other": "a"})
    done = bench.call("dnf", "dnf_fetch foo")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: app.yaml:1:1: no repository of the site here has a package foo\n"


OFFERS = (
    "fill_cache() { :; }; fetch_repository_keys() { :; }; "
    "dnf_call() { [[ $* != *repoquery* ]] || printf '%s' \"$OFFERED\"; }; "
)


def offered(
    bench: Bench, builds: dict[str, Path], installer: str, text: str
) -> subprocess.CompletedProcess[str]:
    """Fetch a package that is not carried, while repositories offer this; the cache has all of it."""
    places = dict.fromkeys(("nine", "rc", "ten", "other"), f"state/cache/{installer}/r")
    lay(bench.plan, builds, places)
    return bench.call(installer, f"{OFFERS}OFFERED=${text!r}; find_payload_file foo")


def test_of_the_cache_the_newest_that_is_offered_still(bench: Bench, builds: dict[str, Path]) -> None:
    done = offered(bench, builds, "dnf", "0:1.9-1.noarch\n\n0:1.10~rc1-1.noarch\n")
    assert done.stdout == f"{bench.plan}/state/cache/dnf/r/{builds['rc'].name}", done.stderr
    assert offered(bench, builds, "yum", "").stdout == f"{bench.plan}/state/cache/yum/r/{builds['ten'].name}"
    assert offered(bench, builds, "dnf", "0:3-1.noarch").returncode == 1
