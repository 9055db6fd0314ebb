"""Stages of Containerfiles in every shape that plain buildah builds, and what a RUN finds around it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from buildsys.recipe.library import load_set
from buildsys.resolve import resolve
from tests.plan.sets import BUSYBOX
from tests.runtime.builds import NOTHING_LEFT, Build, VfsStore, put_busybox
from tests.stores import store

pytestmark = pytest.mark.real

SHAPES = {
    "alone": "FROM a\n",
    "alone-elsewhere": f"FROM {BUSYBOX}\n",
    "alone-scratch": "FROM scratch\n",
    "changes-nothing": "FROM a\nRUN true\n",
    "configuration": "FROM a\nLABEL x=y\n",
    "only-from-copied": "FROM a AS x\nFROM b\nCOPY --from=x /e /e\n",
    "only-from-by-number": "FROM a\nFROM b\nCOPY --from=0 /e /e\n",
    "only-from-mounted": "FROM a AS x\nFROM b\nRUN --mount=type=bind,from=x,target=/m cp /m/e /e\n",
    "only-from-base": "FROM a AS x\nFROM x\nRUN touch /z\n",
    "only-from-base-alone": "FROM a AS x\nFROM x\n",
    "only-from-twice": "FROM a AS x\nFROM a AS y\nFROM b\nCOPY --from=x /e /e\nCOPY --from=y /e /f\n",
    "only-from-chain": "FROM a AS x\nFROM x AS y\nFROM y AS z\nFROM b\nCOPY --from=z /e /e\n",
    "only-from-scratch": "FROM scratch AS x\nFROM x\nCOPY --from=a /e /e\n",
    "only-from-copied-and-base": "FROM a AS x\nFROM x\nCOPY --from=x /e /again\n",
    "only-from-unused": "FROM a AS x\nFROM b\nRUN touch /v\n",
    "unused": "FROM a AS x\nRUN false\nFROM b\nRUN touch /v\n",
    "last-only-from": "FROM a AS x\nRUN touch /k\nFROM b\n",
    "last-only-from-stage": "FROM a AS x\nRUN touch /k\nFROM x\n",
    "last-only-from-chain": "FROM a AS x\nRUN touch /k\nFROM x AS y\nFROM y AS z\n",
    "base-and-copied": (
        "FROM a AS x\nRUN touch /k\nFROM x AS y\nRUN touch /l\nFROM b\n"
        "COPY --from=y /l /\nCOPY --from=x /k /\n"
    ),
    "equal-stages": (
        "FROM a AS x\nRUN touch /q\nFROM x AS y\nRUN touch /q\nFROM b\n"
        "COPY --from=x /q /1\nCOPY --from=y /q /2\n"
    ),
    "base-by-number": "FROM a\nCOPY --from=b /b /b\nFROM b\nFROM 0\n",
    "only-from-base-by-number": "FROM a\nFROM 0\nCOPY --from=b /b /c\n",
    "quoted": 'FROM a AS x\nFROM b\nCOPY --from="x" /e /e\n',
    "copied-from-image": "FROM b\nCOPY --from=a /e /e\n",
    "platform": "FROM --platform=linux/amd64 a AS x\nFROM b\nCOPY --from=x /e /e\n",
}
PARTS = 5
"""A run of all of them would take longer than a busy machine has."""
FILES = {
    "set.yaml": "set: demo\nnamespace: example\ntag: '1'\nepoch: 1517443200\n",
    "sites/here.yaml": f"site: here\ninstaller: dnf\nbase: {{image: {BUSYBOX}}}\n",
    "images/a.yaml": "image: a\nfrom: site\nsteps: [{append: a, in: /e}]\n",
    "images/b.yaml": "image: b\nfrom: site\nsteps: [{append: b, in: /b}]\n",
}
MADE_BY_BUILDERS = {"etc/hosts", "etc/resolv.conf", "dev", "proc", "sys", "run", "run/.containerenv"}
"""Where buildah mounts something for a RUN."""


class Ground:
    """A set of Containerfiles and the plan it is built by."""

    def __init__(self, folder: Path, build: Build) -> None:
        self.folder = folder
        self.build = build
        for name, text in FILES.items():
            self.write(name, text)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def add(self, name: str, text: str, recipe: str = "") -> None:
        file = f"containerfiles/{name}/Containerfile"
        self.write(file, text)
        self.write(f"images/{name}.yaml", f"image: {name}\ncontainerfile: ../{file}\n{recipe}")

    def compile(self) -> None:
        made = resolve(load_set(Path(os.path.relpath(self.folder))), site=None, variables={}, stand_ins=None)
        self.build.compile(made)

    def built(self, **environment: str) -> dict[str, str]:
        self.compile()
        return self.build.built(**environment)

    def texts(self, name: str, *paths: str) -> tuple[str, ...]:
        with self.build.mounted(f"localhost/example/{name}:1") as root:
            return tuple((root / path).read_text() for path in paths)

    def files(self, reference: str) -> Mapping[str, str]:
        """Each path of an image, but for those that builders make: what kind, mode and content."""
        with self.build.mounted(reference) as root:
            return {
                path: _said(root / path)
                for path in sorted(item.relative_to(root).as_posix() for item in root.rglob("*"))
                if path not in MADE_BY_BUILDERS
            }

    def plainly(self, name: str) -> str:
        """The same by buildah alone; the image's name."""
        reference = f"localhost/plain/{name}"
        # Newer ones raise these as far as some host somewhere allows; any may lower them.
        limits = ("--ulimit=nofile=4096:4096", "--ulimit=nproc=4096:4096")
        self.build.store.buildah(
            "build", "--isolation", "chroot", "--network", "host", "--layers=false", "--quiet",
            "--pull=never",
            *(f"--build-context={one}=container-image://localhost/example/{one}:1" for one in "ab"),
            *limits, "--tag", reference, str(self.folder / "containerfiles" / name),
        )  # fmt: skip
        return reference


