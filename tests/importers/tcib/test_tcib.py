"""A tree of tcib as an image set: what its recipes say, what is said of the rest, and that it is built."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from buildsys import image as im
from buildsys.diagnostics import Refused, _lines
from buildsys.image import BaseImage, ImageSet, ParentImage
from buildsys.importers.tcib import Request, take_over
from buildsys.importers.tcib.conditions import settle
from buildsys.importers.tcib.jinja import Filling, Unfilled
from buildsys.recipe.library import load_set
from buildsys.resolve import resolve
from tests.busybox import OURS, put_base
from tests.conftest import ROOT
from tests.stores import store

HERE = Path(__file__).parent
OUT = Path("sets/shop")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tree of these tests, in a working directory of its own."""
    monkeypatch.chdir(tmp_path)
    _lines.cache_clear()
    shutil.copytree(HERE / "container-images", "container-images")
    for file in Path("container-images").rglob("*.yaml"):
        os.utime(file, (1500000000, 1500000000))
    return Path("container-images")


def resolved() -> ImageSet:
    return resolve(load_set(OUT), site=None, variables={}, stand_ins=None)


def write(top: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)
    return top


def taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, asked: Request | None = None) -> tuple[
    im.Image, list[str]
]:  # fmt: skip
    """One image, and what was said."""
    monkeypatch.chdir(tmp_path)
    _lines.cache_clear()
    _, found = take_over(write(Path("tcib"), {"base/base.yaml": text}), OUT, asked or Request())
    return resolved().images["base"], [item.message for item in found]


def test_a_tree_becomes_a_set(tree: Path, golden: Callable[[str, Path], None]) -> None:
    names, found = take_over(tree, OUT, Request())
    assert names == ("back", "base", "front", "queue", "web")
    files = sorted(path for path in OUT.rglob("*") if path.is_file())
    golden("".join(f"==> {path} <==\n{path.read_text()}" for path in files), HERE / "expected/set.txt")
    golden("\n\n".join(item.text("warning") for item in found) + "\n", HERE / "expected/said.txt")
    assert {item.code for item in found} == {"not-taken-over"}


def test_the_set_has_the_order_of_the_tree(tree: Path) -> None:
    take_over(tree, OUT, Request())
    images = resolved().images
    assert {name: item.parent for name, item in images.items()} == {
        "base": BaseImage("quay.io/centos/centos:stream9"),
        "queue": ParentImage("base"),
        "web": ParentImage("base"),
        "front": ParentImage("web"),
        "back": ParentImage("queue"),
    }
    assert str(images["front"].reference) == "quay.io/acme/shop-front:2"
    config = images["queue"].config
    assert (config.user, config.volumes, config.ports) == (
        "queue", ("/var/lib/queue",), ("5672/tcp", "15672/tcp"),
    )  # fmt: skip
    assert config.healthcheck == im.HealthCheck(("CMD-SHELL", "/openstack/healthcheck"))


@pytest.mark.parametrize(
    "given", ["container-images", "container-images/tcib", ".", "container-images/tcib/base"]
)
def test_the_tree_is_found_in_what_holds_it(given: str, tree: Path) -> None:
    assert tree.is_dir()
    Path("sets").mkdir()
    output = Path("../shop")
    names, _ = take_over(Path(given), output.resolve(), Request())
    assert names == ("back", "base", "front", "queue", "web")
    assert (output / "files/base/start.sh").exists()
    shutil.rmtree(output)


def test_what_lies_at_the_top_is_an_image_where_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files = {
        "all.yaml": "tcib_cmd: x\n",
        "containers.yaml": "container_images: []\n",
        "a/a.yaml": "tcib_cmd: y\n",
    }
    names, _ = take_over(write(Path("Root"), files), OUT, Request())
    assert names == ("a", "root")
    assert resolved().images["a"].parent == ParentImage("root")


def test_variables_are_those_that_a_person_gives(tree: Path) -> None:
    _, found = take_over(
        tree, OUT, Request({"tcib_distro": "rhel", "tcib_release": "8", "nothing": "x"}, "registry.acme/ubi8")
    )
    base = (OUT / "images/base.yaml").read_text()
    assert "best False" not in base
    modules = "'dnf module disable virt:rhel' is not taken over: the site's repositories decide that"
    assert [item.message for item in found].count(modules) == 0  # it is a loop of the shell: named as it is
    assert [item.spot.line for item in found if "dnf wants" in item.message] == [8]
    assert "echo x" in (OUT / "images/queue.yaml").read_text()
    site = (OUT / "sites/elsewhere.yaml").read_text()
    assert 'base: {image: registry.acme/ubi8}\ninstaller: dnf\nrelease: "8"\n' in site


