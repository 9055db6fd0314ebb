"""The packages in an image, by its package database: rpm's, read from a copy by the host's, or dpkg's."""

from __future__ import annotations

import posixpath
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from buildsys import programs
from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused
from buildsys.inspect_image.image import BuiltImage, unreadable
from buildsys.packages.change import Held

DPKG = "/var/lib/dpkg"
DATABASES = ("/usr/lib/sysimage/rpm", "/var/lib/rpm", DPKG)
"""Where distributions keep their database: rpm's newer ones, older ones, and Debian."""
WHOLE = {"rpmdb.sqlite", "Packages", "status"}
"""Files that hold all headers; beside them lie only indices."""
FORM = r"%{NAME}\t%{ARCH}\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\t%{SHA1HEADER}\n"


def installed(image: BuiltImage, layers: int | None = None) -> Held:
    """The packages that the image has in the end, or with only its lowest layers.

    Raises:
        Refused: the image has no package database (`no-package-database`), or one of rpm that this host's
            cannot read (`unreadable-image`).
    """
    found: dict[str, dict[str, bytes | None]] = {folder: {} for folder in DATABASES}
    # From the top: what an upper layer says of a file counts, and lower ones need not be fetched.
    for number in reversed(range(len(image.layers) if layers is None else layers)):
        for folder, content in found.items():
            found[folder] = image.files(number, folder) | content
        if any(found[folder].get(name) for folder in DATABASES for name in WHOLE):
            break
    for folder, content in found.items():
        if there := {name: data for name, data in content.items() if data}:
            return _stated(there.get("status", b"")) if folder == DPKG else _read(image, there)
    raise Refused(
        [Diagnostic(NOWHERE, Code.NO_PACKAGE_DATABASE, f"the image '{image.name}' has no package database")]
    )


def of_database(path: str) -> bool:
    """Whether a file is compared by the packages it tells of; beside dpkg's lie others."""
    folder, name = posixpath.split(path)
    return folder in DATABASES and (folder != DPKG or name == "status")


def _stated(status: bytes) -> Held:
    """The packages of dpkg's status file; it holds no hash of any."""
    packages: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {}
    for paragraph in status.decode(errors="replace").split("\n\n"):
        fields = dict(re.findall(r"^(Package|Status|Architecture|Version): (.*)$", paragraph, re.MULTILINE))
        if fields.get("Status", "").endswith(" installed"):
            packages[fields["Package"], fields["Architecture"]] = ((fields["Version"], ""),)
    return packages


def _read(image: BuiltImage, content: Mapping[str, bytes]) -> Held:
    with tempfile.TemporaryDirectory(prefix="buildsys-rpm-") as folder:
        for name, data in content.items():
            Path(folder, name).write_bytes(data)
        try:
            said = programs.output("rpm", "--dbpath", folder, "--query", "--all", "--queryformat", FORM)
        except programs.ToolFailed as failed:
            raise unreadable(image.name, str(failed)) from failed
    packages: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {}
    for line in sorted(said.splitlines()):
        name, arch, version, header = line.split("\t")
        packages[name, arch] = (*packages.get((name, arch), ()), (version, header))
    return packages
