"""What `compare` finds: files, configurations, layers; and nothing where nothing differs."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from buildsys import cli
from buildsys.diagnostics import Refused
from buildsys.inspect_image.diff import Difference, differences
from buildsys.inspect_image.stored_image import opened
from tests.inspect_image.layouts import (
    BLOCK,
    CHARACTER,
    DIRECTORY,
    HARDLINK,
    PIPE,
    SYMLINK,
    Member,
    image,
    layer,
    member,
)

INDEX = "application/vnd.oci.image.index.v1+json"
BASE = layer(member("etc", type=DIRECTORY, mode=0o755), member("etc/base", b"below\n"))


def found(tmp_path: Path, a: Sequence[bytes], b: Sequence[bytes]) -> list[Difference]:
    names = [image(tmp_path / "a", *a), image(tmp_path / "b", *b)]
    with opened(names, "") as images:
        return list(differences(*images))


def told(differences: Sequence[Difference]) -> list[tuple[str, str, str, str]]:
    return [(item.path, item.what, item.a, item.b) for item in differences]


SHA = {
    "one": "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed",
    "three": "8b5b9db0c13db24256c829aa364aa90c6d2eba318b9232a4ab9313b954d3555f",
}


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (
            member("x", b"one"),
            member("x", b"three"),
            ("content", f"3 bytes, sha256 {SHA['one']}", f"5 bytes, sha256 {SHA['three']}"),
        ),
        (member("x", mode=0o644), member("x", mode=0o4755), ("mode", "644", "4755")),
        (member("x", uid=1), member("x", gid=42), ("owner", "1:0", "0:42")),
        (
            member("x", mtime=0),
            member("x", mtime=1517443200.5),
            ("time", "1970-01-01T00:00:00+00:00", "2018-02-01T00:00:00.500000+00:00"),
        ),
        (
            member("x", type=SYMLINK, linkname="/a"),
            member("x", type=SYMLINK, linkname="b"),
            ("target", "/a", "b"),
        ),
        (
            member("x", type=HARDLINK, linkname="a"),
            member("x", type=HARDLINK, linkname="b"),
            ("target", "a", "b"),
        ),
        (
            member("x", type=CHARACTER, devmajor=1, devminor=3),
            member("x", type=CHARACTER, devmajor=1, devminor=5),
            ("device", "1:3", "1:5"),
        ),
        (
            member("x", xattrs={"user.a": b"\x00\xff"}),
            member("x"),
            ("attribute user.a", "0x00ff", ""),
        ),
        (
            member("x", xattrs={"security.capability": b"\x01\n="}),
            member("x", xattrs={"security.capability": b"\x02\n="}),
            ("attribute security.capability", "0x010a3d", "0x020a3d"),
        ),
        (member("x"), member("x", type=PIPE), ("kind", "file", "pipe")),
        (member("x", type=BLOCK), member("x", type=DIRECTORY), ("kind", "block device", "directory")),
        (member(".wh.x"), member("x"), ("kind", "removed", "file")),
    ],
)
def test_a_property(tmp_path: Path, a: Member, b: Member, expected: tuple[str, str, str]) -> None:
    (difference,) = found(tmp_path, [BASE, layer(a)], [BASE, layer(b)])
    assert (difference.where, difference.path) == ("layer 2", "/x")
    assert (difference.what, difference.a, difference.b) == expected


def test_what_only_one_has(tmp_path: Path) -> None:
    one, other = layer(member("a"), member("d/.wh..wh..opq")), layer(member("b"), member(".config"))
    assert told(found(tmp_path, [one], [other])) == [
        ("/.config", "kind", "", "file"),
        ("/a", "kind", "file", ""),
        ("/b", "kind", "", "file"),
        ("/d/", "kind", "emptied", ""),
    ]


def test_the_first_layer_comes_first_and_every_property_is_told(tmp_path: Path) -> None:
    a = [layer(member("z", b"1", uid=1)), layer(member("a", b"1"))]
    b = [layer(member("z", b"2", uid=2)), layer(member("a", b"2"))]
    assert [(item.where, item.path, item.what) for item in found(tmp_path, a, b)] == [
        ("layer 1", "/z", "content"),
        ("layer 1", "/z", "owner"),
        ("layer 2", "/a", "content"),
    ]


def test_a_layer_that_only_one_has(tmp_path: Path) -> None:
    assert found(tmp_path, [BASE], [BASE, layer(member("x"))]) == [
        Difference("layer 2", "", "only one has it", "of 1", "of 2")
    ]


def test_equal_images_are_equal_however_they_are_packed(tmp_path: Path) -> None:
    assert found(tmp_path, [BASE], [BASE]) == []


def test_another_order_of_the_same_files(tmp_path: Path) -> None:
    one, other = member("a", b"1"), member("./b/", b"", type=DIRECTORY)
    (difference,) = found(tmp_path, [layer(one, other)], [layer(other, one)])
    assert (difference.where, difference.path) == ("layer 1", "")
    assert difference.what == "same files, packed in another way"
    assert difference.a != difference.b


def test_configuration(tmp_path: Path) -> None:
    one = {"config": {"Env": ["A=1", "B=2"], "User": "root"}, "created": "2018-02-01T00:00:00Z"}
    other = {
        "config": {"Env": ["A=1"], "User": "", "Labels": {"a.b": "c"}},
        "created": "2018-02-01T00:00:00Z",
    }
    names = [image(tmp_path / "a", BASE, config=one), image(tmp_path / "b", BASE, config=other)]
    with opened(names, "") as images:
        found = list(differences(*images))
    assert {item.where for item in found} == {"configuration"}
    assert told(found) == [
        ("config.Env[1]", "value", "B=2", ""),
        ("config.Labels", "value", "", '{"a.b": "c"}'),
        ("config.User", "value", "root", '""'),
    ]


def test_the_same_configuration_written_in_another_way(tmp_path: Path) -> None:
    a = image(tmp_path / "a", BASE)
    with opened([a], "") as (first,):
        b = image(tmp_path / "b", BASE, text=json.dumps(first.config, indent=1))
    with opened([a, b], "") as images:
        (difference,) = differences(*images)
        assert difference.what == "same values, written in another way"
        assert [difference.a, difference.b] == [image.id for image in images]


def test_only_layers_that_differ_are_fetched(tmp_path: Path) -> None:
    top = layer(member("x", b"1" * 100000)), layer(member("x", b"2"))
    names = [image(tmp_path / "a", BASE, top[0], BASE), image(tmp_path / "b", BASE, top[1], BASE)]
    with opened(names, "") as images:
        assert len(list(differences(*images))) == 1
        fetched = [{path.name for path in image.place.iterdir()} for image in images]
        blobs = [path for image in images for path in image.place.rglob("blobs/sha256/*")]
        assert fetched == [{"1"}, {"1"}]
        assert not any(b"below" in path.read_bytes() for path in blobs)


def test_layers_that_are_compressed_read_the_same(tmp_path: Path) -> None:
    # As a registry keeps them: stored by their packed bytes, known by their content.
    one, other = (layer(member("x", content), member("y", b"2" * 9999)) for content in (b"1", b"9"))
    names = [image(tmp_path / "a", BASE, one), image(tmp_path / "b", BASE, one, pack=gzip.compress)]
    names += [image(tmp_path / "c", BASE, other, pack=gzip.compress)]
    with opened(names, "") as (plain, packed, changed):
        assert list(differences(plain, packed)) == []
        assert [(item.path, item.what) for item in differences(plain, changed)] == [("/x", "content")]


def test_a_layer_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        found(tmp_path, [b"this is no archive"], [BASE])
    (mistake,) = refused.value.diagnostics
    assert mistake.code == "unreadable-image"
    assert mistake.message.startswith(f"'oci:{tmp_path}/a' cannot be read: layer 1: ")


def test_a_layer_that_ends_too_early(tmp_path: Path) -> None:
    whole = layer(member("x", bytes(range(256)) * 4000))
    names = [image(tmp_path / "a", whole[:500_000]), image(tmp_path / "b", whole)]
    cut = image(tmp_path / "c", whole, pack=lambda data: gzip.compress(data)[:-100])
    with opened([*names, cut], "") as (a, b, c):
        for broken in (a, c):
            with pytest.raises(Refused) as refused:
                broken.entries(0)
            assert [item.code for item in refused.value.diagnostics] == ["unreadable-image"]
        assert b.entries(0)["/x"].size == 256 * 4000


def test_a_path_may_hold_anything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = "a\tb\n\x1b[1m\udcff/é"
    names = [image(tmp_path / "a", layer(member(odd))), image(tmp_path / "b", layer(member("x")))]
    assert cli.run(["compare", *names]) == 1
    assert capsys.readouterr().out.splitlines()[0] == "layer 1\t/a\\tb\\n\\x1b[1m\\xff/é\tkind\tfile\t"
    assert cli.run(["compare", "--json", *names]) == 1
    assert json.loads(capsys.readouterr().out)[0]["path"] == f"/{odd}"


@pytest.mark.parametrize(("program", "name"), [("skopeo", "oci:nowhere"), ("buildah", "x")])
def test_without_the_program_that_reads(
    program: str,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cli.run(["compare", name, name]) == 3
    assert f"{program} is needed and is not installed [missing-tool]" in capsys.readouterr().err


def test_an_index_of_platforms_is_not_chosen_from(tmp_path: Path) -> None:
    name = image(tmp_path / "a", BASE)
    index = tmp_path / "a/index.json"
    (entry,) = json.loads(index.read_text())["manifests"]
    inner = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}).encode()
    digest = hashlib.sha256(inner).hexdigest()
    (tmp_path / "a/blobs/sha256" / digest).write_bytes(inner)
    nested = {"mediaType": INDEX, "digest": f"sha256:{digest}", "size": len(inner)}
    index.write_text(json.dumps({"schemaVersion": 2, "manifests": [nested]}))
    with pytest.raises(Refused, match="give the digest of one image"), opened([name], ""):
        pass
