"""Ground for these tests: packages built once, and a world of its own for each test."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.apt.debs import ground, make_deb
from tests.apt.world import FIRST, RECIPES, SET, SITE, World
from tests.lock.serve import serve
from tests.lock.world import Told, refusal

EXPECTED = Path(__file__).parent / "expected"


# What scripts of packages leave behind that is another each time.
NOISE = """
mkdir -p /etc/ssh /etc/ssl/certs /etc/ssl/private
cd /etc/ssl
for file in /var/log/dpkg.log /etc/machine-id /etc/shadow- /etc/ssh/ssh_host_rsa_key \\
    certs/ssl-cert-snakeoil.pem private/ssl-cert-snakeoil.key; do
    date +%N >$file
done
ln -s ssl-cert-snakeoil.pem certs/01234567.0
hostname >/usr/share/mid/host
"""


LATE = 1600000000
"""Build time of the package `leaf`, after the epoch of the set."""


@pytest.fixture(scope="session")
def debs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """All packages, by `NAME`, or `NAME_VERSION` where that is not the first one."""
    place = tmp_path_factory.mktemp("debs")
    adduser = """#!/bin/sh
[ "$1" = --conf ] && . "$2" && shift 2
echo "$LAST_SYSTEM_UID $*" >/usr/share/haunted/words
"""
    return {
        "ground": ground(place),
        "plain": make_deb(place, "plain"),
        "libmid": make_deb(place, "libmid", source="stones"),
        "mid": make_deb(place, "mid", depends="libmid", source="stones", scripts={"postinst": NOISE}),
        "leaf": make_deb(place, "leaf", "1:1.0", pre_depends="seed", time=LATE),
        "leaf_1.1": make_deb(place, "leaf", "1:1.1", depends="libmid (>= 1.1)"),
        "seed": make_deb(place, "seed", scripts={"postinst": "echo ready >/usr/share/seed/ready"}),
        "libmid_1.1": make_deb(place, "libmid", "1.1-1", source="stones"),
        "mid_1.1": make_deb(place, "mid", "1.1-1", depends="libmid (= 1.1-1)", source="stones"),
        "modern": make_deb(place, "modern", depends="leaf (>= 1:1.1)"),
        "other": make_deb(place, "other"),
        "enemy": make_deb(place, "enemy", conflicts="libmid"),
        "needy": make_deb(place, "needy", depends="nothing-has-this"),
        "broken": make_deb(place, "broken", scripts={"postinst": "echo no luck today; exit 7"}),
        "adduser": make_deb(
            place,
            "adduser",
            files={"/usr/sbin/adduser": adduser, "/etc/adduser.conf": "LAST_SYSTEM_UID=999\n"},
        ),
        "haunted": make_deb(
            place,
            "haunted",
            pre_depends="adduser",
            scripts={"postinst": "chmod +x /usr/sbin/adduser; adduser --system ghost"},
        ),
        "huge": make_deb(place, "huge", files={"/usr/share/huge/all": "x" * 100_000_000}),
        "stand-in": make_deb(place, "stand-in", provides="mail-of-some-kind"),
        "python": make_deb(
            place,
            "python",
            files={"/usr/bin/py3compile": '#!/bin/sh\necho "$*" >>/usr/share/calls\n'},
            scripts={"postinst": "chmod +x /usr/bin/py3compile"},
        ),
        **{
            name: make_deb(
                place,
                name,
                pre_depends="python",
                files={f"/usr/lib/python3/dist-packages/{name}.py": "", f"/usr/share/{name}/private.py": ""},
                scripts={"postinst": f"py3compile -p {name}\npy3compile -p {name} /usr/share/{name}"},
            )
            for name in ("snake", "worm")
        },
        "greedy": make_deb(place, "greedy", files={"/usr/share/mid/about": "mine"}),
    }


@pytest.fixture
def world(debs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A set of four images and the source it needs."""
    (tmp_path / "web").mkdir()
    with serve(tmp_path / "web") as server:
        made = World(tmp_path, debs, server)
        made.source(*FIRST, "seed")
        (tmp_path / "demo/sites").mkdir(parents=True)
        (tmp_path / "demo/set.yaml").write_text(SET)
        (tmp_path / "demo/sites/here.yaml").write_text(SITE)
        for name, text in RECIPES.items():
            made.recipe(name, text)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("APT_CONFIG", str(made.host()))
        monkeypatch.setenv("BS_PAUSE", "0.05")
        yield made


@pytest.fixture
def told(golden: Callable[[str, Path], None]) -> Told:
    """Compare what a person is told, word by word, with a file of expected/; `--rewrite` writes it."""

    def compare(doing: Callable[[], object], code: str, name: str = "") -> None:
        text = re.sub(r"\b[0-9a-f]{64}\b", "SHA256", refusal(doing, code))
        golden(text, EXPECTED / f"{name or code}.txt")

    return compare