def _said(path: Path) -> str:
    kind = path.lstat().st_mode
    content = str(path.readlink()) if path.is_symlink() else path.read_bytes().hex() if path.is_file() else ""
    return f"{kind:o} {content[:4096]}"


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    monkeypatch.chdir(tmp_path)
    with store(tmp_path / "store") as made:
        put_busybox(made)
        yield Ground(tmp_path / "demo", Build(tmp_path / "plan", made))


@pytest.mark.parametrize("first", range(PARTS))
def test_every_shape_that_buildah_builds(ground: Ground, first: int) -> None:
    names = [*SHAPES][first::PARTS]
    for name in names:
        ground.add(name, SHAPES[name])
    assert ground.built().keys() == {"a", "b", *names}
    mine = {name: ground.files(f"localhost/example/{name}:1") for name in names}
    assert ground.build.left() == NOTHING_LEFT
    assert mine == {name: ground.files(ground.plainly(name)) for name in names}
    # No mount is left where a plan lies, and what is there can be removed.
    mounts = Path("/proc/mounts").read_text()
    assert str(ground.build.plan) not in mounts
    subprocess.run(["rm", "-rf", ground.build.plan], check=True)


def test_stages_in_a_store_that_knows_no_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with store(tmp_path / "store") as made:
        plain = VfsStore(made.place)
        put_busybox(plain)
        ground = Ground(tmp_path / "demo", Build(tmp_path / "plan", plain))
        for name in ("alone", "only-from-chain", "base-and-copied", "equal-stages"):
            ground.add(name, SHAPES[name])
        ground.built()
        assert ground.texts("only-from-chain", "e") == ("a\n",)
        assert ground.texts("base-and-copied", "k", "l") == ("", "")
        assert ground.build.left() == NOTHING_LEFT


def test_capitals_in_the_name_of_a_stage(ground: Ground) -> None:
    ground.add("app", "FROM a AS One\nRUN echo 1 >/1\nFROM ONE AS two\nFROM b\nCOPY --from=one /1 /1\n"
               "RUN --mount=type=bind,from=TWO,target=/m cp /m/e /2\n")  # fmt: skip
    ground.built()
    assert ground.texts("app", "1", "2") == ("1\n", "a\n")


def test_a_mount_that_an_earlier_run_left(ground: Ground) -> None:
    ground.add("app", "FROM a\nRUN true\n")
    ground.built()
    left = ground.build.plan / "state/scratch.app.1/builder/store/overlay"
    left.mkdir(parents=True)
    subprocess.run(["mount", "--bind", left, left], check=True)
    try:
        assert ground.built() == {}
        assert not left.exists()
    finally:
        subprocess.run(["umount", "-q", left], check=False)


SURROUNDINGS = "RUN cat /proc/sys/kernel/hostname >/h; env | sort >/env\n"


