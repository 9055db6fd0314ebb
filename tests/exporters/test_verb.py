"""`buildsys export` as a person meets it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from buildsys import cli
from buildsys.exporters import FORMATS
from buildsys.publish.journal import Entry, journal

WriteSet = Callable[[Mapping[str, str]], Path]
DIGEST = "sha256:" + "d" * 64
FILES = {
    "sites/here.yaml": 'site: here\ninstaller: dnf\nbase: {image: "registry.example/base:1"}\n',
    "images/app.yaml": "image: app\nfrom: base\nsteps:\n  - {copy: app.conf, to: /etc/}\ncmd: [serve]\n",
    "files/app.conf": "x\n",
}


@pytest.fixture
def demo(write_set: WriteSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A set of two images; the working directory is the test's own."""
    write_set(FILES)
    monkeypatch.chdir(tmp_path)
    return "./demo"


def run(*words: str) -> int:
    return cli.run(["export", *words])


def test_the_list_names_every_format(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--list") == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [row[0] for row in rows] == list(FORMATS)
    options = {word for row in rows for word in row[2].split()}
    assert {f"--{name.replace('_', '-')}" for item in FORMATS.values() for name in item.options} == options


def test_a_tree_has_the_parents_and_a_list_has_not(demo: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("containerfiles", demo, "app", "-o", "tree") == 0
    assert run("images", demo, "app", "-o", "list", "--tag", "2", "--namespace", "host:5000/a/b") == 0
    assert sorted(path.name for path in Path("tree/images").iterdir()) == ["app", "base"]
    assert Path("list/images.txt").read_text() == "host:5000/a/b/app:2\n"
    assert "tree: 2 images, " in capsys.readouterr().err


def test_a_namespace_that_begins_with_no_host_is_all_namespace(demo: str) -> None:
    assert run("images", demo, "app", "-o", "list", "--namespace", "a/b") == 0
    assert Path("list/images.txt").read_text() == "localhost/a/b/app:latest\n"


def test_digests_and_an_earlier_list_are_read_from_files(demo: str) -> None:
    Path("digests.json").write_text(json.dumps({"app": DIGEST}))
    assert run("images", demo, "-o", "list") == 0
    assert (
        run("release-notes", demo, "-o", "n", "--digests", "digests.json", "--since", "list/images.json") == 0
    )
    assert "* **app**: another digest\n" in Path("n/RELEASE-NOTES.md").read_text()


def test_what_was_published_is_pinned_as_it_is_called_there(
    demo: str, capsys: pytest.CaptureFixture[str]
) -> None:
    there = "docker://192.0.2.1:8787/mine"
    assert run("images", demo, "-o", "list", "--at", there) == 2
    said = f"error: build/demo: nothing was published to the registry {there}\n"
    assert capsys.readouterr().err == said
    known = journal(Path("build/demo"), there)
    known.note("app", Entry("1", "docker", "mine/app", DIGEST, "latest", ("2026.2",)))
    known.finish(("app",), ())
    assert run("images", demo, "-o", "list", "--at", there) == 0
    assert Path("list/images.txt").read_text().splitlines() == [
        "192.0.2.1:8787/mine/base:latest", f"192.0.2.1:8787/mine/app@{DIGEST}",
    ]  # fmt: skip
    said = f"note: by their tags, for nothing is known of them at {there}: base\n"
    assert said in capsys.readouterr().err
    assert run("images", demo, "-o", "list", "--at", there, "--by-tag") == 0
    assert Path("list/images.txt").read_text().splitlines() == [
        "192.0.2.1:8787/mine/base:latest", "192.0.2.1:8787/mine/app:2026.2",
    ]  # fmt: skip
    assert said in capsys.readouterr().err
    assert run("images", demo, "-o", "list", "--by-tag") == 2
    assert "--by-tag needs --at, which names the place that has the tags" in capsys.readouterr().err


def test_an_option_of_another_format_is_refused(demo: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("images", demo, "-o", "list", "--git-url", "https://example.org/x") == 2
    said = "error: --git-url is an option of container-index, not of images\n"
    assert capsys.readouterr().err == said
    assert not Path("list").exists()


def test_the_data_of_a_consumer_stands_beside_the_set(demo: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("openstack-helm", demo, "-o", "out") == 2
    assert capsys.readouterr().err == (
        "error: the set demo has no data for OpenStack-Helm: "
        "demo/exports/openstack-helm.yaml does not exist [no-export-data]\n"
    )
    Path("demo/exports").mkdir()
    Path("demo/exports/openstack-helm.yaml").write_text("chart: {app: app}\n")
    assert run("openstack-helm", demo, "-o", "out") == 0
    assert Path("out/chart.yaml").exists()


def test_each_image_can_be_a_repository_whose_commits_are_equal_anywhere(demo: str) -> None:
    assert run("containerfiles", demo, "-o", "one", "--git") == 0
    assert run("containerfiles", demo, "-o", "two", "--git") == 0
    first = git("one/images/app", "rev-parse", "main")
    assert git("two/images/app", "rev-parse", "main") == first
    assert git("one/images/app", "show", "--format=%an <%ae> %at %cn %ct", "--name-only").split("\n") == [
        "buildsys <buildsys@localhost> 1517443200 buildsys 1517443200", "", "Containerfile", "files/app.conf",
    ]  # fmt: skip
    Path("demo/files/app.conf").write_text("y\n")
    assert run("containerfiles", demo, "-o", "one", "--git") == 0
    assert git("one/images/app", "rev-parse", "main^") == first
    assert git("one/images/base", "rev-list", "--count", "main") == "1"


def git(folder: str, *words: str) -> str:
    command = ["git", "-C", folder, *words]
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_what_git_refuses_is_said(demo: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("containerfiles", demo, "-o", "tree") == 0
    Path("tree/images/app/.git").write_text("nonsense\n")
    capsys.readouterr()
    assert run("containerfiles", demo, "-o", "tree", "--git") == 1
    assert "error: app: git: fatal: invalid gitfile format" in capsys.readouterr().err
