"""The installed packages of an image, from its database: of rpm, read by the host's rpm, or of dpkg."""

from __future__ import annotations

import posixpath
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from buildsys import programs
from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused
from buildsys.inspect_image.stored_image import BuiltImage, unreadable
from buildsys.packages.change import Held

DPKG = "/var/lib/dpkg"
DATABASES = ("/usr/lib/sysimage/rpm", "/var/lib/rpm", DPKG)
"""Directories of the package database: of newer and older distributions with rpm, and of Debian."""
WHOLE = {"rpmdb.sqlite", "Packages", "status"}
"""Files with all packages; the other files of the directories are indices."""
FORM = r"%{NAME}\t%{ARCH}\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\t%{SHA1HEADER}\n"


def installed(image: BuiltImage, layers: int | None = None) -> Held:
    """The packages of the image, or of only its lowest `layers`.

    Raises:
        Refused: the image has no package database (`no-package-database`), or one that the rpm of this host
            cannot read (`unreadable-image`).
    """
    found: dict[str, dict[str, bytes | None]] = {folder: {} for folder in DATABASES}
    # From the top: the upper layer decides about a file, and lower layers need not be fetched.
    for number in reversed(range(len(image.layers) if layers is None else layers)):
        for folder, content in found.items():
            found[folder] = image.files(number, folder) | content
        if any(found[folder].get(name) for folder in DATABASES for name in WHOLE):
            break
    for folder, content in found.items():
        if there := {name: data for name, data in content.items() if data}:
            return _of_dpkg(there.get("status", b"")) if folder == DPKG else _of_rpm(image, there)
    raise Refused(
        [Diagnostic(NOWHERE, Code.NO_PACKAGE_DATABASE, f"the image '{image.name}' has no package database")]
    )


def of_database(path: str) -> bool:
    """Whether a file is part of a package database; the directory of dpkg also has other files."""
    folder, name = posixpath.split(path)
    return folder in DATABASES and (folder != DPKG or name == "status")


def _of_dpkg(status: bytes) -> Held:
    """The packages of a status file of dpkg, which has no hashes of packages."""
    packages: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {}
    for paragraph in status.decode(errors="replace").split("\n\n"):
        fields = dict(re.findall(r"^(Package|Status|Architecture|Version): (.*)$", paragraph, re.MULTILINE))
        if fields.get("Status", "").endswith(" installed"):
            packages[fields["Package"], fields["Architecture"]] = ((fields["Version"], ""),)
    return packages


def _of_rpm(image: BuiltImage, content: Mapping[str, bytes]) -> Held:
    with tempfile.TemporaryDirectory(prefix="buildsys-rpm-") as folder:
        for name, data in content.items():
            Path(folder, name).write_bytes(data)
        try:
            printed = programs.output("rpm", "--dbpath", folder, "--query", "--all", "--queryformat", FORM)
        except programs.ToolFailed as failed:
            raise unreadable(image.name, str(failed)) from failed
    packages: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {}
    for line in sorted(printed.splitlines()):
        name, arch, version, header = line.split("\t")
        packages[name, arch] = (*packages.get((name, arch), ()), (version, header))
    return packages
