"""Verbs that make, change, move and remove files."""

from __future__ import annotations

import pytest

from tests.runtime.roots import Box

HOSTILE = [
    "with space",
    "it's",
    'two "words"',
    "*",
    "[a]",
    "-rf",
    "new\nline",
    "$(id)",
    "back\\slash",
    "é",
    "#",
    "%s",
]


def test_directory_makes_parents_and_sets_mode_and_owner_of_the_last(box: Box) -> None:
    box.works(("directory", "2775", ":wheel", "/var/log/kolla", "/srv/a b"))
    assert [box.mode("/var/log/kolla"), box.mode("/srv/a b"), box.mode("/var/log")] == ["2775", "2775", "755"]
    assert [box.owner("/var/log/kolla"), box.owner("/var/log")] == [(0, 10), (0, 0)]


def test_directory_takes_an_existing_one_as_it_is(box: Box) -> None:
    box.path("/srv").mkdir(0o700)
    box.path("/link").symlink_to("srv")
    box.works(("directory", "", "", "/srv", "/link"))
    assert box.mode("/srv") == "700"
    assert box.path("/link").is_symlink()


def test_directory_in_the_place_of_a_file_fails(box: Box) -> None:
    box.write("/srv", "")
    box.fails(("directory", "", "", "/srv"))


def test_mode_of_globs(box: Box) -> None:
    for name in ("one", "two words"):
        box.write(f"/etc/sudoers.d/{name}", "")
    box.works(("mode", "640", "/etc/sudoers.d/*"))
    assert [box.mode("/etc/sudoers.d/one"), box.mode("/etc/sudoers.d/two words")] == ["640", "640"]
    assert box.mode("/etc/sudoers.d") == "755"


def test_mode_recursive_and_symbolic(box: Box) -> None:
    box.write("/srv/a/b", "", 0o600)
    box.works(("mode", "a+rX", "-R", "/srv"))
    assert [box.mode("/srv/a"), box.mode("/srv/a/b")] == ["755", "644"]


def test_owner_changes_a_link_and_not_what_it_points_at(box: Box) -> None:
    box.write("/srv/file", "")
    box.path("/srv/link").symlink_to("file")
    box.works(("owner", "7:10", "/srv/link"))
    assert [box.owner("/srv/link"), box.owner("/srv/file")] == [(7, 10), (0, 0)]


def test_owner_recursive_does_not_leave_by_a_link(box: Box) -> None:
    box.write("/other/file", "")
    box.write("/srv/file", "")
    box.path("/srv/out").symlink_to("/other")
    box.works(("owner", "7", "-R", "/srv"))
    assert [box.owner("/srv/file"), box.owner("/srv/out"), box.owner("/other/file")] == [
        (7, 0),
        (7, 0),
        (0, 0),
    ]


@pytest.mark.parametrize("owner", ["nobody-here", "root:nobody-here", ":nobody-here"])
def test_owner_that_does_not_exist_fails_and_is_named(box: Box, owner: str) -> None:
    box.write("/srv/file", "")
    assert "nobody-here" in box.fails(("owner", owner, "/srv/file"))
    assert "nobody-here" in box.fails(("directory", "", owner, "/srv/made"))


@pytest.mark.parametrize(
    "verb",
    [("mode", "755"), ("owner", "0"), ("remove",), ("remove", "-R"), ("mode", "755", "-R")],
    ids=" ".join,
)
def test_what_names_nothing_fails_unless_optional(box: Box, verb: tuple[str, ...]) -> None:
    box.path("/srv").mkdir()
    paths = ("/srv/nothing", "/srv/*.none", "/none/*/x", "/srv/[x")
    for path in paths:
        assert box.fails((*verb, path)).splitlines() == [
            f"error: {path}: no such path in the image",
            '  hint: if this is intended, set "optional: true"',
        ]
    box.works(*(("optional", *verb, path) for path in paths))


def test_optional_holds_for_one_verb_only(box: Box) -> None:
    box.fails(("optional", "remove", "/none"), ("remove", "/none"))


def test_optional_does_not_hide_a_failure(box: Box) -> None:
    box.path("/srv").mkdir()
    box.fails(("optional", "remove", "/srv"))


def test_nothing_after_a_failure_is_done(box: Box) -> None:
    box.fails(("remove", "/none"), ("file", "", "/after"))
    assert not box.path("/after").exists()


def test_the_spot_is_that_of_the_verb_that_failed(box: Box) -> None:
    outcome = box.feed(["at a.yaml:1:1", "file '' /one", "at b.yaml:2:2", "remove /none", "at c.yaml:3:3"])
    assert (outcome.status != 0, outcome.spot) == (True, "b.yaml:2:2")


def test_link(box: Box) -> None:
    box.works(("link", "/x/y", "/openstack/healthcheck"), ("link", "-n", "/srv/dash"))
    assert str(box.path("/openstack/healthcheck").readlink()) == "/x/y"
    assert str(box.path("/srv/dash").readlink()) == "-n"
    box.works(("link", "/x/y", "/openstack/healthcheck"))


