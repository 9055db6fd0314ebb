"""Tags, labels, formats and compressions of a release; a run that is killed; what was there before."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from buildsys.plan.compile import compile_plan
from buildsys.plan.write import write_plan
from buildsys.publish import publication
from buildsys.publish.journal import digests, tags
from buildsys.publish.manifest import OCI_MANIFEST
from tests.busybox import Ground
from tests.plan.sets import image_set
from tests.publish.conftest import NAMES, Bench, Running, images, only
from tests.publish.proxy import Proxy

pytestmark = pytest.mark.real


def config(registry: Running, name: str, tag: str = "1", namespace: str = "tests") -> Any:
    """The configuration of an image as the registry has it."""
    _, _, body = registry.ask(f"/v2/{namespace}/t-{name}/manifests/{tag}")
    place = json.loads(body)["config"]["digest"]
    return json.loads(registry.ask(f"/v2/{namespace}/t-{name}/blobs/{place}")[2])


def ids(bench: Bench) -> dict[str, str]:
    return {name: (bench.plan / f"state/{name}.id").read_text().strip() for name in NAMES}


def test_more_tags_cost_no_upload(bench: Bench, registry: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    only(bench.publish(registry.destination))
    old = registry.tags()
    outcome = only(bench.publish(registry.destination, tags=("2020", "x")))
    assert (outcome.images, outcome.blobs, outcome.tags) == (0, 0, 10)
    assert registry.tags() == {
        f"{name}:{tag}": old[f"{name}:1"] for name in NAMES for tag in ("1", "2020", "x")
    }
    assert digests(bench.plan, registry.destination) == {name: old[f"{name}:1"] for name in NAMES}
    # Promoted are these images, or none.
    monkeypatch.setattr(publication, "promoted", lambda _: {**ids(bench), "one": "0" * 64})
    assert "[not-promoted]" in bench.refusal(registry.destination, tags=("promoted",))
    monkeypatch.setattr(publication, "promoted", lambda _: ids(bench))
    assert only(bench.publish(registry.destination, tags=("promoted",))).tags == 5


def test_labels_of_a_release_are_other_configurations_over_the_same_layers(
    bench: Bench, registry: Running
) -> None:
    only(bench.publish(registry.destination))
    outcome = only(bench.publish(registry.destination, labels=(("release", "7"),), tags=("7",)))
    assert (outcome.images, outcome.blobs, outcome.tags) == (5, 5, 10)
    built = {
        name: bench.ground.store.buildah("inspect", "--type", "image", found)
        for name, found in ids(bench).items()
    }
    for name in NAMES:
        found = config(registry, name)
        assert found["config"]["Labels"]["release"] == "7"
        assert found["rootfs"]["diff_ids"] == json.loads(built[name])["OCIv1"]["rootfs"]["diff_ids"]
    assert config(registry, "one")["config"]["Healthcheck"]["Test"] == ["CMD", "true"]
    assert bench.run("verify", "--at", registry.destination).returncode == 0
    # Without them, it is again what was built.
    only(bench.publish(registry.destination))
    assert "release" not in (config(registry, "one")["config"]["Labels"] or {})


def test_a_health_check_is_not_lost_in_silence(bench: Bench, tmp_path: Path) -> None:
    outcome = only(bench.publish(f"oci:{tmp_path}/out"))
    assert outcome.notes == ["OCI's format cannot hold the health checks of one"]
    done = bench.run("publish", "--to", f"oci-archive:{tmp_path}/tars")
    assert done.stderr.splitlines()[0] == (
        f"note: oci-archive:{tmp_path}/tars: OCI's format cannot hold the health checks of one"
    )
    assert only(bench.publish(f"docker-archive:{tmp_path}/docker")).notes == []


def test_a_set_in_ocis_format_may_be_packed_with_zstd(
    bench: Bench, registry: Running, tmp_path: Path
) -> None:
    plan = bench.plan.parent / "oci"
    made = image_set(bench.plan.parent / "set", images()[:1], form="oci")
    write_plan(compile_plan(made), plan)
    other = Bench(Ground(bench.ground.store, plan))
    names = bench.ground.store.names()
    try:
        assert other.ground.call("run.sh").returncode == 0
        only(other.publish(f"{registry.destination}/z", compression="zstd"))
        _, headers, body = registry.ask("/v2/z/t-base/manifests/1")
        assert headers["content-type"] == OCI_MANIFEST
        kinds = {layer["mediaType"] for layer in json.loads(body)["layers"]}
        assert kinds == {"application/vnd.oci.image.layer.v1.tar+zstd"}
        subprocess.run(
            ["skopeo", "--insecure-policy", "copy", "--quiet", "--src-tls-verify=false",
             f"docker://{registry.host}/z/t-base:1", f"oci:{tmp_path}/pulled"],
            check=True,
        )  # fmt: skip
    finally:
        # The name is the first set's again.
        bench.ground.store.buildah("tag", names["localhost/tests/t-base:1"], "localhost/tests/t-base:1")


def test_a_run_that_is_killed_is_gone_on_with(bench: Bench, registry: Running, proxy: Proxy) -> None:
    only(bench.publish(registry.destination))
    old = registry.tags()
    try:
        bench.build("-killed")
        proxy.reset(lambda _, request: "delay" if "/blobs/" in request else None)
        running = subprocess.Popen(
            [*bench.argv("publish"), "--to", proxy.destination, "--uploads", "1"], env=bench.environment()
        )
        deadline = time.monotonic() + 60
        while not any(line.startswith("PUT") and "/blobs/" in line for line in proxy.requests):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        running.send_signal(signal.SIGKILL)
        running.wait()
        time.sleep(1)  # what the proxy was handed it passes on
        assert registry.tags() == old
        sent = {line.split()[1] for line in proxy.requests if line.startswith("PUT") and "/blobs/" in line}
        assert sent
        proxy.reset()
        assert only(bench.publish(proxy.destination)).tags == 4
        assert not {digest(path) for path in sent} & {
            digest(line.split()[1]) for line in proxy.requests if line.startswith("PUT") and "/blobs/" in line
        }
        assert sorted(path.name for path in (bench.plan / "state/publish/shelf").iterdir()) == ["layers.json"]
    finally:
        bench.build()


def digest(path: str) -> str:
    return path.rpartition("digest=")[2]


def test_an_older_directory_is_brought_up_to_date_and_keeps_nothing_old(bench: Bench, tmp_path: Path) -> None:
    places = [f"oci:{tmp_path}/oci", f"dir:{tmp_path}/dir", f"docker-archive:{tmp_path}/tars"]
    assert not [outcome.mistakes for outcome in bench.publish(*places) if outcome.mistakes]
    try:
        bench.build("-newer")
        outcomes = bench.publish(*places)
        assert [outcome.images for outcome in outcomes] == [4, 4, 4]
        for place in places:
            done = bench.run("verify", "--at", place)
            assert done.returncode == 0, done.stdout
        assert len(list((tmp_path / "oci/blobs/sha256").iterdir())) == 16
        names = sorted(path.name.partition("-")[0] for path in (tmp_path / "dir").iterdir())
        assert names == [".buildsys", ".v2", "v2"]
    finally:
        bench.build()


def test_a_release_of_some_images_leaves_the_tags_of_the_others(
    bench: Bench, registry: Running, tmp_path: Path
) -> None:
    only(bench.publish(registry.destination, tags=("2026.1",)))
    first = registry.tags()
    try:
        bench.build("-fixed")
        outcome = only(bench.publish(registry.destination, tags=("2026.2",), changed=True))
        # `other` is built on something else, so it is the same.
        assert (outcome.images, outcome.tags) == (4, 8)
        moved = {"base", "apps", "one", "two"}
        assert tags(bench.plan, registry.destination) == {
            name: ("1", "2026.2" if name in moved else "2026.1") for name in NAMES
        }
        assert "other:2026.2" not in registry.tags()
        assert registry.tags()["one:2026.1"] == first["one:2026.1"]
        assert registry.tags()["one:2026.2"] == registry.tags()["one:1"] != first["one:1"]
        # The same again moves nothing, and keeps every tag on record.
        before = tags(bench.plan, registry.destination)
        assert only(bench.publish(registry.destination, tags=("2026.3",), changed=True)).tags == 0
        assert tags(bench.plan, registry.destination) == before
        # In one layout each image has its tag.
        layout = f"oci:{tmp_path / 'layout'}"
        only(bench.publish(layout, tags=("2026.2",)))
    finally:
        bench.build()
    only(bench.publish(layout, tags=("2026.4",), changed=True))
    assert {image: found[1] for image, found in tags(bench.plan, layout).items()} == {
        name: "2026.4" if name in moved else "2026.2" for name in NAMES
    }
    only(bench.publish(registry.destination))


def test_a_tag_by_content_belongs_to_one_image(bench: Bench, registry: Running) -> None:
    only(bench.publish(registry.destination, tags=("key-{{ key }}",)))
    keys = {name: json.loads((bench.plan / f"results/{name}.json").read_text())["key"][:12] for name in NAMES}
    assert len(set(keys.values())) == len(NAMES)
    assert {f"{name}:key-{key}" for name, key in keys.items()} <= registry.tags().keys()
    assert tags(bench.plan, registry.destination)["one"] == ("1", f"key-{keys['one']}")
    assert bench.run("verify", "--at", registry.destination).returncode == 0
    said = bench.refusal(registry.destination, tags=("{{ keys }}", "{{ image }}"))
    assert "a tag knows no variable 'image' [bad-tag]" in said
    assert "a tag knows no variable 'keys' [bad-tag]\n  hint: did you mean 'key'?" in said
