"""A tree of Containerfiles as an image set: what is written, what is said, and what is refused."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from buildsys.diagnostics import Refused, _lines
from buildsys.exporters import FORMATS
from buildsys.exporters.write import write_export
from buildsys.image import BaseImage, Containerfile, ImageSet, ParentImage
from buildsys.importers.containerfiles import Request, take_over
from buildsys.importers.containerfiles.references import Meant, Naming, meant, naming
from buildsys.recipe.library import load_set
from buildsys.resolve import resolve
from tests.exporters.sets import request

HERE = Path(__file__).parent
OUT = Path("sets/shop")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tree of these tests, in a working directory of its own."""
    monkeypatch.chdir(tmp_path)
    _lines.cache_clear()
    shutil.copytree(HERE / "tree", "tree", symlinks=True)
    for file in Path("tree").rglob("*file*"):
        os.utime(file, (1500000000, 1500000000))
    return Path("tree")


def resolved(directory: Path = OUT) -> ImageSet:
    return resolve(load_set(directory), site=None, variables={}, stand_ins=None)


def write(file: str, text: str) -> None:
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    Path(file).write_text(text)


def refusal(top: str, out: str, asked: Request | None = None) -> str:
    with pytest.raises(Refused) as refused:
        take_over(Path(top), Path(out), asked or Request())
    return refused.value.text()


def test_a_tree_becomes_a_set(tree: Path, golden: Callable[[str, Path], None]) -> None:
    names, found = take_over(tree, OUT, Request({"TAG": "1"}, ["too*"]))
    assert names == ("app", "base", "base-debug", "old", "tools", "tree", "web", "web_ui")
    files = sorted(path for path in OUT.rglob("*") if path.is_file())
    golden("".join(f"==> {path} <==\n{path.read_text()}" for path in files), HERE / "expected/set.txt")
    golden("\n\n".join(item.text("warning") for item in found) + "\n", HERE / "expected/said.txt")
    assert {item.code for item in found} == {"not-taken-over"}


def test_the_set_is_built_in_the_order_of_the_tree(tree: Path) -> None:
    take_over(tree, OUT, Request())
    images = resolved().images
    assert {name: list(item.dependencies()) for name, item in images.items()} == {
        "app": ["base"], "base": [], "base-debug": ["base"], "old": [], "tools": ["base"], "tree": ["base"],
        "web": ["app"], "web_ui": ["web"],
    }  # fmt: skip
    assert images["old"].parent == BaseImage("quay.io/acme/base:0.9")
    assert images["tools"].parent == ParentImage("base")


def test_what_was_exported_comes_back(tmp_path: Path, write_set: Callable[..., Path]) -> None:
    folder = write_set(
        {
            "sites/here.yaml": "site: here\ninstaller: dnf\nbase: {image: registry.example.org/os:1}\n",
            "images/app.yaml": "image: app\nfrom: base\nsteps: [{copy: /x, from: tool, to: /x}]\n",
            "images/tool.yaml": "image: tool\nfrom: base\nsteps: [{touch: /x}]\n",
        }
    )
    before = resolved(folder)
    write_export(FORMATS["containerfiles"].export(request(before)), "containerfiles", tmp_path / "exported")
    take_over(tmp_path / "exported/images", tmp_path / "again", Request())
    after = resolved(tmp_path / "again")
    for name, item in before.images.items():
        assert after.images[name].reference == item.reference
        assert list(after.images[name].dependencies()) == list(item.dependencies())


def test_folders_of_one_name_are_told_apart_by_what_they_lie_in(tree: Path) -> None:
    write("tree/a/db/Containerfile", "FROM scratch\n")
    write("tree/b/db/Containerfile", "FROM a-db\n")
    names, _ = take_over(tree, OUT, Request())
    assert {"a-db", "b-db"} <= set(names)
    assert resolved().images["b-db"].parent == ParentImage("a-db")


def test_a_name_that_stays_taken_is_told(tree: Path) -> None:
    write("tree/a-db/Containerfile", "FROM scratch\n")
    write("tree/a/db/Containerfile", "FROM scratch\n")
    write("tree/db/Containerfile", "FROM scratch\n")
    write("tree/site/Containerfile", "FROM scratch\n")
    _, found = take_over(tree, OUT, Request())
    clash = "tree/a/db/Containerfile would be called 'a-db' as well"
    assert [str(item.spot) + " " + item.message for item in found if "this image" in item.message] == [
        f"tree/a-db/Containerfile:1:1 this image is not taken over: {clash}",
        "tree/site/Containerfile:1:1 this image is not taken over: 'site' stands for the base a site gives",
    ]


