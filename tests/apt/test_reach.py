"""What can come to be installed for some packages, and what cannot."""

from __future__ import annotations

from pathlib import Path

from buildsys.lock.apt_host import Target
from buildsys.lock.apt_index import Entry, Index, parted, reach, write_lists

PARAGRAPHS = """\
Package: service
Version: 2
Pre-Depends: init (>= 1.0~)
Depends: python3:any (>= 3.11), mta | mailer [amd64], lib (= 2-1)
Recommends: manual
Suggests: toy

Package: init
Version: 1

Package: python3
Version: 3

Package: postfix
Version: 3
Provides: other, mta (= 1), third

Package: mailer
Version: 1
Depends: deep

Package: deep
Version: 1
Depends: service

Package: lib
Version: 2-1

Package: manual
Version: 1

Package: toy
Version: 1"""


def index() -> Index:
    made = Index()
    for text in PARAGRAPHS.split("\n\n"):
        name = text.partition("\n")[0].removeprefix("Package: ")
        made.entries[name] = [Entry(text, "stones", "somewhere_Packages.xz")]
    return made


def test_needs_alternatives_and_those_that_stand_in() -> None:
    found = reach(index(), ["service"])
    assert found & index().entries.keys() == {
        "service", "init", "python3", "postfix", "mailer", "deep", "lib"
    }  # fmt: skip


def test_an_index_is_written_under_the_name_that_apt_knows(tmp_path: Path) -> None:
    release = tmp_path / "somewhere_InRelease"
    release.write_text("signed\n")
    target = Target(tmp_path / "somewhere_Packages.xz", "stones", "", release)
    other = Target(tmp_path / "updates_Packages.xz", "stones", "", tmp_path / "none")
    write_lists(index(), [target, other], {"lib", "toy", "nowhere"}, tmp_path / "lists")
    assert (tmp_path / "lists/updates_Packages").read_bytes() == b""
    assert (tmp_path / "lists/somewhere_InRelease").read_text() == "signed\n"
    assert (tmp_path / "lists/somewhere_Packages").read_text() == (
        "Package: lib\nVersion: 2-1\n\nPackage: toy\nVersion: 1\n"
    )


def test_versions_of_debian() -> None:
    assert parted("1:2.0-3-4") == ("1", "2.0-3", "4")
    assert parted("2.0") == ("", "2.0", "")
    assert parted("20250419~deb12u2") == ("", "20250419~deb12u2", "")
    assert parted("0:1.0+dfsg-1+b2") == ("0", "1.0+dfsg", "1+b2")
