"""What the neutral formats and the Container Pipeline's say, read by other readers than ours."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from buildsys.diagnostics import Refused, Spot
from buildsys.exporters import FORMATS
from buildsys.exporters.request import Data, Naming, Request
from buildsys.exporters.text import yaml as written
from buildsys.image import (
    BaseImage,
    CopyImage,
    EmptyRoot,
    HealthCheck,
    Image,
    LockedPackage,
    OciConfig,
    Touch,
    Transaction,
)
from tests.exporters.sets import request
from tests.plan.sets import every_kind, image, image_set, locked, package

DIGEST = "sha256:" + "b" * 64
BASE = BaseImage("localhost/centos/centos:7")


def images() -> list[Image]:
    """A parent, two children, and one that reads both."""
    check = HealthCheck(("CMD", "check", "it's"))
    return [
        image("base", BASE, config=OciConfig(healthcheck=check)),
        image("api", "base", Transaction(packages=(locked("tree"),), requested=(package("tree"),))),
        image("web.ui", "base", CopyImage(image="api", source="/x", to="/x", mode="", owner="")),
        image("alone", BASE, Touch(paths=("/x",), mode=""), config=OciConfig(annotations={"a.b": "c"})),
    ]


def told(path: Path, **more: object) -> Request:
    return request(image_set(path, images()), **more)


def export(form: str, of: Request) -> dict[str, str]:
    return FORMATS[form].export(of).texts


# ── YAML ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "value",
    [
        {"a": "yes", "no": "1", "b:c": "x: y", "": "", "~": "null", "1e3": "0x1"},
        {"list": ["a", {"b": ["c", {"d": "e"}]}, "- f", [], {}], "empty": [], "none": None, "true": True},
        ["2017-08-30", "=", "<<", "a #b", "#c", "é\n\t", "-", "a:", "host:8787/a/b:c", "10:20", "OS::A::B"],
    ],
)
def test_what_is_written_is_what_every_reader_of_yaml_reads(value: Any) -> None:
    assert yaml.safe_load(written(value, "a comment\n\nof lines")) == value


# ── lists ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_lists_name_every_image_parents_first(tmp_path: Path) -> None:
    texts = export("images", told(tmp_path, digests={"api": DIGEST}))
    assert texts["images.txt"].splitlines() == [
        "localhost/tests/t-alone:1",
        "localhost/tests/t-base:1",
        f"localhost/tests/t-api@{DIGEST}",
        "localhost/tests/t-web.ui:1",
    ]
    data = json.loads(texts["images.json"])
    assert {key: data[key] for key in ("set", "site", "format")} == {
        "set": "tiny", "site": "none", "format": "docker",
    }  # fmt: skip
    assert data["images"][2] == {
        "image": "api",
        "reference": "localhost/tests/t-api:1",
        "digest": DIGEST,
        "tags": [],
        "parent": "base",
        "reads": [],
        "healthcheck": ["CMD", "check", "it's"],
        "packages": [{"name": "tree", "evr": "1.0-1", "arch": "noarch"}],
    }
    assert data["images"][3]["reads"] == ["api"]
    assert data["images"][0]["parent"] is None


def test_an_image_is_named_by_the_last_tag_that_it_was_published_with(tmp_path: Path) -> None:
    tags = {"api": ("1", "2026.1", "2026.2"), "base": ("1", "2026.1"), "web.ui": ("1",)}
    texts = export("images", told(tmp_path, tags=tags))
    assert texts["images.txt"].splitlines() == [
        "localhost/tests/t-alone:1",
        "localhost/tests/t-base:2026.1",
        "localhost/tests/t-api:2026.2",
        "localhost/tests/t-web.ui:1",
    ]
    rows = {row["image"]: row for row in json.loads(texts["images.json"])["images"]}
    assert rows["api"]["tags"] == ["1", "2026.1", "2026.2"]
    assert rows["api"]["reference"] == "localhost/tests/t-api:2026.2"
    (text,) = export("kolla-ansible", told(tmp_path, tags={"alone": ("1", "2026.2")})).values()
    assert yaml.safe_load(text)["alone_image_full"] == "localhost/tests/t-alone:2026.2"
    # A tag that the caller names counts for all images.
    texts = export("images", told(tmp_path, tags=tags, naming=Naming(tag="7")))
    assert "localhost/tests/t-api:7" in texts["images.txt"]


# ── Kolla-Ansible, OpenStack-Helm, bake ─────────────────────────────────────────────────────────────────────


def test_kolla_ansible_has_a_variable_for_what_is_a_service(tmp_path: Path) -> None:
    naming = Naming(registry="registry.example", tag="2")
    (text,) = export("kolla-ansible", told(tmp_path, naming=naming)).values()
    assert yaml.safe_load(text) == {
        "docker_registry": "registry.example",
        "docker_namespace": "tests",
        "openstack_release": "2",
        "alone_image_full": "registry.example/tests/t-alone:2",
        "web_ui_image_full": "registry.example/tests/t-web.ui:2",
    }


START = OciConfig(cmd=("kolla_start",))
MISSED = (
    "nothing says that containers of {} start with it, and without it they run without that configuration"
)
STARTS: list[tuple[OciConfig, OciConfig, str]] = [
    (START, OciConfig(), ""),
    (OciConfig(), OciConfig(), "api and more"),
    (OciConfig(entrypoint=("dumb-init", "--")), OciConfig(cmd=("/usr/bin/kolla_start",)), ""),
    (START, OciConfig(cmd=("httpd",)), "api and more"),
    (OciConfig(entrypoint=("/usr/local/bin/kolla_start",)), OciConfig(cmd=("httpd",)), ""),
]


@pytest.mark.parametrize(("base", "api", "missing"), STARTS)
def test_who_starts_images_another_way_is_told_what_it_misses(
    base: OciConfig, api: OciConfig, missing: str, tmp_path: Path
) -> None:
    made = [image("base", BASE, config=base), image("api", "base", config=api), image("more", "api")]
    of = request(image_set(tmp_path, made))
    notes = FORMATS["kolla-ansible"].export(of).notes
    assert [note.partition(": ")[2] for note in notes] == ([MISSED.format("more")] if missing else [])
    data = {name: {"parameters": [f"Docker{name}Image"]} for name in ("api", "more")}
    notes = FORMATS["tripleo"].export(replace(of, data=Data("x", data))).notes
    assert [note.partition(": ")[2] for note in notes] == ([MISSED.format(missing)] if missing else [])


def test_images_without_any_command_are_told_in_few_words(tmp_path: Path) -> None:
    made = [image(f"a{number}", EmptyRoot()) for number in range(9)]
    (note,) = FORMATS["kolla-ansible"].export(request(image_set(tmp_path, made))).notes
    assert "of a0, a1, a2, a3, a4 and 4 more start" in note


def test_tags_that_stay_with_a_chart_are_told(tmp_path: Path) -> None:
    of = replace(
        told(tmp_path, data=Data("x", {"web": {"api": "api", "ui": "web.ui"}})), names=("base", "api")
    )
    assert FORMATS["openstack-helm"].export(of).notes == ("web: the chart's own images stay for ui",)


def test_kolla_ansible_takes_the_names_that_the_set_says(tmp_path: Path) -> None:
    data = Data("k.yaml", {"base": ["one", "two"]})
    (text,) = export("kolla-ansible", told(tmp_path, data=data)).values()
    assert {"one_image_full", "two_image_full"} < yaml.safe_load(text).keys()


def test_openstack_helm_has_a_file_a_chart(tmp_path: Path) -> None:
    data = Data("o.yaml", {"web": {"ui": "web.ui", "api": "api"}, "other": {"x": "alone"}})
    of = replace(told(tmp_path, data=data, digests={"api": DIGEST}), names=("base", "api", "web.ui"))
    texts = export("openstack-helm", of)
    assert list(texts) == ["web.yaml"]
    tags = {"api": f"localhost/tests/t-api@{DIGEST}", "ui": "localhost/tests/t-web.ui:1"}
    assert yaml.safe_load(texts["web.yaml"]) == {"images": {"tags": tags}}


@pytest.mark.parametrize("form", ["openstack-helm", "kolla-ansible"])
def test_data_that_names_no_image_is_refused(form: str, tmp_path: Path) -> None:
    content: Any = {"web": {"ui": "ap"}} if form == "openstack-helm" else {"ap": ["x"]}
    data = Data("d.yaml", content, lambda *path: Spot("d.yaml", 2, len(path)))
    with pytest.raises(Refused) as refused:
        export(form, told(tmp_path, data=data))
    column = 2 if form == "openstack-helm" else 1
    assert refused.value.text() == (
        f"d.yaml:2:{column}: error: no image is called 'ap' [unknown-image]\n  hint: did you mean 'api'?"
    )


def test_bake_links_each_target_to_those_it_is_made_from(tmp_path: Path) -> None:
    texts = export("bake", told(tmp_path))
    data = json.loads(texts["docker-bake.json"])
    assert data["group"] == {"default": {"targets": ["alone", "base", "api", "web_ui"]}}
    assert data["target"]["web_ui"] == {
        "context": "images/web.ui",
        "dockerfile": "Containerfile",
        "tags": ["localhost/tests/t-web.ui:1"],
        "contexts": {"localhost/tests/t-base:1": "target:base", "localhost/tests/t-api:1": "target:api"},
    }
    assert data["target"]["alone"]["annotations"] == ["a.b=c"]
    for name, target in data["target"].items():
        assert re.fullmatch(r"[a-zA-Z0-9_-]+", name)
        said = texts[f"{target['context']}/{target['dockerfile']}"]
        # Whatever a Containerfile takes from the set is linked, or bake would pull it.
        used = set(re.findall(r"(?:^FROM |--from=)(localhost/tests/\S+)", said, re.MULTILINE))
        assert used == set(target.get("contexts", {}))


# ── CentOS Container Pipeline ───────────────────────────────────────────────────────────────────────────────

KEYS: dict[str, Any] = {
    "id": int, "app-id": str, "job-id": str, "git-url": str, "git-branch": str, "git-path": str,
    "target-file": str, "desired-tag": str, "notify-email": str, "build-context": str,
    "depends-on": (str, list, type(None)),
}  # fmt: skip
"""What an entry of the index has, all of it."""
PIPELINE = {"git_url": "https://example.org/tiny", "notify_email": "x@example.org"}


def test_the_index_has_an_entry_an_image_after_all_it_is_made_from(tmp_path: Path) -> None:
    texts = export("container-index", told(tmp_path, options=PIPELINE))
    index = yaml.safe_load(texts["index.d/tests.yaml"])
    assert list(index) == ["Projects"]
    entries = index["Projects"]
    for entry in entries:
        assert list(entry) == list(KEYS)
        assert all(isinstance(entry[key], kind) for key, kind in KEYS.items()), entry
        assert texts[f"{entry['git-path']}/{entry['target-file']}"].startswith("# ")
        job = yaml.safe_load(texts[f"{entry['git-path']}/cccp.yml"])
        assert job == {"job-id": entry["job-id"], "test-skip": True}
    assert len({entry["id"] for entry in entries}) == len(entries)
    names = [(entry["app-id"], entry["job-id"], entry["desired-tag"]) for entry in entries]
    assert len(set(names)) == len(entries)
    assert {entry["job-id"]: entry["depends-on"] for entry in entries} == {
        "t-alone": "centos/centos:7",
        "t-base": "centos/centos:7",
        "t-api": "tests/t-base:1",
        "t-web.ui": ["tests/t-base:1", "tests/t-api:1"],
    }


def test_a_base_of_another_registry_is_no_container_of_the_index(tmp_path: Path) -> None:
    naming = Naming(registry="registry.example")
    texts = export("container-index", told(tmp_path, naming=naming, options=PIPELINE))
    entries = yaml.safe_load(texts["index.d/tests.yaml"])["Projects"]
    assert [entry["depends-on"] for entry in entries if entry["job-id"] == "t-base"] == [None]


def test_the_index_needs_to_know_where_and_who(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        export("container-index", told(tmp_path))
    assert refused.value.text() == (
        "error: the format container-index needs --git-url: the repository that this tree is pushed to "
        "[export-needs-option]\n\n"
        "error: the format container-index needs --notify-email: the address for mails about failures "
        "[export-needs-option]"
    )


@pytest.mark.parametrize(
    ("kind", "system", "names", "called"),
    [
        ("container-index", "the pipeline", ("a-b", "a.b"), "tests-t-a-b-1"),
        ("bake", "bake", ("py3.9", "py3_9"), "py3_9"),
        ("kolla-ansible", "Kolla-Ansible", ("a-b", "a.b"), "a_b_image_full"),
    ],
)
def test_two_images_that_another_system_would_call_the_same(
    tmp_path: Path, kind: str, system: str, names: tuple[str, str], called: str
) -> None:
    options = PIPELINE if kind == "container-index" else {}
    of = request(image_set(tmp_path, [image(name, BASE) for name in names]), options=options)
    with pytest.raises(Refused) as refused:
        export(kind, of)
    one, other = names
    assert refused.value.text() == (
        f"recipes/tiny/images/{other}.yaml:1:8: error: {one} and {other} would have the same name "
        f"in {system}: {called} [export-bad-name]"
    )


def test_two_images_that_are_given_one_variable_of_kolla_ansible(tmp_path: Path) -> None:
    made = image_set(tmp_path, [image("a-b", BASE), image("a.b", BASE), image("c", BASE)])
    places = {
        "a-b": Spot("exports.yaml", 1, 1),
        "c": Spot("exports.yaml", 2, 1),
        "a.b": Spot("exports.yaml", 3, 1),
    }
    told = Data("exports.yaml", {"a-b": ["x"], "c": ["y", "x"], "a.b": []}, lambda *path: places[path[0]])
    with pytest.raises(Refused) as refused:
        export("kolla-ansible", request(made, data=told))
    assert refused.value.text() == (
        "exports.yaml:2:1: error: a-b and c would have the same name in Kolla-Ansible: x_image_full "
        "[export-bad-name]"
    )


def test_a_name_that_the_pipeline_does_not_take(tmp_path: Path) -> None:
    of = request(image_set(tmp_path, [image("a", BASE)]), options=PIPELINE, naming=Naming(tag="1_"))
    with pytest.raises(Refused) as refused:
        export("container-index", of)
    assert refused.value.text() == (
        "recipes/tiny/images/a.yaml:1:8: error: the pipeline cannot have a job named tests-t-a-1- "
        "[export-bad-name]"
    )


# ── release notes ───────────────────────────────────────────────────────────────────────────────────────────

NOTES = f"""\
# tiny, 1

