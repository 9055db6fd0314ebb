"""Verbs that bring files from elsewhere: the plan's context and pool, other images, payloads of packages."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.runtime.roots import Box


def carry(box: Box, folder: str, name: str, text: str = "text\n", mode: int = 0o600) -> None:
    path = box.plan / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    os.utime(path, (1, 1))


@pytest.fixture
def other(box: Box) -> Path:
    """Another image, named `tools`."""
    root = box.root.parent / "other"
    root.mkdir()
    box.sources["image/tools"] = root
    return root


def test_context(box: Box) -> None:
    carry(box, "context", "abc")
    box.works(
        ("context", "755", "", "abc", "/usr/local/bin/tool"), ("context", "640", "7:10", "abc", "/etc/a b/c")
    )
    assert [box.text("/usr/local/bin/tool"), box.mode("/usr/local/bin/tool")] == ["text\n", "755"]
    assert [box.owner("/usr/local/bin/tool"), box.owner("/etc/a b/c")] == [(0, 0), (7, 10)]
    # What is placed now is new: the step clamps it to the set's epoch, whatever a checkout made of it.
    assert box.path("/usr/local/bin/tool").stat().st_mtime > 1e9


def test_context_replaces_a_file_and_a_link_but_not_what_the_link_points_at(box: Box) -> None:
    carry(box, "context", "abc")
    box.write("/srv/file", "old", 0o777)
    box.path("/srv/link").symlink_to("file")
    box.path("/srv/dangling").symlink_to("/none")
    box.works(*(("context", "644", "", "abc", f"/srv/{name}") for name in ("link", "dangling")))
    assert [box.text("/srv/file"), box.text("/srv/link"), box.text("/srv/dangling")] == [
        "old",
        "text\n",
        "text\n",
    ]
    assert not box.path("/srv/link").is_symlink()
    assert not box.path("/none").exists()


def test_a_file_in_the_place_of_a_directory_fails_and_leaves_it_alone(box: Box) -> None:
    carry(box, "context", "abc")
    box.path("/srv").mkdir(0o750)
    said = box.fails(("context", "644", "7:7", "abc", "/srv"))
    assert said == "error: /srv: is a directory; end the path with '/' to copy into it\n"
    assert (box.mode("/srv"), box.owner("/srv"), box.names("/srv")) == ("750", (0, 0), [])


def test_pooled(box: Box) -> None:
    carry(box, "pool/downloads", "f00")
    box.works(("pooled", "755", "f00", "/usr/local/bin/dumb-init"), ("pooled", "644", "f00", "/etc/x"))
    assert [box.mode("/usr/local/bin/dumb-init"), box.mode("/etc/x"), box.owner("/etc/x")] == [
        "755",
        "644",
        (0, 0),
    ]


def test_other_file(box: Box, other: Path) -> None:
    (other / "made").write_text("x")
    (other / "made").chmod(0o4750)
    os.chown(other / "made", 7, 10)
    (other / "made").chmod(0o4750)
    box.works(
        ("other", "", "", "tools", "/made", "/copied/"),
        ("other", "600", "8", "tools", "/made", "/opt/renamed"),
    )
    assert [box.text("/copied/made"), box.mode("/copied/made"), box.owner("/copied/made")] == [
        "x",
        "4750",
        (0, 0),
    ]
    assert [box.mode("/opt/renamed"), box.owner("/opt/renamed")] == ["600", (8, 10)]


def test_other_tree(box: Box, other: Path) -> None:
    (other / "tree/deep").mkdir(parents=True)
    (other / "tree/.hidden").write_text("h")
    (other / "tree/deep/two words").write_text("x")
    (other / "tree/deep/setuid").write_text("x")
    (other / "tree/deep/link").symlink_to("/etc/passwd")
    for path in ("tree", "tree/deep", "tree/deep/setuid"):
        os.chown(other / path, 7, 10)
    (other / "tree").chmod(0o750)
    (other / "tree/deep/setuid").chmod(0o4755)
    box.works(
        ("other", "", "", "tools", "/tree", "/opt/copy"), ("other", "700", "5:6", "tools", "/tree", "/opt/")
    )
    assert box.names("/opt/copy") == [".hidden", "deep"]
    assert box.names("/opt/copy/deep") == ["link", "setuid", "two words"]
    assert str(box.path("/opt/copy/deep/link").readlink()) == "/etc/passwd"
    assert [box.mode("/opt/copy"), box.mode("/opt/copy/deep/setuid"), box.mode("/opt/tree")] == [
        "750",
        "4755",
        "700",
    ]
    inside = ("", "/.hidden", "/deep", "/deep/link", "/deep/setuid", "/deep/two words")
    assert {box.owner(f"/opt/copy{name}") for name in inside} == {(0, 0)}
    assert {box.owner(f"/opt/tree{name}") for name in inside} == {(5, 6)}


def test_other_tree_into_an_existing_directory_leaves_what_is_there(box: Box, other: Path) -> None:
    (other / "tree").mkdir(0o700)
    (other / "tree/new").write_text("x")
    box.write("/srv/old", "kept", 0o4755)
    os.chown(box.path("/srv"), 7, 10)
    os.chown(box.path("/srv/old"), 7, 10)
    box.path("/srv/old").chmod(0o4755)
    box.works(("other", "", "5:6", "tools", "/tree", "/srv"))
    assert [box.owner("/srv"), box.owner("/srv/old"), box.owner("/srv/new")] == [(7, 10), (7, 10), (5, 6)]
    assert [box.mode("/srv"), box.mode("/srv/old")] == ["755", "4755"]


def test_an_empty_tree_is_copied(box: Box, other: Path) -> None:
    (other / "tree").mkdir()
    box.works(("other", "", "", "tools", "/tree", "/srv/a"), ("other", "", "", "tools", "/tree", "/srv/a"))
    assert box.names("/srv/a") == []


def test_links_of_another_image_lead_within_it(box: Box, other: Path) -> None:
    """`/var/run/x` of an image whose /var/run is a link to /run is its own /run/x, never this image's."""
    (other / "run").mkdir()
    (other / "run/x").write_text("theirs")
    (other / "var").mkdir()
    (other / "var/run").symlink_to("/run")
    (other / "var/up").symlink_to("../../../run/.//../run")
    (other / "var/loop").symlink_to("loop")
    box.write("/run/x", "ours")
    box.works(("other", "", "", "tools", "/var/run/x", "/a"), ("other", "", "", "tools", "/var/up/x", "/b"))
    assert [box.text("/a"), box.text("/b")] == ["theirs", "theirs"]
    assert (
        box.fails(("other", "", "", "tools", "/var/loop/x", "/c"))
        == "error: /var/loop/x: no such path in image tools\n"
    )


