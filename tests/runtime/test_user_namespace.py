"""A plan as an ordinary user runs it: in a user namespace, where nobody may make devices."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from buildsys.image import Run
from tests.plan.sets import BASE, image, image_set
from tests.runtime.builds import Build, put_busybox
from tests.stores import Store, store

pytestmark = pytest.mark.real


def test_devices_are_lent(tmp_path: Path) -> None:
    """vfs: whether a user namespace may mount overlays depends on the kernel."""
    says = Run(argv=("sh", "-c", "echo gone >/dev/null; head -c 4 /dev/zero | wc -c >/said"), open_files=0)
    with store(tmp_path / "store") as made:
        vfs = Build(tmp_path / "plan", Vfs(made.place))
        put_busybox(vfs.store)
        vfs.compile(image_set(tmp_path, [image("a", BASE, says)]))
        apart = ("unshare", "--user", "--map-root-user", "--mount", "make", "-C", str(vfs.plan))
        done = subprocess.run(apart, env=vfs.environment(), check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        with vfs.mounted("localhost/tests/t-a:1") as root:
            assert (root / "said").read_text() == "4\n"
            assert list((root / "dev").glob("*")) == []


class Vfs(Store):
    """A store of plain folders."""

    @property
    def options(self) -> str:
        """See `Store.options`."""
        return f"{super().options} --storage-driver vfs"
