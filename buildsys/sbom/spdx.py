"""SPDX 2.3 as JSON: https://spdx.github.io/spdx-spec/v2.3/.

`spdx-tools` takes 0.1 s to write what a model of 196 packages holds, 10 s for a set of 108 images;
this takes 0.4 s for all of them. The library reads and validates these documents in the tests.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from datetime import UTC, datetime
from typing import Any

from buildsys.plan.inventory import InstalledPackage, Inventory
from buildsys.sbom import purl
from buildsys.sbom.cyclonedx import NAMESPACE
from buildsys.sbom.licence import expression

_OTHER = re.compile(r"[^A-Za-z0-9.-]+")


class Writer:
    """Writes documents; the entry of a package that several images have is made once."""

    def __init__(self, epoch: int, version: str) -> None:
        """`epoch`: the set's time in seconds since 1970; `version`: that of buildsys."""
        self._time = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._version = version
        self._packages: dict[tuple[str, str, str, str], tuple[str, str]] = {}

    def write(self, inventory: Inventory, identity: str) -> bytes:
        """The document of an image."""
        vendor, release = purl.distribution(inventory.packages)
        rows = [self._package(item, vendor, release) for item in inventory.packages]
        rows += [(item["SPDXID"], json.dumps(item, sort_keys=True)) for item in _others(inventory)]
        root = _identifier("Image", inventory.image)
        image = _entry(root, inventory.reference.rpartition(":")[0])
        image |= {"versionInfo": inventory.reference.rpartition(":")[2], "primaryPackagePurpose": "CONTAINER",
                  "comment": _comment(inventory, identity)}  # fmt: skip
        if identity:
            image["packageFileName"] = f"sha256:{identity}"
        licences = {_reference(item.origin.licence): item.origin.licence
                    for item in inventory.packages
                    if item.origin.licence and not expression(item.origin.licence)}  # fmt: skip
        head = {
            "SPDXID": "SPDXRef-DOCUMENT",
            "creationInfo": {"created": self._time, "creators": [f"Tool: buildsys-{self._version}"]},
            "dataLicense": "CC0-1.0",
            "documentDescribes": [root],
            "hasExtractedLicensingInfos": [
                {"extractedText": text, "licenseId": name, "name": text}
                for name, text in sorted(licences.items())
            ],
            "name": inventory.reference,
            "spdxVersion": "SPDX-2.3",
        }
        packages = ",\n".join([json.dumps(image, sort_keys=True), *(text for _, text in rows)])
        relationships = ",\n".join(
            _relationship(*row)
            for row in (
                ("SPDXRef-DOCUMENT", "DESCRIBES", root),
                *((root, "DESCENDANT_OF" if name == _BASE else "CONTAINS", name) for name, _ in rows),
            )
        )
        rest = json.dumps(head, sort_keys=True)[1:-1]
        number = uuid.uuid5(NAMESPACE, rest + packages)
        namespace = f'"documentNamespace": "https://spdx.org/spdxdocs/buildsys-{number}"'
        lists = f'"packages": [\n{packages}\n],\n"relationships": [\n{relationships}\n]'
        text = f"{{{rest},\n{namespace},\n{lists}}}\n"
        return text.encode("utf-8", "backslashreplace")

    def _package(self, item: InstalledPackage, vendor: str, release: str) -> tuple[str, str]:
        key = (item.file, item.spot, item.image, f"{vendor}-{release}")
        if key not in self._packages:
            name = _identifier("Package", f"{item.name}-{item.evr}.{item.arch}")
            entry = _entry(name, item.name)
            url = purl.of_package(item, vendor, release)
            licence = item.origin.licence
            asked = "requested" if item.requested else "a dependency of what was requested"
            entry |= {
                "checksums": [{"algorithm": "SHA256", "checksumValue": item.sha256}],
                "comment": f"{asked} in image {item.image} at {item.spot}",
                "externalRefs": [_external(url)],
                "packageFileName": item.file,
                "versionInfo": item.evr,
            }
            if licence:
                entry["licenseDeclared"] = expression(licence) or _reference(licence)
            if item.origin.source:
                entry["sourceInfo"] = f"built from the source package {item.origin.source}"
            self._packages[key] = name, json.dumps(entry, sort_keys=True)
        return self._packages[key]


_BASE = "SPDXRef-BaseImage"


def _others(inventory: Inventory) -> list[dict[str, Any]]:
    """Gems, copied files and the base image."""
    found = []
    if inventory.base:
        reference, _, digest = inventory.base.partition("@sha256:")
        entry = _entry(_BASE, reference)
        entry |= {"externalRefs": [_external(purl.of_base(inventory.base))],
                  "primaryPackagePurpose": "CONTAINER", **_checksums(digest)}  # fmt: skip
        found.append(entry)
    for gem in inventory.gems:
        name, version, url = purl.of_gem(gem)
        entry = _entry(_identifier("Gem", f"{name}-{version}"), name)
        entry |= {"comment": f"in image {gem.image} at {gem.spot}", "externalRefs": [_external(url)],
                  "packageFileName": gem.file, "versionInfo": version, **_checksums(gem.sha256)}  # fmt: skip
        found.append(entry)
    for file in inventory.files:
        # An SPDX file must have a SHA-1; a package of the purpose FILE need not.
        entry = _entry(_identifier("File", file.path), file.path)
        entry |= {"comment": f"from {file.source}, in image {file.image} at {file.spot}",
                  "primaryPackagePurpose": "FILE", **_checksums(file.sha256)}  # fmt: skip
        found.append(entry)
    return found


def _entry(identifier: str, name: str) -> dict[str, Any]:
    return {
        "SPDXID": identifier, "copyrightText": "NOASSERTION", "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False, "licenseConcluded": "NOASSERTION", "licenseDeclared": "NOASSERTION",
        "name": name, "supplier": "NOASSERTION",
    }  # fmt: skip


def _comment(inventory: Inventory, identity: str) -> str:
    parts = [f"recipe {inventory.recipe}"]
    parts += [f"image id sha256:{identity}"] if identity else []
    parts += [f"made from {', '.join(inventory.ancestors)}"] if inventory.ancestors else []
    parts += [f"not listed: {gap}" for gap in inventory.gaps]
    return "; ".join(parts)


def _external(url: str) -> dict[str, str]:
    return {
        "referenceCategory": "PACKAGE-MANAGER",
        "referenceLocator": url,
        "referenceType": "purl",
    }


def _relationship(one: str, kind: str, other: str) -> str:
    return f'{{"relatedSpdxElement": "{other}", "relationshipType": "{kind}", "spdxElementId": "{one}"}}'


def _checksums(sha256: str) -> dict[str, Any]:
    return {"checksums": [{"algorithm": "SHA256", "checksumValue": sha256}]} if sha256 else {}


def _identifier(kind: str, text: str) -> str:
    """An SPDX identifier: letters, digits, dots and hyphens; a hash keeps two texts apart."""
    plain = _OTHER.sub("-", text)
    return f"SPDXRef-{kind}-{plain}" + (f"-{_short(text)}" if plain != text else "")


def _reference(licence: str) -> str:
    return f"LicenseRef-{_OTHER.sub('-', licence).strip('-')[:60]}-{_short(licence)}"


def _short(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:8]