def test_a_link_of_another_image_is_copied_as_a_link(box: Box, other: Path) -> None:
    (other / "link").symlink_to("/etc/passwd")
    box.works(("other", "644", "7", "tools", "/link", "/srv/link"))
    assert str(box.path("/srv/link").readlink()) == "/etc/passwd"
    assert [box.owner("/srv/link"), box.owner("/etc/passwd"), box.mode("/etc/passwd")] == [
        (7, 0),
        (0, 0),
        "644",
    ]


def test_what_another_image_lacks_fails(box: Box, other: Path) -> None:
    assert (
        box.fails(("other", "", "", "tools", "/none", "/x")) == "error: /none: no such path in image tools\n"
    )
    assert not (other / "x").exists()


def test_another_image_cannot_be_written(box: Box, other: Path) -> None:
    box.feed(["echo x >/dev/buildsys/image/tools/x || :", "rm -rf /dev/buildsys/plan/lib || :"])
    assert list(other.iterdir()) == []
    assert (box.plan / "lib/inside.sh").exists()


def test_payload(box: Box) -> None:
    tree = box.root.parent / "payload"
    (tree / "usr/share/kolla/docker").mkdir(parents=True)
    (tree / "usr/share/kolla/docker/start.sh").write_text("#!/bin/sh\n")
    box.sources["payload/openstack-kolla"] = tree
    source = "/usr/share/kolla/docker/start.sh"
    box.works(("payload", "755", "", "openstack-kolla", source, "/usr/local/bin/kolla_start"))
    assert [box.text("/usr/local/bin/kolla_start"), box.mode("/usr/local/bin/kolla_start")] == [
        "#!/bin/sh\n",
        "755",
    ]
    said = box.fails(("payload", "", "", "openstack-kolla", "/none", "/x"))
    assert said == "error: /none: not in the payload of package openstack-kolla\n"


CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")


def test_attributes_stay_whoever_becomes_the_owner(box: Box, other: Path) -> None:
    """A change of the owner takes capabilities away."""
    (other / "tree").mkdir()
    for path in (other / "file", other / "tree/file"):
        path.write_text("x")
        os.setxattr(path, "security.capability", CAPABILITY)
        os.setxattr(path, "user.a", b"b")
    box.write("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnova:x:42:43:::\n")
    box.works(
        ("other", "", "", "tools", "/file", "/root-owned"),
        ("other", "4755", "nova", "tools", "/file", "/user"),
        ("other", "", "nova:", "tools", "/tree", "/tree"),
        ("other", "", ":wheel", "tools", "/file", "/group"),
        ("duplicate", "/tree", "/copied"),
        ("duplicate", "/tree/file", "/preserved", "preserve"),
        ("move", "/copied", "/moved"),
    )
    files = {
        "/root-owned": (0, 0), "/user": (42, 0), "/tree/file": (42, 43), "/group": (0, 10),
        "/moved/file": (0, 0), "/preserved": (42, 43),
    }  # fmt: skip
    for file, owner in files.items():
        assert (file, box.owner(file)) == (file, owner)
        assert os.getxattr(box.path(file), "security.capability") == CAPABILITY
        assert os.getxattr(box.path(file), "user.a") == b"b"
    assert box.mode("/user") == "4755"


