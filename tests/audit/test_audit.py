"""`buildsys audit` with each kind of feed, and with exceptions."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from buildsys import cli
from buildsys.audit import feed
from buildsys.audit.advisory import cvss_severity
from tests.sbom import plan

Audit = Callable[..., tuple[int, list[dict[str, Any]], str]]

UPDATEINFO = """\
<?xml version="1.0"?>
<updates>
<update type="security"><id>ACME-1</id><severity>Important</severity>
 <references><reference type="cve" id="CVE-2026-1"/></references>
 <pkglist><collection>
  <package name="app" version="1.0" release="1" epoch="1" arch="x86_64" src="app.src.rpm"/>
  <package name="app" version="9" release="1" epoch="1" arch="src"/>
  <package name="libx" version="2.0" release="3" epoch="0" arch="x86_64"/>
 </collection></pkglist></update>
<update type="bugfix"><id>ACME-2</id>
 <pkglist><collection>
  <package name="bash" version="9" release="1" arch="x86_64"/>
 </collection></pkglist></update>
</updates>
"""
OSV = {
    "id": "OSV-1", "modified": "2026-01-01T00:00:00Z", "aliases": ["CVE-2026-2"],
    "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
    "affected": [
        {"package": {"ecosystem": "openEuler:1", "name": "bash"},
         "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}]},
        {"package": {"ecosystem": "Red Hat:rhel_e4s:7", "name": "bash"},
         "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "0:4.2-2"}]}]},
        {"package": {"ecosystem": "PyPI", "name": "bash"}},
    ],
}  # fmt: skip


@pytest.fixture
def audit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Audit:
    plan.write(tmp_path / "plan")
    (tmp_path / "demo").mkdir()

    def run(*words: str, feeds: str = "feeds", status: int | None = None) -> tuple[int, list[Any], str]:
        call = ["audit", str(tmp_path / "demo"), "--plan", str(tmp_path / "plan"), "--advisories"]
        found = cli.run([*call, str(tmp_path / feeds), *words, "--json"])
        printed = capsys.readouterr()
        assert status is None or found == status, printed.err
        return found, json.loads(printed.out)["findings"] if printed.out else [], printed.err

    return run


def write(file: Path, content: str | bytes) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)


@pytest.mark.parametrize("name", ["updateinfo.xml", "updateinfo.xml.gz"])
def test_updateinfo(audit: Audit, tmp_path: Path, name: str) -> None:
    content = UPDATEINFO.encode()
    write(tmp_path / "feeds" / name, gzip.compress(content) if name.endswith("gz") else content)
    _, (row,), err = audit(status=1)
    assert {key: row[key] for key in ("image", "package", "version", "advisory", "severity", "fixed")} == {
        "image": "app", "package": "app", "version": "1:1.0~rc1-1", "advisory": "ACME-1",
        "severity": "high", "fixed": "1:1.0-1",
    }  # fmt: skip
    assert row["update"] == f"buildsys lock {tmp_path}/demo app --update"
    assert row["recipe"] == "images/app.yaml:3:13"
    assert err == "error: 2 images: 1 finding, 1 of them count\n"
    audit("--severity", "critical", status=0)


def test_osv(audit: Audit, tmp_path: Path) -> None:
    write(tmp_path / "feeds/one.json", json.dumps(OSV))
    _, (row,), _ = audit("--severity", "critical", status=1)
    assert (row["image"], row["images"], row["fixed"]) == ("base", ["base", "app"], "0:4.2-2")
    write(tmp_path / "feeds/one.json", json.dumps({**OSV, "withdrawn": "2026-01-02T00:00:00Z"}))
    audit(status=0)


def test_the_debian_tracker_is_about_source_packages_of_a_release(audit: Audit, tmp_path: Path) -> None:
    base, libc = "base-files_12.4_amd64.deb", "libc6_2.36-9_amd64.deb"
    files = f"        {base} # s:1:1\n        {libc} # s:1:2\n"
    step = f'    words=(\n{files}    )\n    apt_bootstrap "${{words[@]}}"\n'
    keys = [
        f"package base-files 12.4 amd64 {base} sha256:{'1' * 64}",
        f"package libc6 2.36-9+b1 amd64 {libc} sha256:{'2' * 64}",
    ]
    plan.write(tmp_path / "plan", {"base": keys, "app": []}, {"base": step, "app": ""})
    origins = {base: ["bookworm/main", "", ""], libc: ["bookworm/main", "glibc_2.36-9", ""]}
    (tmp_path / "plan/state/packages.json").write_text(json.dumps(origins))
    releases = {
        "bookworm": {"status": "resolved", "fixed_version": "2.36-10", "urgency": "medium"},
        "trixie": {"status": "open", "urgency": "high"},
    }
    tracker = {
        "glibc": {
            "CVE-2026-3": {"releases": releases},
            "CVE-2026-4": {"releases": {"bookworm": {"status": "open", "urgency": "not yet assigned"}}},
            "CVE-2026-5": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "0"}}},
            "CVE-2026-6": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "2.36-9"}}},
        },
        "libc6": {"CVE-2026-7": {"releases": {"bookworm": {"status": "open", "urgency": "high"}}}},
    }
    write(tmp_path / "feeds/tracker.json", json.dumps(tracker))
    _, rows, _ = audit(status=1)
    assert [(row["package"], row["advisory"], row["severity"], row["fixed"]) for row in rows] == [
        ("libc6", "CVE-2026-3", "medium", "2.36-10"),
        ("libc6", "CVE-2026-4", "unknown", ""),
    ]
    # Only the unknown severity counts against `high`.
    assert [row["counts"] for row in rows] == [False, True]


EXCEPTION = """\
exceptions:
  - advisory: {advisory}
    package: app
    images: [app]
    status: not_affected
    reason: the vulnerable function is never called
    date: "2026-01-01"
    until: "{until}"