@pytest.mark.parametrize("base", ["a", BUSYBOX])
def test_what_a_run_finds_around_it(ground: Ground, tmp_path: Path, base: str) -> None:
    """The caller's names and folders are not there, and so two builds are equal."""
    ground.add("app", f"FROM {base}\n{SURROUNDINGS}")
    ground.built(OLDPWD="/of/the/caller", HOSTNAME="mine", TERM="vt52", HTTP_PROXY="http://there")
    name, environment = ground.texts("app", "h", "env")
    assert name == "localhost\n"
    assert dict(line.split("=", 1) for line in environment.splitlines()) == {
        "HOME": "/root", "HOSTNAME": "localhost", "PWD": "/", "SHLVL": "1",
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    }  # fmt: skip
    with store(tmp_path / "other") as other:
        put_busybox(other)
        again = Ground(tmp_path / "deeper/demo", Build(tmp_path / "another-plan", other))
        again.add("app", f"FROM {base}\n{SURROUNDINGS}")
        again.built(OLDPWD="/elsewhere", LANG="de_DE")
        assert again.build.identities() == ground.build.identities()


def test_the_place_of_a_failure(ground: Ground) -> None:
    ground.add(
        "app",
        "ARG X=1\nFROM a AS x\nRUN true\nFROM b\nENV A=1\n"
        "COPY <<EOF /x\n1\nEOF\nRUN <<EOF\ntrue\nfalse\nEOF\n",
    )
    ground.compile()
    done = ground.build.run()
    assert done.returncode != 0
    assert "app failed at demo/containerfiles/app/Containerfile:9:1\n" in done.stderr


HERE = r"""
FROM a AS x
ARG V=1
ENV E="q $V"
RUN --network=none --mount=type=bind,from=b,target=/m \
  <<EOF
cp /m/b /taken
  # b \n "c" $V
echo "$V" '\n' >/said
EOF
RUN cat <<-'A' >/1 && cat <<B >/2
	one $V
	A
two $V
B
COPY --link --chmod=700 <<EOF /etc/f
v=$V e=${E} \$X ${V:+yes} "q"
EOF
ADD <<x <<'y' /dir/
$V
x
$W
y
RUN <<EOF
#!/bin/cat
print(1)
EOF
SHELL ["/bin/sh", "-e", "-c"]
RUN <<EOF
false || true
echo done >/e-is-set
EOF
RUN echo "<<EOF" $((1<<2)) >/none
"""


def test_here_documents(ground: Ground) -> None:
    ground.add("app", HERE)
    ground.built()
    paths = ("taken", "said", "1", "2", "etc/f", "dir/x", "dir/y", "e-is-set", "none")
    assert ground.texts("app", *paths) == (
        "b\n", "1 \\n\n", "one $V\n", "two 1\n", 'v=1 e=q 1 \\$X yes "q"\n', "1\n", "$W\n", "done\n",
        "<<EOF 4\n",
    )  # fmt: skip
    with ground.build.mounted("localhost/example/app:1") as root:
        modes = {name: (root / name).stat().st_mode & 0o777 for name in ("etc/f", "dir/x")}
    assert modes == {"etc/f": 0o700, "dir/x": 0o644}
    assert "print(1)\n" in (ground.build.plan / "logs/app.log").read_text()


def test_every_flag_that_is_understood(ground: Ground) -> None:
    ground.write("containerfiles/app/f", "f\n")
    ground.add(
        "app",
        "FROM --platform=linux/amd64 a AS x\nFROM b\n"
        "COPY --from=x --chown=1:2 --chmod=640 --link --link=true /e /1\n"
        "ADD --link=false --chown=1:0 --chmod=600 f /2\n"
        "RUN --network=none --network=default --security=sandbox"
        " --mount=type=cache,id=c,target=/c,sharing=private,mode=700,rw"
        " --mount=type=tmpfs,target=/t,size=1m,rw --mount=from=x,source=/e,target=/m,ro cat /m >/3\n"
        "HEALTHCHECK --interval=1m --timeout=2s --start-period=3s --retries=4 CMD true\n",
    )
    ground.built()
    with ground.build.mounted("localhost/example/app:1") as root:
        found = {path: (root / path).stat() for path in ("1", "2", "3")}
    assert {path: (f"{at.st_mode & 0o777:o}", at.st_uid, at.st_gid) for path, at in found.items()} == {
        "1": ("640", 1, 2), "2": ("600", 1, 0), "3": ("644", 0, 0),
    }  # fmt: skip


TRIGGER = "ONBUILD RUN cat /proc/net/dev >/net; id -u >/id\n"


