"""Real builds: what is in the images, and nothing else; equal ids wherever and whenever they are built."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from buildsys.image import (
    Account,
    AppendLines,
    CopyContext,
    CopyImage,
    DeclareAccounts,
    Format,
    HealthCheck,
    Image,
    ImageSet,
    MakeDirectory,
    OciConfig,
    RemovePath,
    Require,
    Run,
    Touch,
)
from tests.plan.sets import BASE, EPOCH, image, image_set
from tests.programs import started
from tests.runtime.builds import NOTHING_LEFT, Build, VfsStore, put_busybox, renamed
from tests.stores import store

pytestmark = pytest.mark.real

LABELS = {
    "created": "2020-01-01T00:00:00Z",
    "container": "yes",
    "Hostname": "h",
    "comma": 'a,"b"=c <&>',
    "empty": "",
}
ENV = {"A": 'x $HOME,$(id) $$ ${B} $1 \\ "q"', "B": "", "PS1": "$"}
CHECK = "test \"$(id  -u)\" = '0  0' | cat && echo $HOME"
LOOK = """\
cat /proc/net/dev >/seen.network
hostname >/seen.hostname
id -u >/seen.user
env | sort >/seen.environment
(sleep 4242 </dev/null >/dev/null 2>&1 &)
if [ -e /etc/made ]; then echo again; fi >/seen.made
"""


def shell(text: str, open_files: int = 0) -> Run:
    return Run(argv=("/bin/sh", "-ec", text), open_files=open_files)


def images(form: Format) -> list[Image]:
    accounts = DeclareAccounts(accounts=(Account("nova", 42436, 42436, "/var/lib/nova", "/sbin/nologin"),))
    base = image(
        "base",
        BASE,
        accounts,
        MakeDirectory(paths=("/var/log/nova",), mode="2775", owner="nova:"),
        Touch(paths=("/etc/made",), mode="600"),
        config=OciConfig(
            user="nova",
            cmd=("a  b", "it's", "$x"),
            entrypoint=("/bin/sh", "-c"),
            env=ENV,
            labels=LABELS,
            annotations={"com.example.x": "y", "org.example.z": 'a "b"'},
            healthcheck=HealthCheck(("CMD-SHELL", CHECK), 30, 5, 0.5, 3) if form == "docker" else None,
            stop_signal="SIGTERM",
            volumes=("/a,b", "/var/lib/x"),
            ports=("80/tcp",),
        ),
    )
    tools = image("tools", BASE, Touch(paths=("/opt/tool",), mode="4755"))
    child = image(
        "child",
        "base",
        shell(LOOK),
        AppendLines(file="/etc/hosts", lines=("192.0.2.1 x",)),
        shell("cat /etc/made >/dev/null"),
        shell("ulimit -n >/seen.open-files", open_files=77),
        CopyImage(image="tools", source="/opt/tool", to="/opt/", mode="", owner="nova"),
        CopyImage(image="tools", source="/opt/tool", to="/opt/kept", mode="", owner=""),
        CopyContext(source="conf", to="/etc/", mode="640", owner=":nova"),
    )
    return [base, tools, child]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("set")
    (place / "files").mkdir()
    (place / "files/conf").write_text("conf\n")
    return place


@pytest.fixture(scope="module", params=["docker", "oci"])
def form(request: pytest.FixtureRequest) -> Format:
    found: Format = request.param
    return found


@pytest.fixture(scope="module")
def full(directory: Path, form: Format) -> ImageSet:
    return image_set(directory, images(form), form=form)


@pytest.fixture(scope="module")
def here(full: ImageSet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    """The set, built; with a proxy and a home that are nobody's business."""
    place = tmp_path_factory.mktemp("here")
    with store(place / "store") as made:
        put_busybox(made)
        build = Build(place / "plan", made)
        build.compile(full)
        assert len(build.built(JOBS="3", http_proxy="http://secret.example", HOME="/nonexistent")) == 3
        yield build


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    """A plan directory, not yet written, and a store with the base."""
    with store(tmp_path / "store") as made:
        put_busybox(made)
        yield Build(tmp_path / "plan", made)