FROM = {
    "base/base.yaml": "tcib_from: registry.acme/os:9\n",
    "base/a/a.yaml": "tcib_from: registry.acme/other:1\n",
    "base/b/b.yaml": "tcib_from: registry.acme/os:9\n",
    "base/c/c.yaml": "tcib_from: a\n",
    "base/d/d.yaml": "tcib_from: Not A Reference\n",
}


def test_what_an_image_says_it_begins_with_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _, found = take_over(write(Path("tcib"), FROM), OUT, Request())
    images = resolved().images
    assert {name: item.parent for name, item in images.items()} == {
        "base": BaseImage("registry.acme/os:9"),
        "a": BaseImage("registry.acme/other:1"),
        "b": BaseImage("registry.acme/os:9"),
        "c": ParentImage("a"),
    }
    assert [item.message for item in found] == ["'d' is not taken over: 'Not A Reference' is not a reference"]


def test_a_folder_between_images_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = {
        "base/base.yaml": "tcib_cmd: x\n",
        "base/group/a/a.yaml": "tcib_cmd: x\n",
        "base/group/more/api/api.yml": "tcib_cmd: x\n",
        "base/other/api/api.yaml": "",
        "base/group/notes": "",
        "base/.git/x.yaml": "tcib_cmd: x\n",
    }
    names, found = take_over(write(Path("tcib"), files), OUT, Request())
    assert (names, found) == (("a", "base", "base-group-more-api", "base-other-api"), [])
    assert {item.parent for item in resolved().images.values() if item.name != "base"} == {
        ParentImage("base")
    }


NAMED = {
    "tcib_actions:\n- run: echo {{ x }}\n": "RUN is not taken over: 'x' is undefined",
    "tcib_actions:\n- run: echo {{ 'a' * 99999999 }}\n":
        "RUN is not taken over: 'mul' cannot be used in a template here",
    "tcib_actions:\n- run: '{% for a in b %}{% for c in d %}{% endfor %}{% endfor %}'\n":
        "RUN is not taken over: a loop cannot stand in another",
    "tcib_actions:\n- run: \"{{ ''.__class__ }}\"\n":
        "RUN is not taken over: access to attribute '__class__' of 'str' object is unsafe",
    "tcib_actions:\n- run: \"{{ lookup('env', 'HOME') }}\"\n":
        "RUN is not taken over: the template fails: this is not a known lookup: lookup('env')",
    "tcib_actions:\n- run: \"{{ lookup('fileglob', 5) }}x\"\n":
        "RUN is not taken over: the template fails: this is not a known lookup: lookup('fileglob')",
    "tcib_actions:\n- run: \"{{ x.get(a=1,a=2) }}\"\n":
        "RUN is not taken over: the template fails: keyword argument repeated: a",
    "tcib_actions:\n- run: \"echo {{ '\\\\ud800' }}\"\n":
        "RUN is not taken over: its result has characters that no file or command can hold",
    "tcib_envs: {A: \"x{{ '\\\\ud800' }}\"}\n":
        "ENV is not taken over: its result has characters that no file or command can hold",
    "tcib_actions:\n- fly: away\n": "FLY is not taken over: 'FLY' is not an instruction",
    "tcib_actions:\n- just text\n": "an action is not taken over: it is not a map of one instruction",
    "tcib_actions: {run: x}\n": "'tcib_actions' is not taken over: it is not a list",
    "tcib_actions:\n- from: x\n": "FROM is not taken over: an image has one beginning",
    "tcib_runs:\n- dnf install -y https://acme.example/a.rpm\n":
        "RUN is not taken over: dnf wants the network, and a `run` has none",
    "tcib_actions:\n- copy: ../../secret /x\n":
        "COPY is not taken over: what it copies lies nowhere in the tree",
    "tcib_gather_files:\n- /etc/shadow\n":
        "'/etc/shadow' is not taken over: it is a file of the host that builds, and lies nowhere in the tree",
    "tcib_workdir: here\n": None,
    "tcib_user: 'a b'\n": "user is not taken over: 'a b' is not a user",
    "tcib_stopsignal: NEVER\n": "stop-signal is not taken over: 'NEVER' is not a signal",
    "tcib_volumes: [x]\n": "'x' is not taken over: it is not one of volumes",
    "tcib_envs: {A-B: c}\n": "'A-B' is not taken over: it cannot be a name in env",
    "tcib_envs: {PATH: '/x:$PATH'}\n": "ENV is not taken over: the value of PATH is made of another",
    "tcib_labels: {a b: c}\n": "'a b' is not taken over: it cannot be a name in labels",
    "tcib_onbuilds: [RUN true]\n": "ONBUILD is not taken over: a recipe has nothing of the kind",
    "tcib_network: host\n": "'tcib_network' is not taken over: it is not a known key of tcib",
    "tcib_packages: {common: [a]}\n": "'tcib_packages' is not taken over: no action installs them",
}  # fmt: skip


