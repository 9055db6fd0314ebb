"""One set, several stores, a work registry between them: equal ids, nothing twice, nothing lost."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from buildsys.image import ImageSet
from tests.distributed.conftest import Cluster, make_cluster, running, shell, twelve
from tests.plan.sets import BASE, image
from tests.publish.conftest import serving
from tests.publish.test_refusals import USER, credentials
from tests.runtime.builds import Build, put_busybox
from tests.stores import store

pytestmark = pytest.mark.real

Ids = Callable[[ImageSet], dict[str, str]]


def ids(cluster: Cluster) -> dict[str, str]:
    return cluster.client.identities()


def test_twelve_images_on_two_workers(cluster: Cluster, local_ids: Ids) -> None:
    made = cluster.compile()
    done = cluster.run()
    assert done.returncode == 0, done.stderr
    assert "12 images: 12 built, 0 fresh" in done.stderr
    assert ids(cluster) == local_ids(made)
    assert set(cluster.built().values()) == {"w1", "w2"}
    assert all(line.endswith(("on w1", "on w2")) for line in done.stdout.splitlines())
    assert cluster.left() == {}
    # Each image and layer is sent once; then there are the base image, the plan and the records.
    assert len(cluster.manifests()) == 12 + 2
    assert len(cluster.blobs()) <= 2 * 12 + 1 + 4 + 2
    result = json.loads((cluster.client.plan / "results/leaf1.json").read_text())
    assert result["registry"].startswith(f"{cluster.registry.host}/work/tiny@sha256:")
    assert 0 < result["sent"] < 40000

    # The client's store has none of them, and knows that nothing is to be done.
    before = cluster.registry.requests()
    done = cluster.run()
    assert (done.returncode, "12 images: 0 built, 12 fresh" in done.stderr) == (0, True), done.stderr
    assert [
        line for line in cluster.registry.requests()[len(before) :] if not line.startswith("GET /v2/")
    ] == []
    assert "localhost/tests/t-base:1" not in cluster.client.store.names()


def test_whoever_has_nothing_asks_the_registry(cluster: Cluster) -> None:
    cluster.compile()
    assert cluster.run().returncode == 0
    found, sent = ids(cluster), len(cluster.blobs())
    for name in ("state", "results"):
        shutil.rmtree(cluster.client.plan / name)
    for name in cluster.workers:
        shutil.rmtree(cluster.place / f"{name}.d")
    done = cluster.run()
    assert "12 images: 0 built, 12 fresh" in done.stderr
    assert ids(cluster) == found
    result = json.loads((cluster.client.plan / "results/leaf1.json").read_text())
    assert result["registry"].startswith(f"{cluster.registry.host}/work/tiny@sha256:")
    assert len(cluster.blobs()) == sent
    # The records of the whole set were enough. Without them, each step asks for its key.
    assert not any((cluster.place / f"{name}.d").exists() for name in cluster.workers)
    for name in ("state", "results"):
        shutil.rmtree(cluster.client.plan / name)
    tags = cluster.registry.place / "data/docker/registry/v2/repositories/work/tiny/_manifests/tags"
    (records,) = tags.glob("records-*")
    shutil.rmtree(records)
    done = cluster.run()
    assert "12 images: 0 built, 12 fresh" in done.stderr
    assert ids(cluster) == found
    result = json.loads((cluster.client.plan / "results/leaf1.json").read_text())
    assert (result["status"], result["received"]) == ("fresh", 0)


def test_a_run_of_its_own_store_gets_the_images(cluster: Cluster, tmp_path: Path) -> None:
    made = cluster.compile()
    assert cluster.run("leaf1").returncode == 0
    with TemporaryDirectory(prefix="bs-") as short, store(Path(short)) as at:
        put_busybox(at)
        other = Build(tmp_path / "other", at)
        other.compile(made)
        more = {"BS_REGISTRY": f"{cluster.registry.host}/work", "BS_PAUSE": "0.05"}
        assert set(other.built("leaf1", "leaf4", **more)) == {"leaf4"}
        names = at.names()
        assert names["localhost/tests/t-leaf1:1"] == f"sha256:{ids(cluster)['leaf1']}"
        # What only this store had is sent: an image that was built without the registry, too.
        assert set(other.built("leaf2")) == {"mid2", "leaf2"}
        assert other.built("leaf2", **more) == {}
        done = cluster.run("leaf2")
        assert "3 images: 0 built, 3 fresh" in done.stderr


def test_the_first_image_of_a_key_is_kept(cluster: Cluster, tmp_path: Path) -> None:
    chance = image("chance", BASE, shell("head -c 20 /dev/urandom >/chance"))
    made = cluster.compile(chance)
    assert cluster.run().returncode == 0
    with TemporaryDirectory(prefix="bs-") as short, store(Path(short)) as at:
        put_busybox(at)
        other = Build(tmp_path / "other", at)
        other.compile(made)
        other.built()
        assert other.identities() != ids(cluster)
        done = other.run(BS_REGISTRY=f"{cluster.registry.host}/work")
        assert done.returncode == 0, done.stderr
        assert "the work registry has an image of this key already, with other contents" in done.stderr
        assert other.identities() == ids(cluster)
        assert at.names()["localhost/tests/t-chance:1"] == f"sha256:{ids(cluster)['chance']}"


def test_a_registry_that_forgets(cluster: Cluster) -> None:
    cluster.compile()
    assert cluster.run("leaf0").returncode == 0
    found = ids(cluster)
    data = cluster.registry.place / "data/docker/registry/v2"
    # All blobs of layers and configurations are gone, their manifests too; a store elsewhere has the images.
    shutil.rmtree(data / "repositories/work/tiny/_manifests")
    for name in cluster.workers:
        shutil.rmtree(cluster.place / f"{name}.d", ignore_errors=True)
    shutil.rmtree(cluster.client.plan / "state")
    done = cluster.run("leaf0")
    assert done.returncode == 0, done.stderr
    assert ids(cluster) == found


def test_a_worker_that_is_killed_costs_its_step(cluster: Cluster, local_ids: Ids) -> None:
    slow = image("slow", "base", shell("echo begun >/begun; sleep 1.5; echo done >/done"))
    made = cluster.compile(*twelve()[:5], slow)
    # The first attempt of the slow image loses its machine: the whole tree of processes is gone at once.
    cluster.before("""