def test_links_are_copied_as_links_and_git_stays_behind(tree: Path) -> None:
    (tree / "base/link").symlink_to("motd")
    write("tree/base/.git/config", "")
    take_over(tree, OUT, Request())
    assert str((OUT / "containerfiles/base/link").readlink()) == "motd"
    assert not (OUT / "containerfiles/base/.git").exists()


def test_a_containerfile_that_is_a_link_becomes_a_file_and_what_it_leads_to_stays(tree: Path) -> None:
    write("outside/Containerfile", "ARG V=1\nFROM localhost/base:${V}\n")
    write("tree/common/Dockerfile", "ARG V=1\nFROM quay.io/acme/x:${V}\n")
    for name, target in (("far", Path("outside/Containerfile").resolve()), ("near", "../common/Dockerfile")):
        (tree / name).mkdir()
        (tree / name / "Containerfile").symlink_to(target)
    take_over(tree, OUT, Request())
    taken = {name: OUT / f"containerfiles/{name}/Containerfile" for name in ("far", "near")}
    assert not any(path.is_symlink() for path in taken.values())
    assert taken["far"].read_text() == "ARG V=1\nFROM base\n"
    assert taken["near"].read_text() == "ARG V=1\nFROM quay.io/acme/x:${V}\n"
    assert Path("outside/Containerfile").read_text() == "ARG V=1\nFROM localhost/base:${V}\n"
    assert resolved().images["far"].parent == ParentImage("base")


def test_a_folder_called_like_what_its_image_is_made_from(tmp_path: Path) -> None:
    write(f"{tmp_path}/tree/nginx/Dockerfile", "FROM nginx\n")
    write(f"{tmp_path}/tree/redis/Dockerfile", "FROM docker.io/library/redis:7\n")
    write(f"{tmp_path}/tree/app/Dockerfile", "FROM docker.io/library/redis:7\nCOPY --from=nginx /x /x\n")
    write(f"{tmp_path}/tree/web/Dockerfile", "FROM redis:8\n")
    _, found = take_over(tmp_path / "tree", tmp_path / "shop", Request())
    images = resolved(tmp_path / "shop").images
    assert {name: item.parent for name, item in images.items()} == {
        "app": BaseImage("docker.io/library/redis:7"),
        "nginx": BaseImage("nginx:latest"),
        "redis": BaseImage("docker.io/library/redis:7"),
        "web": ParentImage("redis"),
    }
    assert list(images["app"].dependencies()) == ["nginx"]
    (warning,) = found
    assert (
        warning.text("warning").partition(": ")[2]
        == """\
warning: docker.io/library/redis:7 is taken as an image built elsewhere [not-taken-over]
  1 | FROM docker.io/library/redis:7
    |      ^
  hint: if the tree's 'redis' is meant, write FROM redis"""
    )


