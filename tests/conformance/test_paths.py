"""Links are resolved within an image's root, and shell patterns as a shell would expand them."""

from __future__ import annotations

import pytest

from . import paths
from .model import AlteredTree, Entry, memory_tree

TREE = memory_tree(
    {
        "/": Entry("directory"),
        "/etc": Entry("directory"),
        "/etc/one.conf": Entry("file"),
        "/etc/two.conf": Entry("file"),
        "/etc/.hidden.conf": Entry("file"),
        "/etc/out": Entry("link", target="../../../../../etc"),
        "/etc/again": Entry("link", target="again"),
        "/run": Entry("directory"),
        "/run/lock": Entry("directory"),
        "/var": Entry("directory"),
        "/var/run": Entry("link", target="../run"),
        "/var/alias": Entry("link", target="/var/run"),
    }
)


@pytest.mark.parametrize(
    ("path", "real"),
    [
        ("/etc/one.conf", "/etc/one.conf"),
        ("/etc//./one.conf/", "/etc/one.conf"),
        ("/var/run/lock", "/run/lock"),
        ("/var/alias/lock", "/run/lock"),
        ("/var/run/missing/below", "/run/missing/below"),
        ("/var/run", "/var/run"),
        ("/etc/out/one.conf", "/etc/one.conf"),
        ("/../../etc", "/etc"),
        ("/", "/"),
    ],
)
def test_links_among_the_parents_are_resolved(path: str, real: str) -> None:
    assert paths.canonical(TREE, path) == real


def test_the_last_part_is_followed_when_asked() -> None:
    assert paths.canonical(TREE, "/var/alias", follow=True) == "/run"
    assert paths.canonical(TREE, "/etc/out", follow=True) == "/etc"


def test_a_loop_of_links_ends() -> None:
    found = paths.look(TREE, "/etc/again")
    assert found is not None
    assert found.kind == "link"


@pytest.mark.parametrize(
    ("pattern", "named"),
    [
        ("/etc/*.conf", ["/etc/one.conf", "/etc/two.conf"]),
        ("/etc/.*.conf", ["/etc/.hidden.conf"]),
        ("/etc/?[^w]*.conf", ["/etc/one.conf"]),
        ("/etc/one.conf", ["/etc/one.conf"]),
        ("/etc/none", []),
        ("/var/run/*", ["/run/lock"]),
        ("/var/run", ["/var/run"]),
        ("/var/run/", ["/run"]),
    ],
)
def test_patterns_are_expanded_within_the_image(pattern: str, named: list[str]) -> None:
    assert paths.glob(TREE, pattern) == named


def test_what_is_gone_takes_all_below_along() -> None:
    tree = AlteredTree(TREE, {"/run": None})
    assert tree.entry("/run/lock") is None
    assert tree.names("/") == ("etc", "var")


def test_what_is_put_somewhere_has_a_name_there() -> None:
    tree = AlteredTree(TREE, {"/run/new": Entry("file")})
    assert tree.names("/run") == ("lock", "new")
    assert list(paths.walk(tree, "/run")) == ["/run", "/run/lock", "/run/new"]
