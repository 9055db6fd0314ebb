"""Secrets on the command line: files by name, and only of names that a Containerfile mounts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click
import pytest

from buildsys.cli.build import _check_secrets as check_secrets
from buildsys.cli.build import _named_files as named_files
from buildsys.image import Containerfile, Secret
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


def test_names_that_no_containerfile_mounts(tmp_path: Path) -> None:
    step = Containerfile(
        folder=str(tmp_path), name="Containerfile", text="", lines=(), images=(), others=(), arguments=(),
        dated=False, network=False, secrets=(Secret("token", required=True, file=""),),
    )  # fmt: skip
    made = replace(image_set(tmp_path, []), images={"app": image("app", "base", step)})
    check_secrets(["token=/x"], made)
    with pytest.raises(click.BadParameter) as refused:
        check_secrets(["tokn=/x"], made)
    assert refused.value.message == "no Containerfile of tiny mounts a secret 'tokn'; did you mean 'token'?"
