"""Builds of an ordinary user, made by useradd, in a login of their own."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plan.sets import BUSYBOX
from tests.stores import store
from tests.surroundings.ground import CONTAINERFILE, SET, Scene, plain, save_base
from tests.users import Done, DriverStore, User, user

# A user is an entry of these files, as long as the tests last.
pytestmark = [pytest.mark.real, pytest.mark.changes("file /etc/*", "name /etc/sub?id-")]
DRIVERS = ("overlay", "vfs")
MORE = {
    "images/device.yaml": (
        "image: device\nfrom: base\nsteps:\n"
        "  - run: [sh, -c, 'echo gone >/dev/null; head -c 4 /dev/zero | wc -c >/said; hostname >>/said']\n"
    ),
    "images/owned.yaml": (
        "image: owned\nfrom: base\nsteps:\n  - {mkdir: /srv/own, owner: '1000:65000', mode: '4711'}\n"
        "test: {run: [test -d /srv/own]}\n"
    ),
}
MEET = """\
#!/bin/bash
# Two steps that wait for each other: neither ends while the other has not begun.
case $1 in
    *left.sh | *owned.sh)
        touch "$HOME/met.${1##*/}"
        for ((i = 0; i < 300; i++)); do
            [[ -e $HOME/met.left.sh && -e $HOME/met.owned.sh ]] && exec "$@"
            sleep 0.1
        done
        echo 'the other step has not begun' >&2
        exit 1
        ;;
