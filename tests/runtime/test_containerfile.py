"""Images of a recipe that names a Containerfile: built by it, in order, fresh by the rules of the others."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from buildsys.recipe.library import load_set
from buildsys.resolve import resolve
from tests.plan.sets import BUSYBOX, EPOCH
from tests.runtime.builds import NOTHING_LEFT, Build, VfsStore, put_busybox
from tests.sites.loopback import web_server
from tests.stores import store

pytestmark = pytest.mark.real

APP = """\
# An application.
ARG BASE=base
FROM ${BASE} AS made
ARG SOURCE_DATE_EPOCH
RUN echo "$SOURCE_DATE_EPOCH" >/made && date >/now
FROM localhost/example/base:1
ARG VERSION
COPY --from=made /made /srv/made
COPY --from=tools /opt/tool /srv/
COPY . /srv/all
RUN --mount=type=bind,from=tools,target=/mnt cp /mnt/opt/tool /srv/mounted
RUN echo "$VERSION" >/srv/version && touch /var/log/app && rm /bin/vi && cat /proc/net/dev >/srv/network
HEALTHCHECK CMD true
USER 5
CMD ["cat", "/srv/version"]
"""
FILES = {
    "set.yaml": (
        "set: demo\nnamespace: example\ntag: '1'\nepoch: 1517443200\ncommon: {labels: {vendor: me}}\n"
    ),
    "sites/here.yaml": f"site: here\ninstaller: dnf\nbase: {{image: {BUSYBOX}}}\n",
    "images/base.yaml": "image: base\nfrom: site\nsteps: [{mkdir: /base}]\n",
    "images/tools.yaml": "image: tools\nfrom: base\nsteps: [{append: tool, in: /opt/tool}]\n",
    "images/app.yaml": (
        "image: app\ncontainerfile: ../containerfiles/app/Containerfile\nargs: {VERSION: '1 2'}\n"
        "labels: {name: app}\n"
    ),
    "images/child.yaml": "image: child\nfrom: app\nsteps: [{mkdir: /child}]\n",
    "containerfiles/app/Containerfile": APP,
    "containerfiles/app/.dockerignore": "*.tmp\n",
    "containerfiles/app/a.tmp": "not seen\n",
    "containerfiles/app/conf/it's": "a = b\n",
}


class Demo:
    """A set on disk, and the plan it is built by."""

    def __init__(self, folder: Path, build: Build) -> None:
        self.folder = folder
        self.build = build
        for name, text in FILES.items():
            self.write(name, text)
        (folder / "containerfiles/app/conf/link").symlink_to("it's")
        (folder / "containerfiles/app/empty").mkdir()

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new))

    def compile(self) -> None:
        made = resolve(load_set(Path(os.path.relpath(self.folder))), site=None, variables={}, stand_ins=None)
        self.build.compile(made)

    def built(self, **environment: str) -> dict[str, str]:
        self.compile()
        return self.build.built(**environment)

    def why(self, name: str) -> str:
        self.compile()
        command = ["bash", str(self.build.plan / "lib/why.sh"), name]
        done = subprocess.run(
            command, env=self.build.environment(), check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def said(self, reference: str = "localhost/example/app:1") -> dict[str, Any]:
        found: dict[str, Any] = self.build.inspect(reference)
        return found


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Demo]:
    monkeypatch.chdir(tmp_path)
    with store(tmp_path / "store") as made:
        put_busybox(made)
        yield Demo(tmp_path / "demo", Build(tmp_path / "plan", made))


def test_what_is_built(demo: Demo) -> None:
    assert demo.built() == dict.fromkeys(("base", "tools", "app", "child"), "never built here")
    with demo.build.mounted("localhost/example/child:1") as root:
        read = {path.name: path.read_text() for path in (root / "srv").iterdir() if path.is_file()}
        assert read["made"] == f"{EPOCH}\n"
        assert read["tool"] == read["mounted"] == "tool\n"
        assert read["version"] == "1 2\n"
        # Nothing but a loopback interface.
        assert [line.split(":")[0].strip() for line in read["network"].splitlines()[2:]] == ["lo"]
        every = {path.relative_to(root / "srv/all").as_posix() for path in (root / "srv/all").rglob("*")}
        assert every == {".dockerignore", "Containerfile", "conf", "conf/it's", "conf/link", "empty"}
        assert str((root / "srv/all/conf/link").readlink()) == "it's"
        # What was removed is gone, what came from below has kept its time, what is new has the set's.
        assert not (root / "bin/vi").exists()
        assert (root / "etc/passwd").stat().st_mtime == EPOCH + 86400
        assert {(root / "srv" / name).stat().st_mtime for name in read} == {EPOCH}
    said = demo.said()
    config = said["Docker"]["config"]
    assert config["Labels"] == {"vendor": "me", "name": "app"}
    assert config["Healthcheck"] == {"Test": ["CMD-SHELL", "true"]}
    assert (config["User"], config["Cmd"]) == ("5", ["cat", "/srv/version"])
    assert said["Config"]["created"] == "2018-02-02T00:00:00Z"
    base = demo.said("localhost/example/base:1")
    layers = said["Config"]["rootfs"]["diff_ids"]
    # One layer for all that the last stage does.
    assert layers[:-1] == base["Config"]["rootfs"]["diff_ids"]
    assert demo.build.left() == NOTHING_LEFT
    assert demo.built() == {}


def test_equal_ids_wherever_and_whenever(demo: Demo, tmp_path: Path) -> None:
    demo.built()
    with store(tmp_path / "other") as other:
        put_busybox(other)
        again = Demo(tmp_path / "deeper/demo", Build(tmp_path / "another-plan", other))
        time.sleep(1.1)
        again.built()
        assert again.build.identities() == demo.build.identities()
    demo.build.built("app", BS_FORCE="1")
    assert demo.build.identities() == again.build.identities()
    assert demo.build.left() == NOTHING_LEFT


def test_reasons_are_given_in_words(demo: Demo) -> None:
    demo.built()
    file = "demo/containerfiles/app/Containerfile"
    assert demo.why("app") == "app\tfresh\tnothing changed"
    demo.edit("containerfiles/app/Containerfile", "# An", "# One")
    assert demo.why("app") == f"app\tstale\tfile changed: {file}"
    demo.edit("containerfiles/app/Containerfile", "touch /var/log/app", "true")
    demo.edit("containerfiles/app/Containerfile", "USER 5", "USER 6")
    assert demo.why("app") == f"app\tstale\tfile changed: {file}:12:1, {file}:14:1"
    demo.edit("containerfiles/app/Containerfile", "USER 6\n", "")
    demo.built()
    demo.edit("containerfiles/app/Containerfile", "HEALTHCHECK CMD true\n", "")
    assert demo.why("app") == f"app\tstale\tfile changed: {file}"
    demo.built()
    demo.write("containerfiles/app/conf/it's", "a = c\n")
    assert demo.why("app") == "app\tstale\tfile changed: demo/containerfiles/app/conf/it's"
    demo.built()
    demo.edit("images/app.yaml", "1 2", "3")
    assert demo.why("app") == "app\tstale\targument changed: VERSION 1 2 -> 3 (demo/images/app.yaml:3:17)"
    demo.edit("images/tools.yaml", "append: tool", "append: other")
    built = demo.built()
    assert set(built) == {"tools", "app", "child"}
    demo.edit("images/tools.yaml", "append: other", "append: another")
    assert demo.built()["app"] == "copied-from image changed: tools"
    demo.edit("images/base.yaml", "mkdir: /base", "mkdir: /basis")
    assert demo.built()["app"] == "parent changed: base"


def test_what_comes_out_equal_leaves_the_children_alone(demo: Demo) -> None:
    demo.edit("containerfiles/app/Containerfile", "COPY . /srv/all", "COPY conf /srv/all")
    demo.built()
    demo.edit("containerfiles/app/Containerfile", "# An", "# One")
    demo.write("containerfiles/app/beside", "not copied\n")
    assert set(demo.built()) == {"app"}
    # What is ignored is not even looked at.
    demo.write("containerfiles/app/more.tmp", "not seen\n")
    assert demo.built() == {}


def test_a_failure_has_the_line_of_the_containerfile(demo: Demo) -> None:
    demo.edit("containerfiles/app/Containerfile", "rm /bin/vi", "false")
    demo.compile()
    done = demo.build.run()
    assert done.returncode != 0
    assert "app failed at demo/containerfiles/app/Containerfile:12:1\n" in done.stderr
    assert "blocked by that: child\n" in done.stderr
    assert demo.build.left() == NOTHING_LEFT


def test_large_files_of_zeros_are_named(demo: Demo) -> None:
    """The layer is packed by buildah: what is in it stays, and is said."""
    write = (
        "mkdir -p /var/log && truncate -s 20M /var/log/lastlog && dd if=/dev/zero of='/a b' bs=1M count=17"
    )
    write += " && truncate -s 17M /real && echo x >>/real && truncate -s 15M /small"
    demo.edit("containerfiles/app/Containerfile", "rm /bin/vi", write)
    demo.compile()
    done = demo.build.run("app")
    assert done.returncode == 0, done.stderr
    notes = [line for line in done.stderr.splitlines() if "note: /" in line]
    rest = "in the layer, nearly all of it zeros; empty it in the RUN that writes it"
    assert sorted(notes) == [
        f"app: note: /a b takes 17 MiB {rest}",
        f"app: note: /var/log/lastlog takes 20 MiB {rest}",
    ]
    log = (demo.build.plan / "logs/app.log").read_text()
    assert all(note in log for note in notes)


def test_there_is_a_network_only_where_the_recipe_says_so(demo: Demo, tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web/page").write_text("from elsewhere\n")
    with web_server(tmp_path / "web") as web:
        demo.edit("containerfiles/app/Containerfile", "rm /bin/vi", f"wget -O /srv/page {web.address}/page")
        demo.compile()
        done = demo.build.run("app")
        assert done.returncode != 0
        assert "app failed at demo/containerfiles/app/Containerfile:12:1\n" in done.stderr
        assert web.asked == []
        demo.edit("images/app.yaml", "args:", "network: true\nargs:")
        demo.compile()
        done = demo.build.run()
        assert done.returncode == 0, done.stderr
        assert "note: unlocked: built with the network, whatever it held then: app\n" in done.stderr
        assert web.asked == ["/page"]
    with demo.build.mounted("localhost/example/app:1") as root:
        assert (root / "srv/page").read_text() == "from elsewhere\n"
    # Nobody can say whether it would come out otherwise now; who wants to know builds it anew.
    assert demo.built() == {}
    said = "nothing changed (unlocked: built with the network contents of that time)"
    assert demo.why("app") == f"app\tfresh\t{said}"


def test_from_nothing_and_from_elsewhere(demo: Demo) -> None:
    demo.write(
        "containerfiles/app/Containerfile",
        f"FROM {BUSYBOX} AS other\nFROM scratch\nCOPY --from=other /bin /b\n",
    )
    demo.edit("images/app.yaml", "args: {VERSION: '1 2'}\n", "")
    demo.write("images/child.yaml", "image: child\ncontainerfile: ../containerfiles/app/Elsewhere\n")
    demo.write("containerfiles/app/Elsewhere", f"FROM {BUSYBOX}\nRUN true\n")
    demo.built()
    with demo.build.mounted("localhost/example/app:1") as root:
        assert [path.name for path in root.iterdir()] == ["b"]
    assert "BASE=localhost/busybox:1\n" in (demo.build.plan / "steps/child.sh").read_text()
    assert demo.build.left() == NOTHING_LEFT
    container = demo.build.store.buildah("from", BUSYBOX).strip()
    demo.build.store.buildah("config", "--label", "newer=yes", container)
    demo.build.store.buildah("commit", "--quiet", "--rm", container, BUSYBOX)
    built = demo.built()
    assert built["app"] == f"copied-from image changed: {BUSYBOX}"
    assert built["child"] == f"parent changed: {BUSYBOX}"


def test_a_stage_may_be_only_from(demo: Demo) -> None:
    """Copied from by name and by number."""
    demo.write(
        "containerfiles/app/Containerfile",
        "FROM tools AS x\nFROM tools\n# A comment.\nFROM base\nCOPY --from=x /opt/tool /by-name\n"
        "COPY --from=1 /opt/tool /by-number\n",
    )
    demo.edit("images/app.yaml", "args: {VERSION: '1 2'}\n", "")
    demo.built()
    with demo.build.mounted("localhost/example/app:1") as root:
        assert [(root / name).read_text() for name in ("by-name", "by-number")] == ["tool\n", "tool\n"]
    assert demo.build.left() == NOTHING_LEFT


def test_a_stage_called_like_an_image_is_the_stage_from_there_on(demo: Demo) -> None:
    demo.write("images/busybox.yaml", f"image: busybox\nfrom: {{image: {BUSYBOX}}}\n")
    demo.write(
        "containerfiles/app/Containerfile",
        "FROM busybox AS busybox\nRUN touch /zero\nFROM base AS base\nRUN touch /made\nFROM base\n"
        "COPY --from=base /made /again\nCOPY --from=busybox /zero /by-name\nCOPY --from=0 /zero /by-number\n"
        "RUN --mount=type=bind,from=base,target=/mnt cp /mnt/made /mounted\n",
    )
    demo.edit("images/app.yaml", "args: {VERSION: '1 2'}\n", "")
    demo.built()
    with demo.build.mounted("localhost/example/app:1") as root:
        made = {"made", "again", "by-name", "by-number", "mounted"}
        assert made <= {path.name for path in root.iterdir()}


def test_a_killed_build_leaves_nothing_for_good(demo: Demo) -> None:
    demo.edit("containerfiles/app/Containerfile", "rm /bin/vi", "sleep 60")
    demo.compile()
    running = subprocess.Popen(
        ["bash", str(demo.build.plan / "lib/run.sh")], env=demo.build.environment(), start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    log = demo.build.plan / "logs/app.log"
    for _ in range(600):
        if log.exists() and "sleep 60" in log.read_text():
            break
        assert running.poll() is None
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert demo.build.left()["scratch"]
    demo.edit("containerfiles/app/Containerfile", "sleep 60", "true")
    demo.built()
    assert demo.build.left() == NOTHING_LEFT


def test_side_by_side_and_once_more(demo: Demo) -> None:
    """Builds share a store that all of them read and write; what they make again is there already."""
    for number in range(8):
        name = f"many-{number}"
        parent = "base" if number < 4 else f"many-{number - 4}"
        text = f"FROM {parent} AS made\nRUN echo {number} >/{number}\nFROM made\nRUN echo {number} >/again\n"
        file = f"containerfiles/{name}/Containerfile"
        demo.write(f"images/{name}.yaml", f"image: {name}\ncontainerfile: ../{file}\n")
        demo.write(file, text)
    assert len(demo.built()) == 12
    first = demo.build.identities()
    assert len(demo.built(BS_FORCE="1")) == 12
    assert demo.build.identities() == first
    assert demo.build.left() == NOTHING_LEFT
    # Every layer that the store knows of is still there.
    root = demo.build.store.root
    layers = json.loads((root / "overlay-layers/layers.json").read_text())
    assert [layer["id"] for layer in layers if not (root / "overlay" / layer["id"] / "diff").is_dir()] == []


def test_a_store_that_knows_no_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with store(tmp_path / "store") as made:
        plain = VfsStore(made.place)
        put_busybox(plain)
        demo = Demo(tmp_path / "demo", Build(tmp_path / "plan", plain))
        demo.built()
        with demo.build.mounted("localhost/example/child:1") as root:
            assert (root / "srv/version").read_text() == "1 2\n"
        assert demo.build.left() == NOTHING_LEFT