GIVEN = "RUN --mount=type=bind,from=upper-constraints,source=/,target=/u true\nCOPY --from=tool /x /x\n"


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree whose images read what a builder was given by a name."""
    monkeypatch.chdir(tmp_path)
    _lines.cache_clear()
    for name in ("a", "b"):
        write(f"tree/{name}/Containerfile", f"FROM quay.io/acme/os:1 AS one\n{GIVEN}")
    write("tree/tool/Containerfile", "FROM busybox\nCOPY --from=busybox /x /x\n")
    return Path("tree")


def test_a_name_that_only_a_builder_was_given_is_told_and_is_no_base(given: Path) -> None:
    _, found = take_over(given, OUT, Request())
    why = "is neither a stage nor an image of the tree: it is taken as an image built elsewhere"
    assert [item.message for item in found] == [f"'upper-constraints' {why}"] * 2
    assert [item.spot.line for item in found] == [2, 2]
    assert "base: {image: quay.io/acme/os:1}\n" in (OUT / "sites/elsewhere.yaml").read_text()
    assert "contexts: {upper-constraints: upper-constraints:latest}\n" in (OUT / "images/a.yaml").read_text()
    assert list(resolved().images["a"].dependencies()) == ["tool"]


def test_a_folder_of_the_tree_that_is_called_so_is_the_context(given: Path) -> None:
    write("tree/upper-constraints/upper-constraints.txt", "a==1\n")
    write("tree/x/c/Containerfile", f"FROM scratch\n{GIVEN}")
    write("tree/x/upper-constraints/upper-constraints.txt", "a==2\n")
    _, found = take_over(given, OUT, Request())
    assert found == []
    said = 'contexts: {upper-constraints: "../contexts/upper-constraints"}\n'
    assert said in (OUT / "images/a.yaml").read_text()
    texts = {path.parent.name: path.read_text() for path in (OUT / "contexts").rglob("*.txt")}
    assert texts == {"upper-constraints": "a==1\n", "c-upper-constraints": "a==2\n"}
    assert resolved().images.keys() == {"a", "b", "c", "tool"}


def test_a_person_says_what_a_name_means(given: Path) -> None:
    write("elsewhere/u.txt", "")
    _, found = take_over(
        given, OUT, Request(contexts={"upper-constraints": "elsewhere", "tool": "acme/tool:2"})
    )
    assert found == []
    assert (OUT / "contexts/upper-constraints/u.txt").exists()
    image = resolved().images["a"]
    assert list(image.dependencies()) == []
    (step,) = image.instructions
    assert isinstance(step, Containerfile)
    assert [item.reference for item in step.others] == ["quay.io/acme/os:1", "acme/tool:2"]
    assert refusal("tree", "x", Request(contexts={"upper-constraint": "elsewhere"})) == (
        "error: --context: no Containerfile reads 'upper-constraint' [no-match]\n"
        "  hint: did you mean 'upper-constraints'?"
    )
    assert refusal("tree", "x", Request(contexts={"tool": "No Where"})) == (
        "error: --context: there is no folder No Where, and 'No Where' is not a reference [no-match]\n"
        "  hint: name a folder that is there, or an image"
    )


def test_a_here_document_keeps_its_image_and_those_below_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = "FROM scratch\nCOPY <<EOF /etc/conf\ncolour = blue\nFROM nowhere\nEOF\n"
    write("tree/base/Containerfile", text + "COPY <<'A' <<'B' /srv/\na\nA\nb\nB\n")
    write("tree/app/Containerfile", "FROM base\nRUN <<EOF\necho a\nEOF\n")
    names, found = take_over(Path("tree"), OUT, Request())
    assert (names, found) == (("app", "base"), [])
    assert resolved().images["app"].parent == ParentImage("base")


@pytest.mark.parametrize("name", ["${NOTHING", "quay.io/acme/x:", "quay.io/A[b]:1", ":"])
def test_an_image_from_a_name_that_no_image_has_is_named(tree: Path, name: str) -> None:
    """The rest is a set that loads."""
    write("tree/odd/Containerfile", f"FROM {name}\nRUN true\n")
    write("tree/below/Containerfile", "FROM odd\n")
    names, found = take_over(tree, OUT, Request())
    said = {str(item.spot): item.message for item in found}
    assert said["tree/odd/Containerfile:1:6"] == f"'odd' is not taken over: '{name}' is not a reference"
    why = "it is made from 'odd', which is not taken over"
    assert said["tree/below/Containerfile:1:6"] == f"'below' is not taken over: {why}"
    assert not {"odd", "below"} & set(names)
    assert "base" in resolved().images


def test_lines_end_where_builders_see_them_end(tree: Path) -> None:
    write("tree/odd/Containerfile", "ARG V=1\n# a\fb\u2028c\nFROM localhost/base:${V}\nRUN curl x\n")
    _, found = take_over(tree, OUT, Request())
    assert [str(item.spot) for item in found if "curl" in item.message] == ["tree/odd/Containerfile:4:1"]
    text = (OUT / "containerfiles/odd/Containerfile").read_text()
    assert text == "ARG V=1\n# a\fb\u2028c\nFROM base\nRUN curl x\n"


def test_hidden_folders_are_named_but_for_gits_own(tree: Path) -> None:
    for name in (".old/x", ".git"):
        write(f"tree/{name}/Containerfile", "FROM scratch\n")
    names, found = take_over(tree, OUT, Request())
    assert "x" not in names
    assert [item.message for item in found if "/." in item.message] == [
        "tree/.old, tree/common and tree/README.md are not taken over: they lie in no image's folder"
    ]


def test_a_pipe_is_told_and_nothing_waits_for_it(tree: Path) -> None:
    os.mkfifo(tree / "base/pipe")
    names, found = take_over(tree, OUT, Request())
    assert "base" in names
    assert "tree/base/pipe is neither a file, a folder nor a link: it is not taken over" in [
        item.message for item in found
    ]
    assert not (OUT / "containerfiles/base/pipe").exists()


def test_into_the_working_directory(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("new").mkdir()
    monkeypatch.chdir("new")
    names, _ = take_over(".." / tree, Path(), Request())
    assert sorted(entry.name for entry in Path().iterdir()) == [
        "containerfiles",
        "images",
        "set.yaml",
        "sites",
    ]
    assert resolved(Path()).name == "new"
    assert resolved(Path()).images.keys() == set(names)
    Path("My Shop").mkdir()
    monkeypatch.chdir("My Shop")
    assert refusal("../../tree", ".") == (
        "error: 'My Shop' cannot name a set [bad-name]\n  hint: choose a name with -o my-shop"
    )


def files_of(image: str) -> list[str]:
    context = OUT / "containerfiles" / image
    return sorted(str(path.relative_to(context)) for path in context.rglob("*") if not path.is_dir())


@pytest.mark.parametrize(
    "name",
    ["Dockerfile.ubuntu", "Containerfile.el9", "Dockerfile-dev", "slim.Dockerfile", "slim.containerfile"],
)
def test_a_folder_with_one_containerfile_is_one_image_whatever_the_file_is_called(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write("tree/db/Containerfile", "FROM scratch\n")
    write(f"tree/client/{name}", "FROM db\nCOPY run /run\n")
    write("tree/client/run", "")
    names, found = take_over(Path("tree"), OUT, Request())
    assert (names, found) == (("client", "db"), [])
    assert files_of("client") == sorted([name, "run"])
    assert list(resolved().images["client"].dependencies()) == ["db"]


def test_several_suffixes_in_a_folder_are_several_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write("tree/db/Dockerfile.ubuntu", "FROM scratch\nCOPY . /srv/\n")
    write("tree/db/Dockerfile.Suse_15", "FROM db-ubuntu\n")
    write("tree/db/Dockerfile.ubuntu.dockerignore", "notes\n")
    write("tree/db/.dockerignore", "run\n")
    write("tree/db/run", "")
    write("tree/web/Containerfile", "FROM scratch\n")
    write("tree/web/debug.Containerfile", "FROM web\n")
    write("tree/web/Dockerfile", "FROM scratch\n")
    for name in ("Dockerfile.j2", "Dockerfile.orig", "Dockerfile.ubuntu~", "Dockerfile.md"):
        write(f"tree/web/{name}", "FROM scratch\n")
    names, found = take_over(Path("tree"), OUT, Request())
    assert names == ("db-suse_15", "db-ubuntu", "web", "web-debug")
    images = resolved().images
    assert images["db-suse_15"].parent == ParentImage("db-ubuntu")
    assert images["web-debug"].parent == ParentImage("web")
    # What only one Containerfile ignores is ignored for its image alone.
    ignored = {name: (OUT / f"containerfiles/{name}/.dockerignore").read_text() for name in names[:2]}
    assert ignored == {"db-suse_15": "run\n", "db-ubuntu": "notes\n"}
    assert [str(item.spot) + " " + item.message.partition(": ")[2] for item in found] == [
        "tree/web/Dockerfile:1:1 tree/web/Containerfile is the Containerfile of the same image",
        "tree/web/Dockerfile.j2:1:1 a file that ends in 'j2' is not a Containerfile",
        "tree/web/Dockerfile.md:1:1 a file that ends in 'md' is not a Containerfile",
        "tree/web/Dockerfile.orig:1:1 a file that ends in 'orig' is not a Containerfile",
        "tree/web/Dockerfile.ubuntu~:1:1 a file that ends in 'ubuntu~' is not a Containerfile",
    ]


def test_at_the_top_lies_an_image_whose_context_is_what_it_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write("Shop/Dockerfile", "FROM app\nCOPY bin/start /start\nCOPY --from=app /x /x\nADD https://a.b/c /c\n")
    write("Shop/app/Dockerfile", "FROM scratch\n")
    for number in range(27):
        write(f"Shop/notes{number:02}", "")
    write("Shop/bin/start", "")
    write("Shop/.dockerignore", "*.pyc\n")
    monkeypatch.chdir("Shop")
    names, found = take_over(Path(), tmp_path / OUT, Request(network=["shop"]))
    monkeypatch.chdir(tmp_path)
    assert names == ("app", "shop")
    assert files_of("shop") == [".dockerignore", "Dockerfile", "bin/start"]
    assert [item.message for item in found] == [
        "notes00, notes01, notes02 and 24 more are not taken over: they lie in no image's folder"
    ]


@pytest.mark.parametrize(
    "line", ["COPY . /srv/", "COPY bin/* /srv/", "RUN --mount=type=bind,target=/srv true", "ADD / /srv/"]
)
def test_at_the_top_an_image_that_may_read_all_has_all(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write("shop/Containerfile", f"FROM scratch\n{line}\n")
    write("shop/bin/start", "")
    write("shop/.git/config", "")
    names, found = take_over(Path("shop"), OUT, Request())
    assert (names, found) == (("shop",), [])
    assert files_of("shop") == ["Containerfile", "bin/start"]


def test_at_the_top_a_link_leads_to_nothing_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write("outside/secret", "")
    write("shop/Containerfile", "FROM scratch\nCOPY link/secret ../outside/secret /srv/\n")
    Path("shop/link").symlink_to("../outside")
    take_over(Path("shop"), OUT, Request())
    assert files_of("shop") == ["Containerfile", "link"]
    assert (OUT / "containerfiles/shop/link").is_symlink()


def test_names_that_yaml_takes_for_something_else(tmp_path: Path) -> None:
    for name in ("2048", "on", "1.10", "null", "0x1f"):
        write(f"{tmp_path}/tree/{name}/Containerfile", "FROM scratch\n")
    names, _ = take_over(tmp_path / "tree", tmp_path / "shop", Request())
    assert resolved(tmp_path / "shop").images.keys() == set(names) == {"2048", "on", "1.10", "null", "0x1f"}


def test_a_value_may_be_for_an_image_that_is_not_taken(tree: Path) -> None:
    write("tree/lost/Containerfile", "ARG LOST\nFROM broken\n")
    names, _ = take_over(tree, OUT, Request({"LOST": "1"}))
    assert "lost" not in names


def test_nothing_is_left_where_writing_fails(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copy2", full)
    with pytest.raises(OSError, match="No space"):
        take_over(tree, OUT, Request())
    assert list(OUT.parent.iterdir()) == []


@pytest.mark.usefixtures("tree")
def test_what_is_refused() -> None:
    write("sets/shop/mine", "")
    write("empty/README", "")
    assert (
        refusal("gone", "x")
        == "error: there is no folder gone [no-match]\n  hint: name the folder of the tree"
    )
    assert refusal("tree", "sets/shop") == (
        "error: sets/shop is there already [file-exists]\n  hint: choose another place with -o"
    )
    assert refusal("tree", "sets/My Shop!") == (
        "error: 'My Shop!' cannot name a set [bad-name]\n  hint: choose a name with -o sets/my-shop"
    )
    Path("loop").symlink_to("loop")
    assert refusal("tree", "loop") == (
        "error: loop is a link [file-exists]\n  hint: choose another place with -o"
    )
    assert refusal("tree", "tree/sets") == (
        "error: tree/sets lies within tree [bad-choice]\n  hint: write the set outside of the tree"
    )
    assert refusal("tree", "x", Request(network=["wep"])) == (
        "error: --network: no image is called 'wep' [no-match]\n  hint: did you mean 'web'?"
    )
    first, *others = refusal("tree", "x", Request({"TAGS": "1"})).split("\n\n")
    assert first == (
        "error: --arg: no Containerfile that can be read declares ARG TAGS [containerfile-argument]\n"
        "  hint: did you mean 'TAG'?"
    )
    # What cannot be read may be what declares it.
    assert "tree/broken/Containerfile:1:6: error: 'broken' is not taken over" in "\n".join(others)
    assert (
        refusal("empty", "x")
        == """\