esac
exec "$@"
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base image, saved where everybody can read it."""
    place = tmp_path_factory.mktemp("base")
    with store(place / "store") as made:
        save_base(made, place / "image")
    return place / "image"


@pytest.fixture(scope="module")
def someone(base: Path) -> Iterator[User]:
    """An ordinary user who has the set, and the base image in a store of each driver."""
    with user() as made:
        _copy(base, made.home / "base")
        for name, text in {**SET, **CONTAINERFILE, **MORE}.items():
            path = made.home / "recipes/small" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        made.give(made.home)
        for driver in DRIVERS:
            to = _named(made.store(driver))
            done = made.login("skopeo", "--insecure-policy", "copy", "--quiet", f"dir:{made.home}/base", to)
            assert done.returncode == 0, done.stdout
        yield made


@pytest.mark.parametrize("driver", DRIVERS)
def test_an_ordinary_user_builds_what_root_builds(
    someone: User, base: Path, driver: str, tmp_path: Path
) -> None:
    done = _build(someone, driver, f"build-{driver}")
    assert done.returncode == 0, done.stdout
    with store(tmp_path / "store"):
        scene = Scene(tmp_path, base, plain(), store=DriverStore(tmp_path / "store", driver), more=MORE)
        scene.prepare()
        roots = scene.built()
        assert roots.returncode == 0, roots.stdout.decode()
        mine, theirs = _results(scene.plan), _results(someone.home / f"build-{driver}/small")
    assert len(mine) == 5
    # Older builders take notes of the user's overlays into these layers; then its key is another one, too.
    given, theirs_given = mine.pop("given"), theirs.pop("given")
    assert theirs == mine
    assert driver == "overlay" or theirs_given == given
    assert (theirs_given["key"] == given["key"]) == (driver != "overlay")
    again = _build(someone, driver, f"build-{driver}")
    assert "5 images: 0 built, 5 fresh" in again.stdout


@pytest.mark.parametrize("jobs", ["make", "sub-make", "command"])
def test_two_jobs_are_two(someone: User, jobs: str) -> None:
    """Also where the job server of make is two descriptors, which do not reach the user namespace."""
    meet = someone.home / "meet"
    meet.write_text(MEET)
    meet.chmod(0o755)
    for mark in someone.home.glob("met.*"):
        mark.unlink()
    store = someone.store("overlay").options
    plan = someone.home / f"build-{jobs}/small"
    done = someone.buildsys("plan", f"{someone.home}/recipes/small", "--build-dir", str(plan.parent))
    assert done.returncode == 0, done.stdout
    settings = {"LAUNCH": str(meet), "BS_STORE": store, "BS_SPACE_MIB": "1", "BS_FORCE": "1"}
    if jobs == "make":
        done = someone.login("make", "-C", str(plan), "-j2", settings=settings)
    elif jobs == "sub-make":
        (someone.home / "Makefile").write_text(f"all: ; +@$(MAKE) -C {plan}\n")
        done = someone.login("make", "-j2", settings=settings)
    else:
        done = someone.login("bash", str(plan / "lib/run.sh"), settings={**settings, "JOBS": "2"})
    assert done.returncode == 0, done.stdout
    assert "jobserver unavailable" not in done.stdout


def test_doctor_finds_what_an_ordinary_user_needs(someone: User) -> None:
    for driver, state in (("overlay", "ok"), ("vfs", "note")):
        done = someone.buildsys("doctor", "stable-pike", "--json", "--store", someone.store(driver).options)
        assert done.returncode == 0, done.stdout
        found = {item["about"]: item for item in json.loads(done.stdout)}
        may = "an ordinary user, in buildah's user namespace: may mount and enter the roots of images"
        assert (found["rights"]["state"], found["rights"]["found"]) == ("ok", may)
        assert found["container store"]["state"] == state


def test_verbs_enter_the_namespace_by_themselves(someone: User) -> None:
    done = _build(someone, "overlay", "build-verbs")
    assert done.returncode == 0, done.stdout
    build = ("--build-dir", str(someone.home / "build-verbs"))
    store = {"BS_STORE": someone.store("overlay").options, "BS_SPACE_MIB": "1"}
    recipes = f"{someone.home}/recipes/small"
    layout = f"oci:{someone.home}/layout"
    images = ("localhost/tests/left:latest", "localhost/tests/owned:latest")
    for words, status, said in (
        (("why", recipes, *build), 0, "owned\tfresh\tnothing changed"),
        (("prune", recipes, *build), 0, "small: nothing to prune"),
        (("build", recipes, "left", "--verify-store", *build), 0, "small: 2 images: 0 built, 2 fresh"),
        (("publish", recipes, "--to", layout, *build), 0, f"{layout}: published: 5 images"),
        (("verify", recipes, "--at", layout, *build), 0, "as they were published"),
        (("compare", *images), 1, "/srv/own"),
        (("test", recipes, "owned", *build), 0, "small: 1 tried: 1 passed"),
        (("doctor", recipes, "--verify-store"), 0, "an ordinary user, in buildah's user namespace"),
    ):
        done = someone.buildsys(*words, settings=store)
        assert done.returncode == status, done.stdout
        assert said in done.stdout, words
        assert "level=" not in done.stdout, words


def test_statuses_and_signals_come_through(someone: User) -> None:
    slow = someone.home / "slow"
    slow.write_text("#!/bin/sh\necho begun >&2\nexec sleep 60\n")
    slow.chmod(0o755)
    plan = someone.home / "build-signals/small"
    done = someone.buildsys("plan", f"{someone.home}/recipes/small", "--build-dir", str(plan.parent))
    assert done.returncode == 0, done.stdout
    settings = {
        "BS_STORE": someone.store("overlay").options, "BS_SPACE_MIB": "1", "BS_FORCE": "1",
        "LAUNCH": str(slow),
    }  # fmt: skip
    run = ("bash", str(plan / "lib/run.sh"))
    assert someone.login(*run, "no-such-image", settings=settings).returncode == 2
    failed = someone.login(*run, "left", settings={**settings, "LAUNCH": "false"})
    assert failed.returncode == 1
    assert "small: 2 images: 0 built, 0 fresh" in failed.stdout
    left = someone.home / "tmp/buildsys-namespace.999999999.x"
    left.mkdir(parents=True)
    someone.give(left.parent)
    settings["TMPDIR"] = str(left.parent)
    for name in ("INT", "TERM"):
        # All that was started must end: the next run would wait for it.
        ended = someone.login(
            "timeout", "--preserve-status", f"--signal={name}", "12", *run, settings=settings
        )
        assert ended.returncode == 130, ended.stdout
        assert "begun" in ended.stdout
        assert "not reached" in ended.stdout
        assert "level=" not in ended.stdout
        assert not list(left.parent.glob("buildsys-*"))
    build = ("-m", "buildsys", "build", f"{someone.home}/recipes/small", "--build-dir", str(plan.parent))
    python = ("timeout", "--preserve-status", "--signal=INT", "8", str(someone.python), *build, "--force")
    ended = someone.login(*python, cwd=someone.project, settings={**someone.settings, **settings})
    assert ended.returncode == 130, ended.stdout
    assert "level=" not in ended.stdout


@pytest.mark.parametrize(
    ("mounts", "before", "sentence"),
    [
        (
            'install -m 755 /usr/bin/newuidmap "$1/plain"; mount --bind "$1/plain" /usr/bin/newuidmap',
            (),
            (
                "/usr/bin/newuidmap has lost its rights: it has neither setuid nor a capability\n"
                "  hint: root puts them back: apt-get install --reinstall uidmap\n"
            ),
        ),
        (
            "true",
            ("setpriv", "--no-new-privs"),
            (
                "this process may not gain the rights of newuidmap (no_new_privs is set)\n"
                "  hint: whatever started it sets that: a container without it "
                "(--security-opt no-new-privileges=false), a unit with NoNewPrivileges=no\n"
            ),
        ),
        (
            'echo 0 >"$1/none"; mount --bind "$1/none" /proc/sys/user/max_user_namespaces',
            (),
            (
                "this kernel does not let ordinary users create user namespaces\n"
                "  hint: root allows them: sysctl user.max_user_namespaces=15000\n"
            ),
        ),
        (
            "mount --bind /usr/bin/false /usr/bin/unshare",
            (),
            (
                "no user namespace can be created here: \n"
                "  hint: a container or a security policy forbids it; root can build here\n"
            ),
        ),
    ],
    ids=["newuidmap", "no-new-privs", "kernel", "policy"],
)
def test_what_a_host_forbids_is_one_sentence(
    someone: User, mounts: str, before: tuple[str, ...], sentence: str
) -> None:
    plan = someone.home / "build-forbidden/small"
    if not plan.exists():
        done = someone.buildsys("plan", f"{someone.home}/recipes/small", "--build-dir", str(plan.parent))
        assert done.returncode == 0, done.stdout
    done = someone.login(*before, "bash", str(plan / "lib/run.sh"), mounts=mounts)
    assert done.returncode == 3, done.stdout
    assert done.stdout == f"error: an ordinary user builds in a user namespace, and {sentence}"


@pytest.mark.parametrize("runtime", ["none", "gone"])
def test_a_home_that_is_read_only_and_no_runtime_directory(someone: User, runtime: str) -> None:
    """What is made lies elsewhere; there is no systemd either, and no one lingers."""
    place = Path(tempfile.mkdtemp(prefix="bs-", dir=someone.home.parent))
    place.chmod(0o755)
    someone.give(place)
    try:
        settings = {
            "BS_STORE": f"--root {place}/root --runroot {place}/run --storage-driver vfs",
            "BS_SPACE_MIB": "1",
            **someone.settings,
            **({"XDG_RUNTIME_DIR": "/run/user/nowhere"} if runtime == "gone" else {}),
        }  # fmt: skip
        base = f"containers-storage:[vfs@{place}/root+{place}/run]{BUSYBOX}"
        copied = someone.login(
            "skopeo", "--insecure-policy", "copy", "--quiet", f"dir:{someone.home}/base", base
        )
        assert copied.returncode == 0, copied.stdout
        done = someone.login(
            str(someone.python), "-m", "buildsys", "build", f"{someone.home}/recipes/small", "left",
            "--build-dir", str(place / "build"),
            cwd=someone.project, settings=settings,
            mounts='mount --rbind "$1" "$1" && mount -o remount,bind,ro "$1"',
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        assert "small: 2 images: 2 built, 0 fresh" in done.stdout
    finally:
        shutil.rmtree(place, ignore_errors=True)


def test_without_subordinate_ids_one_sentence_says_so(someone: User) -> None:
    with user(subordinate=False) as other:
        lacks = f"{other.name} has no subordinate ids in /etc/subuid"
        done = other.buildsys("doctor", "stable-pike")
        assert done.returncode == 3
        assert lacks in done.stdout
        made = other.home / "build"
        for verb in ("build", "test"):
            done = other.buildsys(verb, f"{someone.home}/recipes/small", "--build-dir", str(made))
            assert done.returncode == 3
            assert done.stdout.startswith(
                f"error: an ordinary user builds in a user namespace, and {lacks}: root"
            )
        # Before the time that a plan takes.
        assert not made.exists()
        written = someone.home / "written"
        assert someone.buildsys("plan", f"{someone.home}/recipes/small", "-o", str(written)).returncode == 0
        _copy(written, other.home / "small")
        other.give(other.home)
        done = other.login("make", "-C", str(other.home / "small"), settings={"BS_SPACE_MIB": "1"})
        assert done.returncode == 2
        sentence = (
            f"error: an ordinary user builds in a user namespace, and {lacks}\n  hint: root gives some: "
        )
        assert sentence in done.stdout
        assert not list((other.home / "small").glob("results/*"))


def _build(who: User, driver: str, directory: str) -> Done:
    return who.buildsys(
        "build", f"{who.home}/recipes/small", "--build-dir", str(who.home / directory),
        settings={"BS_STORE": who.store(driver).options, "BS_SPACE_MIB": "1"},
    )  # fmt: skip


def _results(plan: Path) -> dict[str, dict[str, str]]:
    """Key and id of each image."""
    found = (json.loads(path.read_text("utf-8")) for path in (plan / "results").glob("*.json"))
    return {result["image"]: {what: result[what] for what in ("key", "image_id")} for result in found}


def _named(where: DriverStore) -> str:
    return f"containers-storage:[{where.driver}@{where.root}+{where.runroot}]{BUSYBOX}"


def _copy(folder: Path, to: Path) -> None:
    shutil.copytree(folder, to, symlinks=True, ignore=shutil.ignore_patterns("state", "results"))
