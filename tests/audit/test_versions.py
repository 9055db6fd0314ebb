"""The order of versions, against rpm and dpkg themselves."""

from __future__ import annotations

import itertools
import shutil
import subprocess

import pytest

from buildsys.audit.versions import compare, rpmvercmp

VERSIONS = """
1.0 1.0~rc1 1.0^git1 1.0^ 1.0~ 1.0.1 1.0a 1.a 1.0b 01.0 1.00 2 10 1.0-1 1.0-1.el9 1.0-1.el9_2 1.0-10
1.0-2 1:0.1 2:0.1-1 1.0+dfsg 1.0+deb12u1 1.0-1+b3 1.0-1~deb12u1 9.9 a1 abc 20180508 1..0 1.0.
""".split()


@pytest.mark.skipif(not shutil.which("dpkg"), reason="no dpkg here")
def test_debian_versions_have_the_order_of_dpkg() -> None:
    usual = [text for text in VERSIONS if text[0].isdigit() and "^" not in text and "_" not in text]
    wrong = []
    for one, other in itertools.combinations(usual, 2):
        order = compare("deb", one, other)
        assert compare("deb", other, one) == -order
        words = {-1: "lt", 0: "eq", 1: "gt"}
        if subprocess.run(["dpkg", "--compare-versions", one, words[order], other], check=False).returncode:
            wrong.append((one, other, order))
    assert len(usual) > 20
    assert wrong == []


@pytest.mark.skipif(not shutil.which("rpm"), reason="no rpm here")
def test_rpm_versions_have_the_order_of_rpm() -> None:
    plain = [text for text in VERSIONS if ":" not in text and "-" not in text]
    pairs = [*itertools.permutations(plain, 2)]
    calls = "".join(f"print(rpm.vercmp('{one}', '{other}') .. ' ')" for one, other in pairs)
    done = subprocess.run(
        ["rpm", "--eval", f"%{{lua:{calls}}}"], check=True, stdout=subprocess.PIPE, text=True
    )
    orders = [int(word) for word in done.stdout.split()]
    assert len(orders) == len(pairs) > 200
    ours = [rpmvercmp(one, other) for one, other in pairs]
    wrong = [item for item in zip(pairs, orders, ours, strict=True) if item[1] != item[2]]
    assert wrong == []


@pytest.mark.parametrize(
    ("kind", "one", "other", "order"),
    [
        ("rpm", "1:1.0-1", "2.0-1", 1), ("rpm", "0:1.0-1", "1.0-1", 0), ("rpm", "1.0", "1.0-7", 0),
        ("rpm", "1.0-1.el9", "1.0-1.el9_2", -1), ("deb", "1:1.0", "2.0", 1), ("deb", "1.0-0", "1.0", 0),
        ("deb", "2.36-9+deb12u10", "2.36-9+deb12u9", 1), ("deb", "1.0~rc1-1", "1.0-1", -1),
    ],
)  # fmt: skip
def test_epochs_and_releases(kind: str, one: str, other: str, order: int) -> None:
    assert compare(kind, one, other) == order
