"""Images of an overlay that begin with a published one: that is pulled, and nothing else is built."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.conftest import ROOT
from tests.publish.conftest import Bench, Running
from tests.stores import Store, store

pytestmark = pytest.mark.real

SET = {
    "set.yaml": "set: shop\nnamespace: tests\ntag: latest\nepoch: 1517443200\n",
    "sites/here.yaml": "site: here\ninstaller: dnf\nbase: {bootstrap: [bash]}\n",
    "images/base.yaml": "image: base\nfrom: site\npackages: [bash]\n",
    "images/app.yaml": "image: app\nfrom: base\nsteps: [{touch: /app}]\n",
}
OVERLAY = """\
overlay: acme
images:
  app:
    from: {image: "REFERENCE"}
recipes:
  - image: mine
    from: {image: "REFERENCE"}
    steps: [{copy: acme.conf, to: /etc/}]
"""


@pytest.fixture
def elsewhere() -> Iterator[Store]:
    """An empty store, as on another machine."""
    with TemporaryDirectory(prefix="bs-") as short, store(Path(short)) as made:
        yield made


def layers(shown: str) -> list[str]:
    found: list[str] = json.loads(shown)["OCIv1"]["rootfs"]["diff_ids"]
    return found


def test_an_image_begins_with_one_that_was_published(
    bench: Bench, registry: Running, elsewhere: Store, tmp_path: Path
) -> None:
    bench.publish(registry.destination)
    (tag,) = {name.partition(":")[2] for name in registry.tags() if name.startswith("one:")}
    reference = f"{registry.host}/tests/t-one:{tag}"
    files: Mapping[str, str] = {
        **{f"shop/{name}": text for name, text in SET.items()},
        "acme.yaml": OVERLAY.replace("REFERENCE", reference),
        "files/acme.conf": "of acme\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    def build() -> str:
        command = [
            str(ROOT / ".venv/bin/buildsys"), "build", "./shop", "mine", "app",
            "--overlay", "acme.yaml", "--unlocked",
        ]  # fmt: skip
        environment = bench.environment(BS_STORE=elsewhere.options, BS_SPACE_MIB="100")
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    assert "shop: 2 images: 2 built, 0 fresh" in build()
    published = layers(
        bench.ground.store.buildah("inspect", "--type", "image", f"localhost/tests/t-one:{tag}")
    )
    for name in ("mine", "app"):
        *below, own = layers(
            elsewhere.buildah("inspect", "--type", "image", f"localhost/tests/{name}:latest")
        )
        assert below == published
        assert own not in published
    assert "shop: 2 images: 0 built, 2 fresh" in build()
    # What the set's own images are made from is not built for them.
    assert "localhost/tests/base:latest" not in elsewhere.names()
