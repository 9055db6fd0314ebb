"""The spec file of an RPM package with the set's images: rpmbuild runs the plan, which is its source."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from textwrap import wrap

from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused, counted
from buildsys.exporters.request import CarriedPlan, Export, Request
from buildsys.programs import PACKAGES

LICENSES = "org.opencontainers.image.licenses"
"""The label with the licences of what an image contains."""
UNKNOWN = "LicenseRef-Contained-Packages"
"""License of the package where no image has that label."""
ALWAYS = ("coreutils", "grep", "gzip", "shadow-utils", "attr")
"""Packages with a plan's base utilities, and with what the build of an ordinary user needs."""
VERSION = re.compile(r"[A-Za-z0-9._+~^]+")
FORMS = {"docker": "an archive for podman load", "oci": "an OCI archive"}

SPEC = """\
# Written by `buildsys export rpm-spec {set}`: {about}.
#
#   rpmbuild -bb --define "_sourcedir $PWD" {name}.spec
#   rpmbuild …   --define "store_driver vfs"     where the build root cannot mount overlays; slower
%{{!?store_driver: %global store_driver overlay}}
# The images are packed already, and rpm must not look into them.
%global debug_package %{{nil}}
%global __os_install_post %{{nil}}
%global _binary_payload w1.gzdio

Name:           {name}
Version:        {version}
Release:        1%{{?dist}}
Summary:        {about}
License:        {license}
Source0:        {source}
{requires}
AutoReqProv:    no

%description
{description}

%prep
%setup -q -n {folder}

%build
export BS_STORE="--root '$PWD/store/root' --runroot '$PWD/store/run' --storage-driver %{{store_driver}}"
# What a store holds may belong to subordinate ids: rpmbuild cannot remove it.
trap 'bash lib/discard.sh' EXIT
make %{{?_smp_mflags}}{goals}
bash lib/archive.sh {kind} {archive}{goals}

%install
mkdir -p %{{buildroot}}%{{_datadir}}/%{{name}}
install -p -m 644 {archive} %{{buildroot}}%{{_datadir}}/%{{name}}/

%files
%{{_datadir}}/%{{name}}
"""


def export(request: Request) -> Export:
    """NAME.spec and the plan.

    Raises:
        Refused: the version cannot be that of a package (`export-bad-name`).
    """
    carried = request.carried
    kind = request.options.get("archive") or request.set.format
    name = f"{request.set.name}-images"
    folder = f"{request.set.name}-plan"
    source = f"{folder}.tar.gz"
    licenses, notes = _licenses(request)
    whole = len(request.names) == len(request.set.images)
    about = f"{counted(len(request.names), 'image')} of {request.set.name}, {FORMS[kind]}"
    spec = SPEC.format(
        set=request.set.name,
        name=name,
        version=_version(request),
        about=_text(about),
        license=_text(licenses),
        source=source,
        requires="\n".join(f"BuildRequires:  {item}" for item in _requires(carried.tools)),
        description=_text("\n".join(_description(request, carried))),
        folder=folder,
        goals="" if whole else " " + " ".join(request.names),
        kind=kind,
        archive=f"{request.set.name}.tar",
    )
    return Export({f"{name}.spec": spec}, {source: carried.archive}, notes=notes)


def _version(request: Request) -> str:
    """The version asked for, else the day of the set's epoch."""
    given: str | None = request.options.get("package_version")
    if given is None:
        return f"{datetime.fromtimestamp(request.set.epoch, UTC):%Y%m%d}"
    if not VERSION.fullmatch(given):
        message = f"'{given}' cannot be the version of an RPM package"
        hint = "use letters, digits and . _ + ~ ^"
        raise Refused([Diagnostic(NOWHERE, Code.EXPORT_BAD_NAME, message, hint)])
    return given


def _licenses(request: Request) -> tuple[str, tuple[str, ...]]:
    """The License of the package, and a note where that is unknown."""
    if given := request.options.get("license"):
        return given, ()
    labels = (image.config.labels.get(LICENSES) for image in request.images)
    found = sorted({label for label in labels if label})
    if not found:
        return UNKNOWN, (f"License is {UNKNOWN}: no image has the label {LICENSES}; --license gives another",)
    if len(found) == 1:
        return found[0], ()
    return " AND ".join(f"({item})" if " " in item else item for item in found), ()


def _requires(tools: Iterable[str]) -> list[str]:
    """The packages of a plan's programs, by their names in Fedora and Enterprise Linux."""
    found = set(ALWAYS)
    for tool in tools:
        either = [PACKAGES[item][1] if item in PACKAGES else item for item in tool.split("|")]
        found.add(either[0] if len(either) == 1 else f"({' or '.join(either)})")
    return sorted(found)


def _description(request: Request, carried: CarriedPlan) -> Iterator[str]:
    site = request.set.site.name
    locked = f", locked: {carried.lock}" if carried.lock else ""
    yield from wrap(
        f"Images of the set {request.set.name}, site {site}{locked}. They are built from the plan that is "
        "the source of this package.",
        78,
    )
    yield ""
    yield from (f"{request.reference(name)}" for name in request.names)


def _text(text: str) -> str:
    """A text in which rpm expands nothing."""
    return text.replace("%", "%%")