"""


def test_exceptions(audit: Audit, tmp_path: Path) -> None:
    write(tmp_path / "feeds/updateinfo.xml", UPDATEINFO)
    file = tmp_path / "demo/exceptions.yaml"
    file.write_text(EXCEPTION.format(advisory="CVE-2026-1", until="2999-01-01"))
    _, (row,), err = audit(status=0)
    assert row["exception"]["reason"] == "the vulnerable function is never called"
    assert err == "2 images: 1 finding, 0 of them count, 1 are excepted\n"
    file.write_text(EXCEPTION.format(advisory="CVE-2026-1", until="2026-01-02"))
    _, _, err = audit(status=1)
    assert f"{file}:2:15: note: the exception for CVE-2026-1 ended on 2026-01-02" in err
    file.write_text(EXCEPTION.format(advisory="CVE-2020-1", until="2999-01-01"))
    _, _, err = audit(status=1)
    assert f"{file}:2:15: note: the exception for CVE-2020-1 covers nothing; remove it" in err


def test_mistakes_of_exceptions(audit: Audit, tmp_path: Path) -> None:
    write(tmp_path / "feeds/updateinfo.xml", UPDATEINFO)
    text = EXCEPTION.format(advisory="CVE-2026-1", until="2999-01-01")
    (tmp_path / "demo/exceptions.yaml").write_text(text.replace('    date: "2026-01-01"\n', ""))
    _, _, err = audit(status=2)
    assert "[missing-key]" in err
    assert "exceptions.yaml:2:" in err


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ("[1]", "'int' object has no attribute 'get'"),
        ("<a/>", "its root is not <updates>"),
        ('<!DOCTYPE updates [<!ENTITY a "b">]><updates/>', "it declares entities"),
        ("<updates>", "no element found: line 1, column 9"),
    ],
)
def test_a_damaged_feed_is_an_error(audit: Audit, tmp_path: Path, content: str, why: str) -> None:
    write(tmp_path / "feeds/x.json", content)
    _, _, err = audit(status=2)
    assert err == (
        f"{tmp_path}/feeds/x.json:1:1: error: these advisories cannot be read: {why} [bad-advisories]\n"
        + err.partition("[bad-advisories]\n")[2]
    )
    assert "  hint: a feed that is read in part would pass for a clean one: fetch it again\n" in err


def test_a_path_without_advisories_is_an_error(audit: Audit, tmp_path: Path) -> None:
    _, _, err = audit(feeds="none", status=2)
    assert f"{tmp_path}/none:1:1: error: there are no advisories here [bad-advisories]" in err


def test_an_image_with_unknown_packages_is_not_clean(audit: Audit, tmp_path: Path) -> None:
    write(tmp_path / "feeds/one.json", json.dumps({**OSV, "affected": []}))
    plan.write(tmp_path / "plan", {"far": ["base quay.io/a/b@sha256:" + "d" * 64]}, {"far": ""})
    _, rows, err = audit(status=1)
    assert rows == []
    assert "error: far is not audited: its plan does not name packages of the base image quay.io/a/b" in err


@pytest.mark.parametrize(
    ("vector", "severity"),
    [
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "critical"),  # 9.8
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", "medium"),  # 6.1
        ("CVSS:3.0/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", "high"),  # 7.8
        ("CVSS:3.1/AV:L/AC:H/PR:L/UI:R/S:U/C:L/I:N/A:N", "low"),  # 2.2
        ("CVSS:4.0/AV:N", "unknown"),
        ("CVSS:3.1/AV:N", "unknown"),
    ],
)
def test_severities_of_cvss(vector: str, severity: str) -> None:
    assert cvss_severity(vector) == severity


def test_versions_of_osv_without_ranges(tmp_path: Path) -> None:
    entry = {
        "id": "A",
        "affected": [{"package": {"ecosystem": "Debian:12", "name": "glibc"}, "versions": ["1"]}],
    }
    write(tmp_path / "feeds/a.json", json.dumps(entry))
    (found,) = feed.read([tmp_path / "feeds"])
    assert (found.introduced, found.last, found.distribution, found.source) == ("1", "1", "debian-12", True)