def test_an_owner_that_the_image_does_not_know_fails(box: Box, other: Path) -> None:
    (other / "file").write_text("x")
    said = box.fails(("other", "", "nobody-here", "tools", "/file", "/file"))
    assert said == "error: the image has no passwd entry of nobody-here\n"
    said = box.fails(("other", "", "root:none", "tools", "/file", "/file"))
    assert said == "error: the image has no group entry of none\n"
    assert not box.path("/file").exists()


def test_links_of_a_tree_stay_links(box: Box, other: Path) -> None:
    (other / "tree/deep").mkdir(parents=True)
    (other / "tree/a").write_text("x")
    for name in ("b", "deep/c"):
        (other / "tree" / name).hardlink_to(other / "tree/a")
    box.path("/srv").mkdir()
    box.works(
        ("other", "", "", "tools", "/tree", "/srv"),
        ("duplicate", "/srv", "/copied"),
        ("duplicate", "/srv", "/preserved", "preserve"),
    )
    for folder in ("/srv", "/copied", "/preserved"):
        assert {box.path(f"{folder}/{name}").stat().st_nlink for name in ("a", "b", "deep/c")} == {3}


def test_holes_stay_holes(box: Box, other: Path) -> None:
    (other / "tree").mkdir()
    for path in (other / "file", other / "tree/file"):
        path.write_text("x")
        os.truncate(path, 1 << 30)
    box.works(("other", "", "", "tools", "/file", "/file"), ("other", "", "", "tools", "/tree", "/tree"))
    for file in ("/file", "/tree/file"):
        assert (box.path(file).stat().st_size, box.path(file).stat().st_blocks < 100) == (1 << 30, True)


def test_a_tree_goes_where_a_link_to_a_folder_leads(box: Box, other: Path) -> None:
    (other / "tree/lib").mkdir(parents=True)
    (other / "tree/lib/new").write_text("x")
    box.path("/usr/lib").mkdir(parents=True, exist_ok=True)
    box.path("/srv").mkdir()
    box.path("/srv/lib").symlink_to("/usr/lib")
    box.works(("other", "", "", "tools", "/tree", "/srv"))
    assert (box.text("/usr/lib/new"), box.path("/srv/lib").is_symlink()) == ("x", True)


def test_names_are_not_patterns(box: Box, other: Path) -> None:
    for name in ("a&b", "a\\1b", "-n", "grün"):
        (other / name).write_text(name)
        box.works(
            ("other", "", "", "tools", f"/{name}", "/copied/"),
            ("other", "", "", "tools", f"/{name}", f"/x/{name}&"),
        )
        assert [box.text(f"/copied/{name}"), box.text(f"/x/{name}&")] == [name, name]


def test_names_are_bytes(box: Box, other: Path) -> None:
    name = os.fsdecode(b"\xff\n\xc3" + b"n" * 200)
    (other / "tree" / name).mkdir(parents=True)
    (other / "tree" / name / name).write_text("x")
    box.works(("other", "", "", "tools", "/tree", "/tree"))
    assert (box.path("/tree") / name / name).read_text() == "x"


def test_how_the_plan_is_owned_is_the_hosts_affair(box: Box) -> None:
    carry(box, "context", "abc")
    os.chown(box.plan / "context/abc", 1000, 1000)
    os.setxattr(box.plan / "context/abc", "user.a", b"b")
    box.works(("context", "644", "7", "abc", "/file"), ("context", "644", ":7", "abc", "/other"))
    assert [box.owner("/file"), box.owner("/other")] == [(7, 0), (0, 7)]
    assert os.listxattr(box.path("/file")) == []


def test_attributes_and_links_of_the_context(box: Box) -> None:
    carry(box, "context", "abc")
    box.works(
        ("context", "755", "7", "abc", "/a"),
        ("attributes", "/a", "security.capability", f"0x{CAPABILITY.hex()}", "user.a", "0x"),
        ("same", "/a", "/deep/b"),
        ("folders", "7:8", "/deep/empty/inner", "/deep"),
    )
    assert os.getxattr(box.path("/deep/b"), "security.capability") == CAPABILITY
    assert os.getxattr(box.path("/deep/b"), "user.a") == b""
    assert [box.owner(path) for path in ("/deep", "/deep/empty", "/deep/empty/inner")] == [
        (0, 0),
        (0, 0),
        (7, 8),
    ]