if [[ -e $PLACE/killed ]]; then exec "$@"; fi
exec 3< <("$@")
while IFS= read -r -u 3 line; do
    printf '%s\\n' "$line"
    if [[ $line == *'"doing", "image": "slow"'*run* ]] && mkdir "$PLACE/killed" 2>/dev/null; then
        kill -9 "$!"
        exit 9
    fi
done
""")
    done = cluster.run()
    assert done.returncode == 0, done.stderr
    assert re.search(r"slow: its worker w[12] was lost \(status 9\)", done.stderr)
    assert ids(cluster) == local_ids(made)
    assert running("sleep 1.5") == []
    assert done.stderr.count("it is tried elsewhere") == 1
    assert cluster.run(BS_FORCE="1").returncode == 0
    assert cluster.left() == {}


def test_a_step_that_kills_its_worker_twice_is_named(cluster: Cluster) -> None:
    cluster.compile(
        *twelve()[:3], image("deadly", "base", shell("true")), image("below", "deadly", shell("true"))
    )
    cluster.before("""
text=$(mktemp "$PLACE/in.XXXXXX"); cat >"$text"
grep -qx IMAGE=deadly "$text" && { echo deadly >>"$PLACE/tries"; kill -9 $$; }
exec "$@" <"$text"
""")
    done = cluster.run()
    assert done.returncode == 2
    assert "deadly: error: its worker was lost 2 times while it was built (status 137)" in done.stderr
    assert "blocked by that: below" in done.stderr
    assert "5 images: 3 built, 0 fresh, 1 failed, 1 blocked" in done.stderr
    assert (cluster.place / "tries").read_text() == "deadly\n" * 2


def test_a_recipe_that_fails_is_tried_once(cluster: Cluster) -> None:
    cluster.compile(image("base", BASE, shell("true")), image("bad", "base", shell("echo why; exit 75")))
    done = cluster.run()
    assert done.returncode == 2
    assert "2 images: 1 built, 0 fresh, 1 failed" in done.stderr
    events = map(json.loads, (cluster.client.plan / "events.jsonl").read_text().splitlines())
    assert [item["image"] for item in events if item["event"] == "started"].count("bad") == 1
    assert "why" in (cluster.client.plan / "logs/bad.log").read_text()
    assert cluster.left() == {}


@pytest.mark.parametrize(
    ("send", "sign"),
    [(os.killpg, signal.SIGINT), (os.killpg, signal.SIGTERM), (os.kill, signal.SIGTERM)],
    ids=["Ctrl-C", "SIGTERM to all", "SIGTERM to make"],
)
def test_an_interrupted_run_leaves_nothing_running(
    cluster: Cluster, send: Callable[[int, int], None], sign: signal.Signals
) -> None:
    # No other process of this machine has these words.
    endless = f"sleep 4{os.getpid()}"
    cluster.compile(image("base", BASE, shell(f"echo begun; {endless}")))
    with subprocess.Popen(
        ["make", "--no-print-directory", "-C", str(cluster.client.plan)],
        env=cluster.client.environment(**cluster.environment()), start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as run:  # fmt: skip
        for _ in range(400):
            if running(endless):
                break
            time.sleep(0.05)
        else:
            pytest.fail("the step did not begin")
        begun = time.monotonic()
        send(run.pid, sign)
        run.wait(timeout=20)
        while running(endless) and time.monotonic() - begun < 10:
            time.sleep(0.05)
        assert time.monotonic() - begun < 5
        assert run.returncode != 0
    # The attempt, or the next one, puts away what is left.
    cluster.compile(image("base", BASE, shell("true")))
    done = cluster.run()
    assert done.returncode == 0, done.stderr
    assert cluster.left() == {}


def test_a_registry_that_is_away_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, local_ids: Ids
) -> None:
    conf = tmp_path / "registries.conf"
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(conf))
    with ExitStack() as stack:
        short = Path(stack.enter_context(TemporaryDirectory(prefix="bs-")))
        with serving(tmp_path / "registry") as first:
            conf.write_text(f'[[registry]]\nlocation = "{first.host}"\ninsecure = true\n')
            cluster = make_cluster(tmp_path, short, stack, first)
            made = cluster.compile(*twelve()[:5])
            assert cluster.run("base").returncode == 0
        ended = threading.Event()

        def come_back() -> None:
            time.sleep(1.5)
            with serving(tmp_path / "registry", host=first.host):
                ended.wait(120)

        thread = threading.Thread(target=come_back)
        thread.start()
        begun = time.monotonic()
        done = cluster.run(BS_PAUSE="0.4")
        ended.set()
        thread.join()
        assert done.returncode == 0, done.stderr
        assert time.monotonic() - begun > 1.5
        assert ids(cluster) == local_ids(made)


MISTAKES = {
    "address": (
        {"BS_REGISTRY": "https://registry"}, 2, "error: BS_REGISTRY must be a place in a registry, not https://registry",
        "write HOST, HOST:PORT or HOST:PORT/PREFIX, without a scheme or a tag",
    ),
    "compression": (
        {"BS_COMPRESSION": "xz"}, 2, "error: BS_COMPRESSION must be gzip or zstd, not xz", "empty is gzip",
    ),
    "no registry": (
        {"BS_REGISTRY": ""}, 2, "error: BS_ON runs steps on other machines, which needs a work registry",
        "set BS_REGISTRY=HOST[:PORT][/PREFIX], too",
    ),
    "launcher": (
        {"BS_ON": "no-launcher -n1"}, 3, "error: BS_ON begins with no-launcher, which this machine lacks",
        "BS_ON=no-launcher -n1",
    ),
    "quotes": (
        {"BS_ON": "ssh 'builder"}, 2, "error: BS_ON has unbalanced quotes, or ends with a backslash",
        "BS_ON=ssh 'builder",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("more", "status", "sentence", "hint"), MISTAKES.values(), ids=MISTAKES)
def test_what_cannot_work_is_said_at_once(
    cluster: Cluster, more: dict[str, str], status: int, sentence: str, hint: str
) -> None:
    cluster.compile()
    done = subprocess.run(
        ["bash", str(cluster.client.plan / "lib/run.sh")], text=True, capture_output=True, check=False,
        env=cluster.client.environment(**{**cluster.environment(), **more}),
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (status, f"{sentence}\n  hint: {hint}\n")


def test_workers_that_would_give_other_ids_build_nothing(cluster: Cluster) -> None:
    cluster.compile(image("base", BASE, shell("true")))
    (cluster.place / "settings").write_text('BS_WORKER_STORE="--storage-driver vfs $BS_WORKER_STORE"\n')
    done = cluster.run()
    assert done.returncode == 2
    assert (
        "cannot build: its store is of the driver vfs, the client's is overlay: its images would have "
        in done.stderr
    )
    assert "1 image: 0 built, 0 fresh, 1 failed" in done.stderr
    assert cluster.manifests() == [line for line in cluster.manifests() if "plan-" in line]


def test_a_registry_that_is_not_there_is_named(cluster: Cluster) -> None:
    cluster.compile()
    done = cluster.run(BS_REGISTRY="127.0.0.1:9/work", BS_PAUSE="0.01")
    assert done.returncode == 2
    assert (
        "error: the work registry 127.0.0.1:9/work does not do what is asked of it, tried 7 times: "
        in done.stderr
    )
    assert "connection refused" in done.stderr


def test_own_authority_and_login(
    tmp_path: Path, certified: Path, monkeypatch: pytest.MonkeyPatch, local_ids: Ids
) -> None:
    (tmp_path / "htpasswd").write_text(USER)
    with ExitStack() as stack:
        short = Path(stack.enter_context(TemporaryDirectory(prefix="bs-")))
        registry = stack.enter_context(serving(
            tmp_path / "registry", tls=(certified / "own.crt", certified / "own.key"),
            htpasswd=tmp_path / "htpasswd", ca=certified / "ca.crt", login="mia:secret",
        ))  # fmt: skip
        cluster = make_cluster(tmp_path, short, stack, registry)
        made = cluster.compile(*twelve()[:4])
        wrong = cluster.run(BS_CERT_DIR=str(tmp_path / "trusted"))
        assert wrong.returncode == 2
        sentence = f"the work registry {registry.host}/work does not do what is asked of it, tried 1 times"
        assert sentence in wrong.stderr
        right = credentials(tmp_path / "auth.json", registry.host, "secret")
        monkeypatch.setenv("REGISTRY_AUTH_FILE", str(right))
        (short / "settings").write_text(f"export BS_CERT_DIR={tmp_path / 'trusted'}\n")
        done = cluster.run(BS_CERT_DIR=str(tmp_path / "trusted"))
        assert done.returncode == 0, done.stderr
        assert cluster.client.identities() == local_ids(made)
        folders = (cluster.client.plan, *(short / f"{name}.d" for name in cluster.workers))
        texts = {
            path: path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()
        }
        assert [path for path, text in texts.items() if b"mia:" in text or b"bWlhOnNlY3JldA" in text] == []