@pytest.mark.parametrize("text", NAMED)
def test_what_cannot_be_taken_is_named_and_the_rest_is_a_set(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text("")
    image, found = taken(tmp_path, monkeypatch, text)
    assert found == ([] if NAMED[text] is None else [NAMED[text]])
    assert image.name == "base"


def test_what_yaml_reads_in_two_ways_is_read_as_tcib_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "tcib_labels:\n  managed: True\n  old: no\n  version: 1.10\n  number: 42\n  none:\n"
    image, found = taken(tmp_path, monkeypatch, text + "tcib_envs:\n  YES: 'on'\n")
    labels = {"managed": "true", "old": "false", "version": "1.10", "number": "42", "none": "null"}
    assert (image.config.labels, image.config.env, found) == (labels, {"YES": "on"}, [])


def test_what_is_read_of_a_variable_is_filled_in_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "home: /srv/{{ tcib_meta.name }}\nplace: '{{ home }}/x'\nloop: '{{ loop }}'\n"
    text += "tcib_workdir: '{{ place }}'\n"
    image, found = taken(tmp_path, monkeypatch, text)
    assert (image.config.workdir, found) == ("/srv/base/x", [])


def test_a_text_that_grows_is_cut() -> None:
    texts = {f"a{n + 1}": f"{{{{ a{n} ~ a{n} }}}}" for n in range(40)}
    filling = Filling({"a0": "x" * 1000, **texts}, lambda _: [])
    with pytest.raises(Unfilled):
        filling.fill("{{ a40 }}")
    with pytest.raises(Unfilled, match="is computed from other values"):
        filling.fill("{% set b = [a0, a0] %}{{ b }}")
    with pytest.raises(Unfilled, match="is computed from other values"):
        filling.fill("{% set b = (a0, a0) %}{{ b }}")
    with pytest.raises(Unfilled, match="at most 16 texts"):
        filling.fill(f"{{{{ {'~'.join(['a0'] * 17)} }}}}")


def test_a_file_that_nobody_can_read_costs_only_its_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tree = write(Path("tcib"), {"base/base.yaml": "tcib_cmd: x\n"})
    for name in ("one", "two"):
        (tree / name).mkdir()
    os.mkfifo(tree / "one/pipe.yaml")
    (tree / "two/dangling.yaml").symlink_to("nowhere")
    names, found = take_over(tree, OUT, Request({"tcib_release": "9"}))
    assert names == ("base",)
    assert [item.message for item in found] == [
        "'one' is not taken over: tcib/one/pipe.yaml is not a file, but a folder, a pipe or a device",
        "'two' is not taken over: cannot read this file: no such file or directory",
    ]


@pytest.mark.parametrize(
    ("text", "settled"),
    [
        ("if [ 'centos' == 'centos' ];then a b; fi", "a b"),
        ("x && if [ 'rhel' == 'centos' ];then a; b; fi && y", "x && true && y"),
        ("if [ 'a' = 'a' ] && [ '8' != '9' ]; then x; fi; echo z", "x; echo z"),
        ('if [ "$(uname -m)" == "x86_64" ]; then x; fi', "x"),
        ("if [ 'a' == 'a' ];then if [ -n \"$(x)\" ];then y; fi ; z; fi",
         "if [ -n \"$(x)\" ];then y; fi ; z"),
        ("if [ -f /x ]; then if [ a == b ]; then y; fi; z; fi", "if [ -f /x ]; then true; z; fi"),
        ("if [ 'a' == 'a' ]; then x; else y; fi", "if [ 'a' == 'a' ]; then x; else y; fi"),
        ("if [ $A == 'a' ]; then x; fi", "if [ $A == 'a' ]; then x; fi"),
        ("echo 'if [ a == a ]; then x; fi'", "echo 'if [ a == a ]; then x; fi'"),
        ("if", "if"),
    ],
)  # fmt: skip
def test_a_condition_that_is_known_goes_its_way(text: str, settled: str) -> None:
    assert settle(text)[0] == settled


def test_what_is_refused(tree: Path) -> None:
    def refusal(given: Path, output: Path, asked: Request) -> str:
        with pytest.raises(Refused) as refused:
            take_over(given, output, asked)
        return refused.value.text().partition("\n\n")[0]

    assert refusal(Path("gone"), OUT, Request()) == (
        "error: there is no folder gone [no-match]\n  hint: name the folder of the tree"
    )
    assert refusal(tree, OUT, Request({"tcib_distr": "x"})) == (
        "error: --arg: no file names the variable 'tcib_distr' [no-match]\n"
        "  hint: did you mean 'tcib_distro', 'tcib_user' or 'tcib_adds'?"
    )
    assert refusal(tree, OUT, Request(base="No Such")) == (
        "error: 'No Such' is not a reference [bad-reference]\n  hint: for example docker.io/library/centos:7"
    )
    Path("empty").mkdir()
    assert refusal(Path("empty"), OUT, Request()) == (
        "error: empty holds no image that can be taken over [no-match]\n"
        "  hint: an image is a folder with a YAML file that has tcib_actions and the like"
    )
    assert not OUT.exists()


REAL = {
    "kolla/base/start.sh": '#!/bin/sh\nexec "$@"\n',
    "tcib/base/base.yaml": """\
tcib_actions:
- run: cp /usr/share/tcib/container-images/kolla/base/start.sh /bin/start
- run: chmod 755 /bin/start
- run: if [ '{{ tcib_distro }}' == 'centos' ]; then echo {{ tcib_meta.name }} >/made; fi
tcib_entrypoint: /bin/start --
tcib_cmd: cat /made
tcib_envs:
  LANG: C
tcib_labels:
  tcib_managed: True
""",
    "tcib/base/app/app.yaml": """\
tcib_actions:
- run: mkdir -p /srv && echo $COLOUR >/srv/colour
- workdir: /srv/app
- run: echo here >here
- copy: own.conf /etc/own.conf
tcib_envs:
  COLOUR: blue
tcib_user: "1000"
tcib_exposes: [80]
""",
    "tcib/base/app/own.conf": "colour = blue\n",
}


@pytest.mark.real
def test_the_set_is_built(tmp_path: Path) -> None:
    def call(*words: str) -> str:
        done = subprocess.run(
            words, cwd=tmp_path, env=environment, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    write(tmp_path / "tree", REAL)
    program = str(ROOT / ".venv/bin/buildsys")
    with TemporaryDirectory(prefix="bs-") as short, store(Path(short)) as made:
        put_base(made, tmp_path / "root")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        environment = {**kept, "BS_STORE": made.options, "BS_SPACE_MIB": "1"}
        call(program, "import", "tcib", "tree", "-o", "shop", "--base", "localhost/busybox:1")
        call(program, "check", "./shop")
        # No package is installed, and the tests' host need have no repositories.
        site = tmp_path / "shop/sites/elsewhere.yaml"
        site.write_text(site.read_text().replace("repositories: host\n", ""))
        call(program, "build", "./shop", "--unlocked")
        name = made.buildah("from", "localhost/shop/openstack-app:latest").strip()
        try:
            read = {
                path: made.buildah("run", "--isolation", "chroot", name, "cat", path).strip()
                for path in ("/made", "/srv/colour", "/srv/app/here", "/etc/own.conf", "/bin/start")
            }
        finally:
            made.buildah("rm", name)
    assert read == {
        "/made": "base", "/srv/colour": "blue", "/srv/app/here": "here", "/etc/own.conf": "colour = blue",
        "/bin/start": "#!/bin/sh\nexec \"$@\"",
    }  # fmt: skip


def test_anchors_and_merged_maps_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is not taken has the place at which it is written, not that of the alias."""
    text = """\
x-labels: &labels {team: shop, tier: back}
x-actions: &actions
  - run: mkdir /srv/shop
tcib_labels: {<<: *labels, tier: front}
tcib_actions: *actions
tcib_user: &user shop
tcib_cmd: *user
"""
    image, warnings = taken(tmp_path, monkeypatch, text)
    assert dict(image.config.labels) == {"team": "shop", "tier": "front"}
    assert (image.config.user, image.config.cmd) == ("shop", ("shop",))
    assert "/srv/shop" in str(image.instructions)
    assert [text for text in warnings if "&" in text or "alias" in text] == []