def test_triggers_run_nowhere_but_in_the_seal(ground: Ground) -> None:
    """A Containerfile runs those of its parent, without network; a recipe is refused before anything runs."""
    ground.add("parent", f"FROM a\n{TRIGGER}")
    ground.add(
        "child",
        "FROM parent AS x\nRUN touch /child\nFROM x AS y\nRUN true\nFROM b\nCOPY --from=y /net /net\n",
    )
    ground.built()
    (net,) = ground.texts("child", "net")
    assert [line.split(":")[0].strip() for line in net.splitlines()[2:]] == ["lo"]
    ground.build.store.buildah("tag", "localhost/example/parent:1", "localhost/elsewhere:1")
    ground.write(
        "images/recipe.yaml", "image: recipe\nfrom: {image: 'localhost/elsewhere:1'}\nsteps: [{mkdir: /x}]\n"
    )
    ground.compile()
    done = ground.build.run("recipe")
    assert done.returncode != 0
    assert (
        "error: the image localhost/elsewhere:1 has ONBUILD triggers, which a recipe does not run"
        in done.stderr
    )
    assert "recipe failed at demo/images/recipe.yaml:1:8" in done.stderr
    assert ground.build.left() == NOTHING_LEFT


CONTEXTS = """\
FROM elsewhere AS named
FROM b
RUN --mount=type=bind,from=more,target=/m cp /m/x /x
COPY --from=more d/y /y
COPY --from=named /e /e
COPY --from=other /b /other
"""


def test_named_contexts(ground: Ground) -> None:
    """A folder, an image of the set by its name or reference, and one built elsewhere."""
    more = f"contexts: {{more: ../more, elsewhere: {BUSYBOX}, other: 'localhost/example/b:1'}}\n"
    ground.write("more/x", "x\n")
    ground.write("more/d/y", "y\n")
    ground.write("more/.dockerignore", "z\n")
    ground.add("app", CONTEXTS.replace("/e /e", "/etc/group /e"), more)
    ground.built()
    assert ground.texts("app", "x", "y", "e", "other") == ("x\n", "y\n", "root:x:0:\n", "b\n")
    # Its files are inputs, and have their places in reasons; what is ignored is none.
    ground.write("more/z", "z\n")
    assert ground.built() == {}
    ground.write("more/x", "X\n")
    assert ground.built() == {"app": "file changed: demo/more/x"}
    assert ground.texts("app", "x") == ("X\n",)
    ground.add("app", "FROM elsewhere\nUSER 1\n", "contexts: {elsewhere: a}\n")
    assert ground.built().keys() == {"app"}
    assert ground.texts("app", "e") == ("a\n",)


SECRETS = """\
FROM a
RUN --mount=type=secret,id=token,required cat /run/secrets/token | wc -c >/length
RUN --mount=type=secret,id=a.b-c,target=/there,mode=0400 cat /there | wc -c >>/length
RUN --mount=type=secret,id=may,required=false ls /run/secrets >/may || true
"""


def test_secrets_are_in_nothing_that_is_kept(ground: Ground, tmp_path: Path) -> None:
    ground.add("app", SECRETS, f"secrets: {{a.b-c: {tmp_path}/other}}\n")
    (tmp_path / "my token").write_text("sesame-open\n")
    (tmp_path / "other").write_text("sesame\n")
    ground.compile()
    # What is missing is a mistake before anything is built, each with its place.
    done = ground.build.run("app")
    assert done.returncode != 0
    place = "demo/containerfiles/app/Containerfile:2:5"
    assert f"{place}: error: the secret 'token' of the image app is not supplied\n" in done.stderr
    assert "'a.b-c'" not in done.stderr
    assert "'may'" not in done.stderr
    assert ground.build.store.names().keys() == {BUSYBOX}
    done = ground.build.run("app", BS_SECRETS="token=relative")
    assert "the secret 'token' cannot be read: relative must be the absolute path of a file" in done.stderr
    # Others are built without.
    assert ground.build.built("b").keys() == {"b"}
    assert ground.build.built(BS_SECRETS=f"'token={tmp_path}/my token'").keys() == {"a", "app"}
    assert ground.texts("app", "length", "may") == ("12\n7\n", "")
    # What is fresh needs none.
    assert ground.build.built() == {}
    with pytest.raises(subprocess.CalledProcessError):
        subprocess.run(["grep", "-r", "sesame", ground.build.plan, ground.build.store.root], check=True)
    assert ground.build.left() == NOTHING_LEFT