error: empty holds no image that can be taken over [no-match]
  hint: an image is a folder with a Containerfile or a Dockerfile

error: empty/README is not taken over: it lies in no image's folder [not-taken-over]
  hint: if an image needs it, put it into that image's folder"""
    )
    assert not Path("x").exists()


AROUND = Naming("quay.io", "acme", "centos-", "1")


@pytest.mark.parametrize(
    ("reference", "means"),
    [
        ("base", Meant("base")),
        ("quay.io/acme/centos-base:1", Meant("base")),
        ("acme/centos-base:1", Meant("base")),
        ("base:7", Meant("base", plain=False)),
        ("localhost/base", Meant("base", plain=False)),
        ("quay.io/acme/centos-base:2", Meant("", like="base")),
        ("docker.io/library/base:1", Meant("", like="base")),
        (f"quay.io/acme/centos-base@sha256:{'0' * 64}", Meant("", like="base")),
        ("docker.io/library/busybox:1", Meant("")),
    ],
)
def test_what_a_reference_means(reference: str, means: Meant) -> None:
    assert meant(reference, {"base", "base-nova"}, AROUND) == means


def test_the_set_is_called_as_most_references_call_it() -> None:
    usual = Naming("localhost", "shop", "", "latest")
    names = {"base", "app"}
    assert naming(["base", "busybox:1", "base:2"], names, usual) == usual
    assert naming(["acme/base:2", "acme/app:2", "acme/app:1"], names, usual) == Naming(
        "localhost", "acme", "", "2"
    )
    assert naming(["h:5/a/x-base", "h:5/a/x-app"], names, usual) == Naming("h:5", "a", "x-", "latest")
