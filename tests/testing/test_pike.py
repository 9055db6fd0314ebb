"""stable-pike, whole: every image passes, and the set is promoted."""

from __future__ import annotations

import os
import subprocess
import xml.etree.ElementTree as ET

import pytest

from buildsys.testing.passed import promoted
from tests.conftest import ROOT, BuiltPike


@pytest.mark.real
def test_every_image_is_tried_and_passes(built_pike: BuiltPike) -> None:
    command = [str(ROOT / ".venv/bin/buildsys"), "test", "stable-pike", "--build-dir", str(built_pike.build)]
    environment = {**os.environ, "BS_STORE": built_pike.store.options, "MAKEFLAGS": ""}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("stable-pike: 108 tried: 108 passed; promoted\n")
    suites = ET.parse(built_pike.plan / "results/junit.xml").getroot()  # noqa: S314 - we wrote it
    images = {path.stem for path in (built_pike.plan / "steps").iterdir()}
    assert {suite.get("name") for suite in suites} == {f"stable-pike.image.{name}" for name in images}
    # Each was started as its user, at least, and its files were looked at.
    assert all({"setuid"} < {case.get("name") for case in suite.findall("testcase")} for suite in suites)
    assert (promoted(built_pike.plan) or {}).keys() == images
