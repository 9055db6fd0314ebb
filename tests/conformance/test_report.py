"""The report says what was checked, names what is wrong, and ends in one line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from . import facts as known
from .__main__ import main
from .check import Report, check
from .model import BuiltImage
from .perfect import PerfectSet
from .report import failed, last_line, markdown

FACTS = known.load()


def checked(given: PerfectSet, **changed: BuiltImage) -> Report:
    return check(FACTS, {**given.images, **changed}, given.references)


def test_a_perfect_set_is_reported_in_full(perfect_set: PerfectSet) -> None:
    report = checked(perfect_set)
    text = markdown(report)
    lines = text.splitlines()
    assert not failed(report)
    assert sum(line.startswith("| ") for line in lines) == 109
    row = "| etcd | base | 11/11 | 3/3 | 2/2 |  | 6/6 | 120/120 |  |"
    assert row in lines
    assert lines[-3] == "steps: 460 of 460: 458 passed, 0 failed, 1 overtaken, 1 unobservable"
    assert lines[-1] == last_line(report)
    assert last_line(report).startswith("conformance: 108/108 images, ")
    assert last_line(report).endswith(" facts checked, 0 failed, 1 not observable")


def test_a_failure_names_image_fact_expected_and_found(perfect_set: PerfectSet) -> None:
    etcd = perfect_set.images["etcd"]
    report = checked(perfect_set, etcd=replace(etcd, config=replace(etcd.config, user="root")))
    assert failed(report)
    assert "* etcd: user etcd: expected etcd, found root" in markdown(report).splitlines()
    assert last_line(report).startswith("conformance: 107/108 images, ")
    assert " facts checked, 1 failed, " in last_line(report)


def test_what_descendants_inherit_is_one_line(perfect_set: PerfectSet) -> None:
    images = dict(perfect_set.images)
    for name in ("aodh-base", "aodh-api"):
        image = images[name]
        packages = {key: item for key, item in image.packages.items() if key != "mod_ssl"}
        images[name] = replace(image, packages=packages)
    text = markdown(checked(perfect_set, **images))
    wrong = [line for line in text.splitlines() if "package mod_ssl" in line]
    assert wrong == ["* aodh-base: package mod_ssl: expected mod_ssl, found not installed (also in aodh-api)"]


def test_a_store_that_cannot_be_read_is_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "kolla.rpm"
    status = main(["--store", str(tmp_path), "--runroot", str(tmp_path), "--kolla-rpm", str(missing)])
    assert status == 2
    assert capsys.readouterr().err == f"conformance: not found: {missing}\n"


def test_a_tool_that_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["--store", str(tmp_path), "--runroot", str(tmp_path)]) == 3
    assert capsys.readouterr().err == "conformance: not found: buildah\n"