def test_link_in_the_place_of_something_fails_unless_forced(box: Box) -> None:
    box.write("/srv/file", "")
    box.path("/srv/link").symlink_to("elsewhere")
    for path in ("/srv/file", "/srv/link"):
        assert box.fails(("link", "target", path)) == (
            f"error: {path}: exists already; set 'force: true' to replace it\n"
        )
        box.works(("link", "target", path, "force"))
        assert str(box.path(path).readlink()) == "target"


def test_link_never_replaces_a_directory(box: Box) -> None:
    box.write("/srv/full/file", "")
    box.fails(("link", "target", "/srv/full", "force"))
    assert box.names("/srv/full") == ["file"]


def test_file(box: Box) -> None:
    box.write("/srv/there", "kept", 0o600)
    box.works(("file", "", "/srv/there", "/srv/deep/made"), ("file", "640", "/srv/with mode"))
    assert [box.text("/srv/there"), box.mode("/srv/there")] == ["kept", "600"]
    assert [box.text("/srv/deep/made"), box.mode("/srv/deep/made")] == ["", "644"]
    assert box.mode("/srv/with mode") == "640"


def test_remove(box: Box) -> None:
    for name in ("a", "b.rpmnew", "c.rpmnew", ".hidden.rpmnew"):
        box.write(f"/srv/{name}", "")
    box.path("/srv/dangling.rpmnew").symlink_to("/none")
    box.works(("remove", "/srv/*.rpmnew"))
    assert box.names("/srv") == [".hidden.rpmnew", "a"]
    assert "irectory" in box.fails(("remove", "/srv"))
    box.works(("remove", "-R", "/srv"))
    assert not box.path("/srv").exists()


def test_move(box: Box) -> None:
    box.write("/srv/file", "text")
    box.works(("move", "/srv/file", "/opt/deep/renamed"), ("move", "/opt/deep/renamed", "/opt/into/"))
    assert box.text("/opt/into/renamed") == "text"
    assert box.names("/srv") == []
    assert "no such path" in box.fails(("move", "/srv/file", "/opt/x"))


def test_duplicate(box: Box) -> None:
    box.write("/srv/a.conf", "a", 0o600)
    box.write("/srv/b.conf", "b")
    box.write("/srv/tree/deep/file", "c")
    box.works(
        ("duplicate", "/srv/*.conf", "/etc/conf.d/"),
        ("duplicate", "/srv/a.conf", "/opt/deep/renamed"),
        ("duplicate", "/srv/tree", "/opt/tree"),
    )
    assert box.names("/etc/conf.d") == ["a.conf", "b.conf"]
    assert [box.text("/opt/deep/renamed"), box.text("/opt/tree/deep/file")] == ["a", "c"]
    assert "no such path" in box.fails(("duplicate", "/srv/*.none", "/etc/none/"))
    box.works(("optional", "duplicate", "/srv/*.none", "/etc/none/"))
    assert not box.path("/etc/none").exists()


def test_duplicate_preserves_when_told(box: Box) -> None:
    path = box.write("/srv/file", "a", 0o640)
    box.works(("owner", "7:10", "/srv/file"), ("duplicate", "/srv/file", "/srv/plain"))
    box.works(("duplicate", "/srv/file", "/srv/same", "preserve"))
    assert [box.owner("/srv/plain"), box.owner("/srv/same")] == [(0, 0), (7, 10)]
    assert box.mode("/srv/same") == "640"
    assert int(box.path("/srv/same").stat().st_mtime) == int(path.stat().st_mtime)


def test_names_are_only_names(box: Box) -> None:
    beside = ["a", "b"]
    for name in beside:
        box.write(f"/srv/{name}", "")
    for name in HOSTILE:
        path = f"/srv/{name}"
        box.works(
            ("file", "600", path),
            ("append", path, name, f"-n {name}"),
            ("link", name, f"{path}.link"),
            ("duplicate", "/srv/a", f"{path}.copy"),
            ("move", path, f"{path}.moved"),
            ("directory", "700", "", f"{path}/deep"),
        )
        assert box.text(f"{path}.moved") == f"{name}\n-n {name}\n"
        assert str(box.path(f"{path}.link").readlink()) == name
        assert box.mode(f"{path}/deep") == "700"
    made = [f"{name}{end}" for name in HOSTILE for end in ("", ".link", ".copy", ".moved")]
    assert box.names("/srv") == sorted([*beside, *made])


def test_paths_stay_in_the_root(box: Box) -> None:
    """A link in an image that leads to the host's files from outside leads to the image's own from inside."""
    outside = box.root.parent / "outside"
    outside.mkdir()
    (outside / "kept").write_text("")
    box.path("/srv").symlink_to(outside)
    box.path("/up").symlink_to("../../../../../../.." + str(outside))
    box.works(("directory", "", "", str(outside)), ("file", "", "/srv/file"), ("file", "", "/up/file2"))
    assert sorted(path.name for path in outside.iterdir()) == ["kept"]
    assert box.names(str(outside)) == ["file", "file2"]
    box.works(("remove", "/srv/*"))
    assert sorted(path.name for path in outside.iterdir()) == ["kept"]
    assert box.names(str(outside)) == []
