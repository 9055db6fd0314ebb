"""Secrets on the command line: files by name, and only of names that a Containerfile mounts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click
import pytest

from buildsys import cli
from buildsys.cli import build, periodic, surroundings
from buildsys.cli import test as test_verb
from buildsys.cli.output import Ended
from buildsys.cli.secrets import _named_files as named_files
from buildsys.cli.secrets import check_secrets
from buildsys.image import Containerfile, ImageSet, Secret
from buildsys.pipeline import Pipeline
from buildsys.run import make
from buildsys.run.make import RunOptions
from tests.plan.sets import image, image_set


def test_files_are_named_from_the_root_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b c").write_text("x")
    assert named_files(["token=a=b c"]) == (f"token={tmp_path}/a=b c",)
    given = RunOptions(secrets=named_files(["token=a=b c"])).environment({"BS_SECRETS": "other=/x"})
    assert given["BS_SECRETS"] == f"other=/x 'token={tmp_path}/a=b c'"
    assert "BS_SECRETS" not in RunOptions().environment({})


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("token", "'token' is not NAME=FILE"),
        ("=x", "'=x' is not NAME=FILE"),
        ("token=", "'token=' is not NAME=FILE"),
        ("token=gone", "token: cannot read gone: no such file or directory"),
        ("token=.", "token: cannot read .: is a directory"),
        ("token=/dev/null", "token: /dev/null is not a file"),
    ],
)
def test_what_is_no_secret(value: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(click.BadParameter) as refused:
        named_files([value])
    assert refused.value.message == said


def mounting(folder: Path) -> ImageSet:
    """A set with a Containerfile that mounts the secret `token`."""
    step = Containerfile(
        folder=str(folder), name="Containerfile", text="", lines=(), images=(), others=(), arguments=(),
        dated=False, network=False, secrets=(Secret("token", required=True, file=""),),
    )  # fmt: skip
    return replace(image_set(folder, []), images={"app": image("app", "base", step)})


@pytest.mark.parametrize("verb", ["build", "test", "periodic"])
def test_each_verb_that_builds_supplies_them(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "token").write_text("x")
    seen: list[RunOptions] = []

    def run(_directory: Path, *words: object) -> int:
        seen.extend(word for word in words if isinstance(word, RunOptions))
        raise Ended(7)

    for module in (build, test_verb, periodic):
        monkeypatch.setattr(module, "write_plan", lambda *_, **__: (mounting(tmp_path), ()))
    for module in (surroundings, test_verb, periodic):
        monkeypatch.setattr(module, "enter_user_namespace", lambda: None)
    monkeypatch.setattr(Pipeline, "update_lock", lambda _: [])
    monkeypatch.setattr(make, "run", run)
    monkeypatch.setattr(make, "wait", run)
    assert cli.run([verb, "./demo", "--secret", "token=token"]) == 7
    assert [item.secrets for item in seen] == [(f"token={tmp_path}/token",)]
    assert cli.run([verb, "./demo", "--secret", "tokn=token"]) == 2
    assert "no Containerfile of tiny mounts a secret 'tokn'; did you mean 'token'?" in capsys.readouterr().err
    assert len(seen) == 1


def test_names_that_no_containerfile_mounts(tmp_path: Path) -> None:
    made = mounting(tmp_path)
    check_secrets(["token=/x"], made)
    with pytest.raises(click.BadParameter) as refused:
        check_secrets(["tokn=/x"], made)
    assert refused.value.message == "no Containerfile of tiny mounts a secret 'tokn'; did you mean 'token'?"
