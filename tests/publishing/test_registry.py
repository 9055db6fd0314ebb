"""Publishing to the real distribution registry."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.publishing.conftest import NAMES, Bench, Running, only

pytestmark = pytest.mark.real


def test_a_set_is_published_whole_and_only_once(bench: Bench, registry: Running, tmp_path: Path) -> None:
    outcome = only(bench.publish(registry.destination))
    assert (outcome.images, outcome.tags) == (5, 5)
    assert set(registry.tags()) == {f"{name}:1" for name in NAMES}
    asked = registry.requests()
    uploads = [line for line in asked if line.startswith("PUT /v2/") and "/blobs/uploads/" in line]
    digests = Counter(line.rpartition("digest=")[2] for line in uploads)
    assert set(digests.values()) == {1}
    assert outcome.blobs == len(uploads)
    # The base's layer is lent, never sent again; and tags come when all else is there.
    tagged = [
        number for number, line in enumerate(asked) if line.startswith("PUT") and "/manifests/1 " in line
    ]
    others = [n for n, line in enumerate(asked) if line.split()[0] in ("PUT", "POST") and n not in tagged]
    assert min(tagged) > max(others)

    before = len(asked)
    outcome = only(bench.publish(registry.destination))
    assert (outcome.images, outcome.blobs, outcome.tags) == (0, 0, 0)
    # One question an image and tag, after the greeting.
    again = sorted(registry.requests()[before:])
    assert again == ["GET /v2/ 200", *sorted(f"HEAD /v2/tests/t-{name}/manifests/1 200" for name in NAMES)]

    # What another tool pulls has the id that was built.
    for name in NAMES:
        subprocess.run(
            ["skopeo", "--insecure-policy", "copy", "--quiet", "--src-tls-verify=false",
             f"docker://{registry.host}/tests/t-{name}:1", f"dir:{tmp_path}/{name}"],
            check=True,
        )  # fmt: skip
        manifest = json.loads((tmp_path / name / "manifest.json").read_text())
        built = (bench.plan / f"state/{name}.id").read_text().strip()
        assert manifest["config"]["digest"] == f"sha256:{built}"