4 images of the site none, 1 with their digest.

## Changes

* **web.ui** is new
* **old** is gone
* **alone**: another parent
* **api**: another digest
  * gone.x86_64 1-1 is gone
  * tree.noarch 0.9-1 → 1.0-1

## Images

| image | reference | digest |
|---|---|---|
| alone | `localhost/tests/t-alone:1` |  |
| base | `localhost/tests/t-base:1` |  |
| api | `localhost/tests/t-api:1` | `{DIGEST}` |
| web.ui | `localhost/tests/t-web.ui:1` |  |

## Packages

Each with the images that install it; their children have it too.

| package | version | installed by |
|---|---|---|
| tree | 1.0-1 | api |
"""


def test_release_notes_say_what_changed(tmp_path: Path) -> None:
    before = json.loads(export("images", told(tmp_path))["images.json"])["images"]
    previous = {row["image"]: row for row in before if row["image"] != "web.ui"}
    previous["old"] = previous["base"]
    previous["alone"]["parent"] = "other"
    previous["api"]["packages"] = [
        {"name": "tree", "evr": "0.9-1", "arch": "noarch"},
        {"name": "gone", "evr": "1-1", "arch": "x86_64"},
    ]
    of = told(tmp_path, digests={"api": DIGEST}, previous=previous)
    assert export("release-notes", of) == {"RELEASE-NOTES.md": NOTES}


def test_release_notes_of_what_is_as_it_was(tmp_path: Path) -> None:
    before = json.loads(export("images", told(tmp_path))["images.json"])["images"]
    text = export("release-notes", told(tmp_path, previous={row["image"]: row for row in before}))
    assert "\n## Changes\n\nNone.\n\n## Images" in text["RELEASE-NOTES.md"]


def test_packages_are_told_apart_by_version_and_epoch(tmp_path: Path) -> None:
    def at(epoch: str, version: str) -> LockedPackage:
        return replace(locked("tree-x"), epoch=epoch, version=version)

    def made(*items: LockedPackage) -> Request:
        step = Transaction(packages=items, requested=())
        return request(image_set(tmp_path, [image("a", BASE, step)]))

    before = json.loads(export("images", made(at("0", "2.0")))["images.json"])["images"]
    after = replace(made(at("1", "1.0")), previous={row["image"]: row for row in before})
    assert "  * tree-x.noarch 2.0-1 → 1:1.0-1\n" in export("release-notes", after)["RELEASE-NOTES.md"]
    # Debian's own packages have no release, and names have dashes.
    plain = replace(locked("base-files"), version="12.4+deb12u5", release="")
    before = json.loads(export("images", made(plain))["images.json"])["images"]
    after = replace(made(replace(plain, version="12.5")), previous={row["image"]: row for row in before})
    text = export("release-notes", after)["RELEASE-NOTES.md"]
    assert "  * base-files.noarch 12.4+deb12u5 → 12.5\n" in text


def test_a_containerfile_of_its_own_keeps_its_words_but_for_names(tmp_path: Path) -> None:
    made = every_kind(tmp_path)
    (tmp_path / "containerfiles/given/out").symlink_to("/etc/passwd")
    naming = Naming(registry="registry.example.org", tag="2")
    export = FORMATS["bake"].export(request(made, naming=naming, roots={"base": tmp_path / "root"}))
    assert export.texts["images/given/Containerfile"] == (
        "FROM registry.example.org/tests/t-base:2\n"
        "COPY --from=registry.example.org/tests/t-tools:2 /opt/tool /\n"
        "COPY --from=example.org/a /a /b\n"
        "LABEL a=b\n"
    )
    assert export.texts["images/given/arguments"] == f"VERSION=1 2\nSOURCE_DATE_EPOCH={made.epoch}\n"
    assert export.texts["images/given/annotations"] == "c=d\n"
    # A link that leads out brings nothing along.
    assert "images/given/context/out" not in export.links
    assert export.notes[-4:-1] == (
        "given: built in the folder context/ next to the Containerfile",
        "arguments of Containerfiles have their values in `arguments`: build.sh gives them as options",
        "given: links to files of the context are there as files, others are not there",
    )
    target = json.loads(export.texts["docker-bake.json"])["target"]["given"]
    options = {"git_url": "https://git.example.org/x", "notify_email": "a@example.org"}
    naming = Naming(registry="example.org")
    asked = request(made, naming=naming, roots={"base": tmp_path / "root"}, options=options)
    index = yaml.safe_load(FORMATS["container-index"].export(asked).texts["index.d/tests.yaml"])
    (entry,) = (item for item in index["Projects"] if item["job-id"] == "t-given")
    assert entry["build-context"] == "./context"
    assert entry["depends-on"] == ["a:latest", "tests/t-base:1", "tests/t-tools:1"]
    assert (target["context"], target["dockerfile"]) == ("images/given/context", "../Containerfile")
    assert target["args"] == {"VERSION": "1 2", "SOURCE_DATE_EPOCH": str(made.epoch)}
    assert target["contexts"] == {
        "registry.example.org/tests/t-base:2": "target:base",
        "registry.example.org/tests/t-tools:2": "target:tools",
    }
