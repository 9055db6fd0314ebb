"""Package URLs: https://github.com/package-url/purl-spec, and of which distribution packages are.

`packageurl-python` does the same; tests compare each result with it. Own code, because it is one line of
quoting: a library for that would be one more package in every build root.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

from buildsys.plan.inventory import Gem, InstalledPackage

_RELEASE = re.compile(
    r"(almalinux|centos(?:-(?:stream|linux))?|fedora|mageia|openEuler|openSUSE|oraclelinux|redhat|rocky)-release(?:-common)?"
)
_VENDORS = {"oraclelinux": "oracle", "openEuler": "openeuler", "openSUSE": "opensuse"}
_GEM = re.compile(r"(?P<name>.+?)-(?P<version>[0-9][0-9A-Za-z.]*)(?:-(?P<platform>[a-z0-9_-]+))?\.gem")


def distribution(packages: Iterable[InstalledPackage]) -> tuple[str, str]:
    """The id and the version of the distribution whose release package is installed; empty: none is."""
    for item in packages:
        version = item.evr.partition(":")[2] or item.evr
        if item.format == "deb" and item.name == "base-files":
            vendor = "ubuntu" if "ubuntu" in version else "debian"
            # Ubuntu's version of base-files is not the version of the release.
            return vendor, "" if vendor == "ubuntu" else version.partition(".")[0].partition("+")[0]
        if matched := _RELEASE.fullmatch(item.name):
            vendor = matched[1].partition("-")[0]
            return _VENDORS.get(vendor, vendor), version.partition("-")[0]
    return "", ""


def of_package(item: InstalledPackage, vendor: str, release: str) -> str:
    """The package URL of an RPM or Debian package; `vendor` and `release` are of `distribution`."""
    epoch, colon, version = item.evr.rpartition(":")
    if item.format == "deb":
        # The version of a Debian package includes its epoch.
        epoch, version = "", f"{epoch}{colon}{version}"
    qualifiers = {
        "arch": item.arch,
        "distro": f"{vendor}-{release}" if vendor and release else "",
        "epoch": epoch,
        "repository_id": item.origin.repository,
        "upstream": source_of(item),
    }
    default = {"deb": "debian", "rpm": "redhat"}
    kind = item.format if item.format in default else "generic"
    where = f"{kind}/{_quoted(vendor)}" if vendor else kind
    # Sorted, without empty values: the canonical form.
    text = "&".join(f"{key}={_quoted(value)}" for key, value in sorted(qualifiers.items()) if value)
    name = item.name.lower() if kind == "deb" else item.name
    return f"pkg:{where}/{_quoted(name)}@{_quoted(version)}{'?' if text else ''}{text}"


def source_of(item: InstalledPackage) -> str:
    """The source package: `NAME-VERSION-RELEASE.src.rpm` or Debian's `NAME@VERSION`; empty: unknown."""
    source = item.origin.source
    if item.format != "deb" or not source:
        return source
    name, _, version = source.partition("_")
    return f"{name}@{version}" if version else name


def of_gem(gem: Gem) -> tuple[str, str, str]:
    """Name, version and package URL of a gem file."""
    matched = _GEM.fullmatch(gem.file)
    if matched is None:
        return gem.file, "", f"pkg:gem/{_quoted(gem.file)}"
    platform = f"?platform={_quoted(matched['platform'])}" if matched["platform"] else ""
    name, version = matched["name"], matched["version"]
    return name, version, f"pkg:gem/{_quoted(name)}@{_quoted(version)}{platform}"


def of_base(reference: str) -> str:
    """The package URL of a base image, `REPOSITORY[:TAG][@sha256:HEX]`."""
    repository, _, digest = reference.partition("@")
    place, _, last = repository.rpartition("/")
    name, _, tag = last.partition(":")
    qualifiers = {"repository_url": f"{place}/{name}" if place else name, "tag": tag}
    text = "&".join(f"{key}={_quoted(value)}" for key, value in sorted(qualifiers.items()) if value)
    return f"pkg:oci/{_quoted(name.lower())}{f'@{_quoted(digest)}' if digest else ''}?{text}"


def _quoted(text: str) -> str:
    return quote(text, safe=":/")
