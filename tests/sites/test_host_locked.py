"""A lock of the host's own repositories: fetched the host's way, then built anywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.sites.sets import found, unpacked, write_set
from tests.sites.test_host import SITE, Host, host

__all__ = ["host"]
pytestmark = pytest.mark.real


def test_a_lock_takes_the_hosts_way_and_then_needs_no_host(host: Host, tmp_path: Path) -> None:
    payload = "  - copy: /usr/share/cellar/wine\n    from: {package: cellar}\n    to: /etc/wine\n"
    recipes = {
        "base": "from: site\n",
        "cellar": "from: base\npackages: [cellar]\n",
        "label": f"from: base\nsteps:\n{payload}",
    }
    folder, plan = host.place / "locked", host.place / "locked-plan"
    write_set(folder, SITE, recipes)
    buildsys, build = ROOT / ".venv/bin/buildsys", ("--build-dir", host.place / "build")
    locked = host.run(buildsys, "lock", folder, *build)
    assert locked.status == 0, locked.text
    assert found(folder, *host.secrets) == []
    assert host.run(buildsys, "lock", folder, "--check", *build).status == 0
    written = host.run(buildsys, "plan", folder, "-o", plan, *build)
    assert written.status == 0, written.text
    assert "fetching 3 packages" in written.text
    assert found(plan, *host.secrets) == []
    # Everything is there now: the way is not asked for again.
    asked = len(host.certified.asked) + len(host.proxied.asked)
    assert host.run(buildsys, "plan", folder, "-o", plan, *build).status == 0
    done = host.run("unshare", "--net", "make", "-C", plan)
    assert "locked: 3 images: 3 built, 0 fresh" in done.text, done.text
    assert len(host.certified.asked) + len(host.proxied.asked) == asked
    image = unpacked(host.store, "localhost/locked/label:1", tmp_path / "label")
    assert (image / "etc/wine").read_text() == "red\n"
