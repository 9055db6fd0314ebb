"""Containerfiles of sets with every kind of instruction: as they stand, and as other readers see them."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from dockerfile_parse import DockerfileParser  # type: ignore[import-untyped]

from buildsys.diagnostics import Refused, Spot
from buildsys.exporters import FORMATS
from buildsys.exporters.request import Export, Request
from buildsys.image import ImageSet, OciConfig, Repository, Run
from buildsys.lock.requests import buildable
from buildsys.packages import MANAGERS
from buildsys.recipe.library import load_set
from buildsys.resolve import resolve
from tests.conftest import ROOT
from tests.exporters.sets import data_set, request
from tests.plan.sets import BASE, every_kind, image, image_set

HERE = Path(__file__).parent
WORDS = {
    "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "RUN",
    "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
}  # fmt: skip


def exported(made: ImageSet, tmp_path: Path, **options: str) -> Export:
    root = tmp_path / "root.tar.gz"
    root.write_bytes(b"")
    return FORMATS["containerfiles"].export(request(made, roots={"base": root}, options=options))


@pytest.mark.parametrize("kind", ["unlocked", "named", "carried"])
def test_every_instruction(kind: str, golden: Callable[[str, Path], None], tmp_path: Path) -> None:
    made = every_kind(tmp_path, under_lock=kind != "unlocked")
    options = {} if kind == "unlocked" else {"packages": kind}
    export = exported(made, tmp_path, **options)
    golden(export.texts["images/every/Containerfile"], HERE / f"expected/every.{kind}")
    golden("".join(f"{name}\n" for name in sorted(export.links)), HERE / f"expected/links.{kind}")


def test_a_root_that_was_filled_from_outside_is_an_archive(tmp_path: Path) -> None:
    export = exported(every_kind(tmp_path), tmp_path)
    text = export.texts["images/base/Containerfile"]
    assert "FROM scratch\n" in text
    assert "ADD root.tar.gz /\n" in text
    assert "RUN" not in text
    assert export.links["images/base/root.tar.gz"].name == "root.tar.gz"
    said = "base: filled from outside, so its root is there as an archive, root.tar.gz"
    assert said in export.notes
    assert f"B{said[1:]}." in export.texts["README.md"]


def instructions(text: str) -> list[str]:
    """Lines as a builder joins them: comments go away, then a backslash continues its line."""
    kept = "".join(line for line in text.splitlines(keepends=True) if not line.lstrip().startswith("#"))
    return [line for line in kept.replace("\\\n", "").splitlines() if line.strip()]


def test_each_line_is_an_instruction_and_each_run_is_shell(tmp_path: Path) -> None:
    require_sound(data_set(tmp_path), 4)


def test_all_of_pike_can_be_said() -> None:
    library = load_set(ROOT / "recipes/stable-pike")
    made = buildable(resolve(library, site="rdo", variables={}, stand_ins=None))
    require_sound(made, 104)


def require_sound(made: ImageSet, count: int) -> None:
    """Every Containerfile of the set is one to other readers: its instructions, and the shell of each RUN."""
    texts = FORMATS["containerfiles"].export(request(made)).texts
    files = {name: text for name, text in texts.items() if name.endswith("/Containerfile")}
    assert len(files) == count
    shell = []
    for text in files.values():
        for line in instructions(text):
            word, _, rest = line.partition(" ")
            assert word in WORDS, line
            if word == "RUN" and rest.startswith("["):
                assert all(isinstance(item, str) for item in json.loads(rest))
            elif word == "RUN":
                shell.append(rest)
    subprocess.run(["sh", "-n"], input="\n".join(shell), text=True, check=True)


def test_another_reader_sees_the_same_image(tmp_path: Path) -> None:
    made = data_set(tmp_path)
    texts = FORMATS["containerfiles"].export(request(made)).texts
    stream = BytesIO(texts["images/every/Containerfile"].encode())
    parser = DockerfileParser(fileobj=stream, env_replace=False)
    assert parser.parent_images == ["localhost/tests/t-base:1"]
    config = made.images["every"].config
    assert {name: value.replace("\\$", "$") for name, value in parser.labels.items()} == config.labels
    assert parser.envs == config.env
    words = [item["instruction"] for item in parser.structure if item["instruction"] != "COMMENT"]
    assert words[:3] == ["FROM", "USER", "ARG"]
    assert set(words) <= WORDS
    values = {item["instruction"]: item["value"] for item in parser.structure}
    assert json.loads(values["ENTRYPOINT"]) == list(config.entrypoint or ())
    assert json.loads(values["CMD"]) == ["kolla_start", "a b"]
    assert values["USER"] == "nova"
    assert values["STOPSIGNAL"] == "SIGTERM"


def test_order_names_parents_before_children(tmp_path: Path) -> None:
    rows = exported(every_kind(tmp_path), tmp_path).texts["build-order"].splitlines()
    assert rows == [
        "base localhost/tests/t-base:1",
        "tools localhost/tests/t-tools:1 base",
        "every localhost/tests/t-every:1 base tools",
        "given localhost/tests/t-given:1 base tools",
    ]


def test_a_child_of_an_image_with_a_user_works_as_root_and_ends_as_that_user(tmp_path: Path) -> None:
    parent = image("parent", BASE, config=OciConfig(user="nova:kolla"))
    child = image("child", "parent", Run(argv=("true",), open_files=0))
    own = image("own", "parent", config=OciConfig(user="root"))
    texts = FORMATS["containerfiles"].export(request(image_set(tmp_path, [parent, child, own]))).texts
    said = {name: instructions(texts[f"images/{name}/Containerfile"]) for name in ("parent", "child", "own")}
    epoch = "ARG SOURCE_DATE_EPOCH=1517443200"
    assert said["child"][1:] == ["USER root", epoch, "RUN true", "USER nova:kolla"]
    assert said["own"][1:] == ["USER root", "USER root"]
    assert said["parent"][1:] == ["USER nova:kolla"]


def test_an_entrypoint_does_not_lose_the_parents_command(tmp_path: Path) -> None:
    parent = image("parent", BASE, config=OciConfig(cmd=("serve", "a b")))
    child = image("child", "parent", config=OciConfig(entrypoint=("init",)))
    texts = FORMATS["containerfiles"].export(request(image_set(tmp_path, [parent, child]))).texts
    ends = instructions(texts["images/child/Containerfile"])[1:]
    assert ends == ['ENTRYPOINT ["init"]', 'CMD ["serve", "a b"]']


def test_a_line_break_in_a_label_is_refused_with_its_place(tmp_path: Path) -> None:
    one = image("one", BASE, config=OciConfig(labels={"a": "x\ny"}, env={"B": "\n"}))
    one = replace(one, spots={"labels.a": Spot("one.yaml", 3, 9)})
    with pytest.raises(Refused) as refused:
        FORMATS["containerfiles"].export(request(image_set(tmp_path, [one])))
    assert refused.value.text() == (
        "one.yaml:3:9: error: a Containerfile cannot express the line break in the value of a "
        "[not-in-a-containerfile]\n  hint: write it on one line\n\n"
        "recipes/tiny/images/one.yaml:1:8: error: a Containerfile cannot express the line break in the "
        "value of B [not-in-a-containerfile]\n  hint: write it on one line"
    )


def test_nothing_of_this_host_is_in_a_tree(tmp_path: Path) -> None:
    made = data_set(tmp_path / "somewhere")
    texts = FORMATS["containerfiles"].export(request(made)).texts
    assert not [name for name, text in texts.items() if str(tmp_path) in text]


def test_repositories_are_the_sites_and_none_of_the_image(tmp_path: Path) -> None:
    site = replace(
        every_kind(tmp_path).site,
        inside=True,
        repositories=(
            Repository("local", "/srv/repo", "", "/srv/key", ""),
            Repository("far", "", "https://r.example/os/", "https://r.example/key", ""),
            Repository("open", "", "https://r.example/open/", "", ""),
        ),
    )
    text = MANAGERS["dnf"].configuration(replace(site, inside=False))["packages.conf"]
    assert "reposdir=/dev/null\n" in text
    sections = dict(re.findall(r"^\[(.*)\]\n((?:.+\n)+)", text, re.MULTILINE))
    assert sections["local"].splitlines()[1:] == [
        "baseurl=file:///.buildsys/repositories/local",
        "gpgkey=file:///.buildsys/keys/local",
    ]
    assert "gpgkey=https://r.example/key" in sections["far"]
    assert sections["open"].splitlines()[1:] == ["baseurl=https://r.example/open/", "gpgcheck=0"]
    # Where the installer runs inside, a path is one of the image.
    assert "gpgkey=file:///srv/key\n" in MANAGERS["dnf"].configuration(site)["packages.conf"]


def test_a_part_of_a_set_takes_its_parents_from_where_they_are(tmp_path: Path) -> None:
    of: Request = replace(request(data_set(tmp_path)), names=("last",))
    texts = FORMATS["containerfiles"].export(of).texts
    assert "FROM localhost/tests/t-every:1\n" in texts["images/last/Containerfile"]
    assert texts["build-order"] == "last localhost/tests/t-last:1 every\n"
