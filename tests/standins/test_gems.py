"""Gems: of RubyGems' form, and always the same."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile

from buildsys.standins.gem_file import gem
from buildsys.standins.stored_gzip import stored_gzip

EPOCH = 1504051200


def members(content: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        assert {info.mtime for info in archive} == {EPOCH}
        return {info.name: archive.extractfile(info).read() for info in archive}  # type: ignore[union-attr]


def test_a_gem_holds_its_metadata_its_files_and_their_checksums() -> None:
    outer = members(gem("pebble", "1.0.0", EPOCH))
    assert list(outer) == ["metadata.gz", "data.tar.gz", "checksums.yaml.gz"]
    metadata = gzip.decompress(outer["metadata.gz"]).decode()
    assert "\nname: pebble\nversion: !ruby/object:Gem::Version\n  version: 1.0.0\n" in metadata
    assert "\ndate: 2017-08-30 00:00:00.000000000 Z\n" in metadata
    assert list(members(gzip.decompress(outer["data.tar.gz"]))) == ["lib/pebble.rb"]
    checksums = gzip.decompress(outer["checksums.yaml.gz"]).decode()
    assert f"  metadata.gz: {hashlib.sha256(outer['metadata.gz']).hexdigest()}\n" in checksums
    assert f"  data.tar.gz: {hashlib.sha512(outer['data.tar.gz']).hexdigest()}\n" in checksums


def test_a_gem_is_the_same_everywhere() -> None:
    # A digest from elsewhere: nothing of Python's version, zlib's or the hour may enter it.
    digest = "cd365ba8058a5adb15c4cb67d82695308bcf46be744289a4474f1b6888c56018"
    assert hashlib.sha256(gem("pebble", "1.0.0", EPOCH)).hexdigest() == digest


def test_content_of_any_length_is_stored_whole() -> None:
    for size in (0, 1, 0xFFFF, 0x10000, 0x2FFFF):
        content = bytes(range(256)) * (size // 256 + 1)
        assert gzip.decompress(stored_gzip(content[:size])) == content[:size]
