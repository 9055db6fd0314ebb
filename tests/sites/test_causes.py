"""A server that does not give what it should: the run says which, why, and that no recipe is at fault."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.sites.ground import Ground, Outcome
from tests.sites.loopback import Web, free_port, web_server
from tests.sites.packages import make_package, make_repository

pytestmark = pytest.mark.real

SITES = {
    "dnf": "installer: dnf\nbase: {bootstrap: [stone]}\n",
    "yum": "installer: yum\ninside: true\nbase: {image: BASE}\n",
}


@dataclass(frozen=True)
class Far:
    """A set whose packages come from a server of the test's own."""

    ground: Ground
    web: Web
    place: Path
    how: str

    def write(self, address: str) -> None:
        folder = self.place / "set"
        for name, text in {
            "set.yaml": "set: set\nnamespace: far\ntag: '1'\nepoch: 1517443200\n",
            "sites/far.yaml": f"site: far\n{self.how.replace('BASE', self.ground.base)}"
            f"repositories:\n  stones: {{url: '{address}', gpgcheck: false}}\n",
            "images/base.yaml": "image: base\nfrom: site\npackages: [pebble]\n",
        }.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)

    def run(self, *words: str) -> Outcome:
        where = (self.place / "set", "--build-dir", self.place / "build")
        return self.ground.buildsys(*words, *where, environment={"BS_PAUSE": "0", "XDG_CACHE_HOME": ""})


@pytest.fixture(params=SITES)
def far(ground: Ground, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Far]:
    folder = tmp_path / "web/stones"
    folder.mkdir(parents=True)
    for name in ("stone", "pebble"):
        make_package(folder, name)
    make_repository(folder)
    with web_server(tmp_path / "web") as web:
        made = Far(ground, web, tmp_path, SITES[request.param])
        made.write(f"{web.address}/stones/")
        yield made


def test_a_package_that_is_not_there(far: Far) -> None:
    next((far.place / "web/stones").glob("pebble*")).unlink()
    outcome = far.run("build", "--unlocked")
    assert outcome.status == 1
    where = f"{far.web.address}/stones/pebble-1.0-1.el7.noarch.rpm"
    assert "set/images/base.yaml:3:12: pebble-1.0-1.el7.noarch cannot be fetched: " in outcome.text
    assert f"404 for {where}" in outcome.text or f"{where}: HTTP Error 404" in outcome.text


@pytest.mark.parametrize("locked", [False, True], ids=["unlocked", "locked"])
def test_nobody_answers(far: Far, *, locked: bool) -> None:
    if locked:
        assert far.run("lock").status == 0
    port = free_port()
    far.write(f"http://127.0.0.1:{port}/stones/")
    outcome = far.run("build") if locked else far.run("build", "--unlocked")
    assert outcome.status == 1, outcome.text
    assert "onnect" in outcome.text
    assert f"is http://127.0.0.1:{port}/stones/ in reach from here?" in outcome.text
    if locked:
        assert "cannot be fetched: Failed to connect to 127.0.0.1" in outcome.text
        assert "[not-fetched]" in outcome.text
    else:
        assert "the repository stones cannot be read: " in outcome.text


def test_a_lock_that_cannot_be_made(far: Far) -> None:
    port = free_port()
    far.write(f"http://127.0.0.1:{port}/stones/")
    outcome = far.run("lock")
    assert outcome.status == 1, outcome.text
    assert "error: the repository 'stones' cannot be read: Failed to connect to 127.0.0.1" in outcome.text
    assert f"is http://127.0.0.1:{port}/stones/ in reach from here?" in outcome.text