@pytest.fixture(scope="module")
def child(here: Build, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the file tree of the image `child`."""
    place = tmp_path_factory.mktemp("child")
    with here.mounted("localhost/tests/t-child:1") as root:
        subprocess.run(["cp", "-a", f"{root}/.", str(place)], check=True)
    return place


def test_equal_ids_in_another_store_folder_hour_and_name(full: ImageSet, here: Build, tmp_path: Path) -> None:
    """And with another umask, another order, another time zone, and another path with odd characters."""
    time.sleep(1.1)
    with store(tmp_path / "s") as made:
        put_busybox(made)
        there = Build(tmp_path / "é 100% it's/plan", made)
        there.compile(renamed(full, namespace="elsewhere", prefix="", tag="2"))
        environment = there.environment(JOBS="1", TZ="Asia/Tokyo", LANG="C.UTF-8", SOURCE_DATE_EPOCH="5")
        subprocess.run(
            ["bash", str(there.plan / "lib/run.sh")],
            env=environment,
            umask=0o77,
            check=True,
            capture_output=True,
        )
        assert there.identities() == here.identities()
        assert made.names()["localhost/elsewhere/child:2"] == here.store.names()["localhost/tests/t-child:1"]


def test_nothing_is_left_and_nothing_is_built_again(here: Build) -> None:
    assert here.left() == NOTHING_LEFT
    assert here.built() == {}
    assert subprocess.run(["pgrep", "-f", "^sleep 4242$"], check=False, capture_output=True).returncode == 1


def test_the_result_names_the_image(here: Build) -> None:
    names = here.store.names()
    expected = {name: names[f"localhost/tests/t-{name}:1"] for name in ("base", "tools", "child")}
    assert {name: f"sha256:{identity}" for name, identity in here.identities().items()} == expected


def settings(here: Build, name: str = "base") -> dict[str, Any]:
    found: dict[str, Any] = here.inspect(f"localhost/tests/t-{name}:1")["Config"]
    return found


def test_the_configuration_is_what_was_asked_for(here: Build, form: Format) -> None:
    config = settings(here)["config"]
    assert sorted(config["Env"]) == sorted(f"{name}={value}" for name, value in ENV.items())
    assert config["Labels"] == LABELS
    assert (config["User"], config["StopSignal"]) == ("nova", "SIGTERM")
    assert (config["Cmd"], config["Entrypoint"]) == (["a  b", "it's", "$x"], ["/bin/sh", "-c"])
    assert (set(config["Volumes"]), set(config["ExposedPorts"])) == ({"/a,b", "/var/lib/x"}, {"80/tcp"})
    if form == "docker":
        assert config["Healthcheck"] == {
            "Test": ["CMD-SHELL", CHECK],
            "Interval": 30_000_000_000,
            "Timeout": 5_000_000_000,
            "StartPeriod": 500_000_000,
            "Retries": 3,
        }
    assert {key: settings(here, "child")["config"][key] for key in config} == config


def test_a_configuration_knows_neither_the_time_nor_the_container_nor_the_tool(
    here: Build, form: Format
) -> None:
    for name in ("base", "tools", "child"):
        config = settings(here, name)
        # The base image is younger than the set's epoch.
        assert config["created"] == "2018-02-02T00:00:00Z"
        assert "container" not in config
        assert "history" not in config or config["history"] == []
        assert "io.buildah.version" not in str(config)
        for part in ("config", "container_config"):
            assert config.get(part, {}).get("Hostname") == ("sandbox" if form == "docker" else None)


def test_annotations_are_in_the_manifest(here: Build, form: Format) -> None:
    manifest = here.inspect("localhost/tests/t-base:1")["Manifest"]
    expected = {"com.example.x": "y", "org.example.z": 'a "b"'} if form == "oci" else None
    assert manifest.get("annotations") == expected
    assert (
        "oci" in manifest["config"]["mediaType"]
        if form == "oci"
        else "docker" in manifest["config"]["mediaType"]
    )


def test_a_run_has_no_network(child: Path) -> None:
    lines = (child / "seen.network").read_text().splitlines()[2:]
    assert [line.split(":")[0].strip() for line in lines] == ["lo"]


def test_a_run_is_done_by_root_and_knows_nothing_of_the_host(child: Path) -> None:
    assert (child / "seen.user").read_text() == "0\n"
    assert (child / "seen.hostname").read_text() == "localhost\n"
    environment = (child / "seen.environment").read_text()
    assert "proxy" not in environment
    assert f"SOURCE_DATE_EPOCH={EPOCH}\n" in environment
    assert f"A={ENV['A']}\n" in environment


def test_a_run_leaves_nothing_of_its_mounts(child: Path) -> None:
    """What later instructions write in the place of a mount stays."""
    assert (child / "etc/hosts").read_text() == "192.0.2.1 x\n"
    assert sorted(path.name for path in (child / "etc").iterdir()) == sorted(
        ["passwd", "group", "shadow", "gshadow", "made", "hosts", "conf"]
    )
    assert not any((child / name).exists() for name in ("dev", "proc", "sys", "run/.containerenv"))


def test_the_limit_of_open_files_holds_for_one_run(child: Path) -> None:
    assert (child / "seen.open-files").read_text() == "77\n"


def test_files_come_with_mode_and_owner(child: Path) -> None:
    found = {
        name: (f"{path.stat().st_mode & 0o7777:o}", path.stat().st_uid, path.stat().st_gid)
        for name in ("opt/tool", "opt/kept", "etc/conf", "var/log/nova", "etc/made")
        for path in [child / name]
    }
    assert found == {
        "opt/tool": ("4755", 42436, 0),
        "opt/kept": ("4755", 0, 0),
        "etc/conf": ("640", 0, 42436),
        "var/log/nova": ("2775", 42436, 42436),
        "etc/made": ("600", 0, 0),
    }


def test_no_file_is_newer_than_the_set(child: Path) -> None:
    base = EPOCH + 86400
    newer = [str(path) for path in child.rglob("*") if path.lstat().st_mtime not in {base, EPOCH}]
    assert newer == []


def test_a_moved_plan_builds_the_same_images(here: Build, tmp_path: Path) -> None:
    """With what it carries, and without anything of ours."""
    subprocess.run(["cp", "-r", str(here.plan), str(tmp_path / "moved")], check=True)
    moved = Build(tmp_path / "moved", here.store)
    assert moved.built() == {}
    assert set(moved.built("child", BS_FORCE="1")) == {"base", "tools", "child"}
    assert moved.identities() == here.identities()
    assert moved.left() == NOTHING_LEFT


def test_early_cutoff(build: Build, tmp_path: Path) -> None:
    """A parent that is built again to the same content leaves its children alone."""
    touch = Touch(paths=("/made",), mode="")
    below = image("child", "base", Touch(paths=("/too",), mode=""))
    build.compile(image_set(tmp_path, [image("base", BASE, touch), below]))
    assert set(build.built()) == {"base", "child"}
    build.compile(
        image_set(tmp_path, [image("base", BASE, touch, Require(file="/etc/passwd", pattern="^root")), below])
    )
    assert set(build.built()) == {"base"}


def test_a_failure_is_where_the_recipe_says(build: Build, tmp_path: Path) -> None:
    wrong = Require(file="/etc/passwd", pattern="^nobody")
    build.compile(image_set(tmp_path, [image("base", BASE, Touch(paths=("/a",), mode=""), wrong)]))
    done = build.run()
    assert done.returncode == 2
    assert "base failed at recipes/tiny/images/base.yaml:5:5\n" in done.stderr
    assert "error: /etc/passwd: no line matches ^nobody\n" in done.stderr
    assert build.left() == NOTHING_LEFT


def test_what_a_step_removes_stays_removed(build: Build, tmp_path: Path) -> None:
    """Even where caches lie, which never enter a layer."""
    gone = RemovePath(paths=("/var/cache/yum/*", "/var/log/yum.log"), recursive=True, optional=False)
    new = Touch(paths=("/var/cache/yum/new",), mode="")
    build.compile(image_set(tmp_path, [image("base", BASE, gone, new)]))
    assert set(build.built()) == {"base"}
    with build.mounted("localhost/tests/t-base:1") as root:
        assert list((root / "var/cache/yum").iterdir()) == []
        assert list((root / "var/log").iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_stopped_and_continued(build: Build, tmp_path: Path, number: signal.Signals) -> None:
    begun = tmp_path / "begun"
    wait = shell("echo begun; if [ ! -e /etc/go ]; then sleep 30; fi")
    build.compile(image_set(tmp_path, [image("base", BASE, wait), image("child", "base")]))
    with started(
        ["bash", str(build.plan / "lib/run.sh")],
        env=build.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        log = build.plan / "logs/base.log"
        while not (log.exists() and "begun" in log.read_text()):
            assert process.poll() is None
            time.sleep(0.05)
        os.killpg(process.pid, number)
        process.wait(timeout=30)
    if number == signal.SIGINT:
        assert process.returncode == 130
    if number != signal.SIGKILL:
        assert build.left() == NOTHING_LEFT
    assert not begun.exists()
    build.compile(image_set(tmp_path, [image("base", BASE), image("child", "base")]))
    assert set(build.built()) == {"base", "child"}
    assert build.left() == NOTHING_LEFT


def test_buildah_killed_before_its_own_record_of_a_container(build: Build, tmp_path: Path) -> None:
    """Only `buildah containers --all` lists such a container; its name would be taken for ever."""
    build.compile(image_set(tmp_path, [image("base", BASE)]))
    assert set(build.built()) == {"base"}
    name = f"buildsys-{(build.plan / 'state/id').read_text().split()[0]}-base"
    build.store.buildah("from", "--pull-never", "--name", name, "localhost/tests/t-base:1")
    record = next(build.store.root.glob("*-containers/*/userdata/buildah.json"))
    record.unlink()
    (build.plan / "state/working.base").touch()
    assert build.store.buildah("containers", "--quiet") == ""
    assert build.built(BS_FORCE="1").keys() == {"base"}
    assert build.left() == NOTHING_LEFT
    assert build.store.buildah("containers", "--all", "--quiet") == ""


def test_with_vfs_an_image_has_only_what_it_changed(tmp_path: Path) -> None:
    """The driver without layers: what the base brought, newer than the set or not, is not in the layer."""
    with store(tmp_path / "s") as made:
        vfs = Build(tmp_path / "plan", VfsStore(made.place))
        put_busybox(vfs.store)
        vfs.compile(
            image_set(tmp_path, [image("base", BASE, Touch(paths=("/made", "/etc/passwd"), mode="600"))])
        )
        assert set(vfs.built()) == {"base"}
        layers = vfs.inspect("localhost/tests/t-base:1")["Manifest"]["layers"]
        assert layers[-1]["size"] < 10_000
        with vfs.mounted("localhost/tests/t-base:1") as root:
            assert (root / "made").stat().st_mtime == EPOCH
            assert (root / "bin/busybox").stat().st_mtime > EPOCH


def test_with_vfs_removals_do_not_depend_on_the_hour(tmp_path: Path) -> None:
    """Two builds, a second apart, of a step that removes things, also below long and foreign names."""
    long = "/long/" + "n" * 120
    files = f"/gone/below/file '{long}/file' '/grün/ß' /plain '/a b'"
    make = f"mkdir -p /gone/below '{long}' /grün && touch {files}"
    remove = f"rm -rf /gone /plain '/a b' '{long}/file' '/grün/ß' /bin/vi && echo kept >'/.wh-like'"
    images = [image("base", BASE, shell(make)), image("child", "base", shell(remove))]
    seen = []
    for number in (1, 2):
        with store(tmp_path / f"s{number}") as made:
            build = Build(tmp_path / f"plan{number}", VfsStore(made.place))
            put_busybox(build.store)
            build.compile(image_set(tmp_path, images))
            assert set(build.built()) == {"base", "child"}
            assert build.left() == NOTHING_LEFT
            seen.append(build.identities())
            with build.mounted("localhost/tests/t-child:1") as root:
                assert not (root / "gone").exists()
                assert not (root / "bin/vi").is_symlink()
                assert not [*(root / long[1:]).iterdir(), *(root / "grün").iterdir()]
                assert (root / ".wh-like").read_text() == "kept\n"
                assert (root / "bin").stat().st_mtime == EPOCH
        time.sleep(1.1)
    assert seen[0] == seen[1]


def test_every_driver_keeps_what_a_parent_has_of_logs(tmp_path: Path) -> None:
    """A log that the base image has is not this step's: it stays, and the ids of both drivers are equal."""
    seen = []
    for kind in ("overlay", "vfs"):
        with store(tmp_path / kind) as made:
            build = Build(tmp_path / f"plan-{kind}", VfsStore(made.place) if kind == "vfs" else made)
            put_busybox(build.store)
            build.compile(image_set(tmp_path, [image("base", BASE, Touch(paths=("/made",), mode="644"))]))
            assert set(build.built()) == {"base"}
            seen.append(build.identities())
            with build.mounted("localhost/tests/t-base:1") as root:
                assert (root / "var/log/yum.log").exists()
    assert seen[0] == seen[1]
