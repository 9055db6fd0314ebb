"""Publishing to the real distribution registry."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from buildsys.publish.journal import digests
from tests.publish.conftest import NAMES, Bench, Running, only

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


def test_a_part_of_a_set(bench: Bench, registry: Running, tmp_path: Path) -> None:
    done = bench.run("publish", "one", "--only", "ot*", "--to", registry.destination)
    assert done.stderr == f"{registry.destination}: published: 2 images, 7 blobs, 2 tags\n"
    assert list(registry.tags()) == ["one:1", "other:1"]
    done = bench.run("verify", "--at", registry.destination)
    assert (done.returncode, done.stdout) == (0, "")
    # The others join them; what is there is not sent again.
    done = bench.run("publish", "--to", registry.destination)
    assert done.returncode == 0
    assert len(registry.tags()) == 5
    # A part that goes there once more is not all that is known to be there.
    done = bench.run("publish", "one", "--tag", "hot", "--to", registry.destination)
    assert done.stderr == f"{registry.destination}: published: 1 tag\n"
    assert set(digests(bench.plan, registry.destination)) == set(NAMES)
    done = bench.run("verify", "--at", registry.destination)
    assert done.stderr == f"{registry.destination}: 5 images, 6 tags, 11 blobs: as they were published\n"
    # What a part is made from must be what the plan says, too; what is beside it need not be.
    name = bench.plan / "state/base.id"
    kept = name.read_text()
    name.write_text("gone\n")
    try:
        assert bench.refusal("oci:out", only=("two",)).startswith(
            "error: not built from the current plan: base, apps, two [not-current]"
        )
        done = bench.run("publish", "other", "--to", f"oci:{tmp_path}/out")
        assert done.stderr == f"oci:{tmp_path}/out: published: 1 image, 3 blobs, 1 tag\n"
    finally:
        name.write_text(kept)
    done = bench.run("publish", "tow", "--to", registry.destination)
    assert done.stderr == "error: the plan has no image 'tow' [unknown-image]\n  hint: did you mean 'two'?\n"
