"""SBOMs of a plan that is written by hand: content, schemas, second parsers, equal bytes."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest

from buildsys import cli
from buildsys.plan.inventory import Inventories
from buildsys.sbom import bill_of_materials as documents
from buildsys.sbom import purl
from tests.sbom import plan

with warnings.catch_warnings():  # of libraries, when they are imported
    warnings.simplefilter("ignore")
    from cyclonedx.model.bom import Bom
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator
    from license_expression import get_spdx_licensing
    from packageurl import PackageURL
    from spdx_tools.spdx.parser.parse_anything import parse_file
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

IDENTITY = "c" * 64


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return plan.write(tmp_path / "demo")


def cyclonedx(directory: Path, image: str = "app") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(documents.document(directory, image, "cyclonedx", IDENTITY))
    return found


def test_an_inventory_has_what_the_steps_leave(directory: Path) -> None:
    found = Inventories(directory).of("app")
    assert [(item.name, item.evr, item.image, item.spot, item.requested) for item in found.packages] == [
        ("app", "1:1.0~rc1-1", "app", "images/app.yaml:3:13", True),
        ("bash", "4.2-1", "base", "sites/here.yaml:3:20", True),
        ("centos-release", "7-9", "base", "images/base.yaml:1:8", False),
        ("libx", "2.0-3", "app", "images/app.yaml:1:8", False),
    ]
    # The file that was edited has no hash, and the one that was removed is not listed.
    assert [(item.path, item.sha256[:8], item.source, item.spot) for item in found.files] == [
        ("/etc/a.repo", "68c808f7", "download", "images/base.yaml:5:5"),
        ("/usr/local/bin/start", "", "context", "images/base.yaml:4:5"),
    ]
    assert found.gaps == ()
    assert found.ancestors == ("base",)


def test_the_parent_keeps_what_a_child_removes(directory: Path) -> None:
    assert "old" in {item.name for item in Inventories(directory).of("base").packages}


@pytest.mark.parametrize(
    ("name", "key", "step", "gap"),
    [
        ("elsewhere", "base quay.io/a/b@sha256:" + "d" * 64, "", "packages of the base image quay.io/a"),
        ("solved", "installer dnf", 'dnf_install "${words[@]}"\n', "packages that no lock names in solved"),
        ("built", "do x", "containerfile abc --network none\n", "a Containerfile in built"),
    ],
)  # fmt: skip
def test_what_the_plan_cannot_name_is_incomplete(
    tmp_path: Path, name: str, key: str, step: str, gap: str
) -> None:
    directory = plan.write(tmp_path / "demo", {name: [key]}, {name: step})
    (found,) = Inventories(directory).of(name).gaps
    assert found.startswith(gap)
    assert cyclonedx(directory, name)["compositions"][0]["aggregate"] == "incomplete"
    assert gap in documents.document(directory, name, "spdx").decode()


def test_a_step_of_another_plan_is_an_error(directory: Path) -> None:
    (directory / "keys/app").write_text("do rpm_transaction app\n")
    with pytest.raises(ValueError, match="the step of 'app' is of another plan"):
        Inventories(directory).of("app")


def test_package_urls_have_distribution_epoch_arch_and_repository(directory: Path) -> None:
    found = {item["name"]: item for item in cyclonedx(directory)["components"]}
    assert found["app"]["purl"] == (
        "pkg:rpm/centos/app@1.0~rc1-1?arch=x86_64&distro=centos-7&epoch=1&repository_id=acme"
        "&upstream=app-1.0~rc1-1.src.rpm"
    )
    assert found["tzinfo"]["purl"] == "pkg:gem/tzinfo@1.2.3"
    assert found["app"]["licenses"] == [{"expression": "Apache-2.0"}]
    assert found["libx"]["licenses"] == [{"license": {"name": "BSD and Public Domain"}}]
    assert found["app"]["hashes"] == [{"alg": "SHA-256", "content": plan.SHA["app"]}]


@pytest.mark.parametrize("image", ["base", "app"])
def test_cyclonedx_is_valid_and_a_second_parser_reads_the_same(directory: Path, image: str) -> None:
    text = documents.document(directory, image, "cyclonedx", IDENTITY).decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    data = json.loads(text)
    bom = Bom.from_json(data)  # type: ignore[attr-defined]
    assert {(item.name, item.version) for item in bom.components} == {
        (item["name"], item.get("version")) for item in data["components"]
    }
    for item in data["components"]:
        if "purl" in item:
            assert PackageURL.from_string(item["purl"]).to_string() == item["purl"]
        for licence in item.get("licenses", ()):
            if "expression" in licence:
                assert get_spdx_licensing().validate(licence["expression"]).errors == []


@pytest.mark.parametrize("image", ["base", "app"])
def test_spdx_is_valid_and_a_second_parser_reads_the_same(
    directory: Path, tmp_path: Path, image: str
) -> None:
    file = tmp_path / "image.spdx.json"
    file.write_bytes(documents.document(directory, image, "spdx", IDENTITY))
    document = parse_file(str(file))
    assert [item.validation_message for item in validate_full_spdx_document(document)] == []
    packages = Inventories(directory).of(image).packages
    read = {(item.name, item.version) for item in document.packages}
    assert {(item.name, item.evr) for item in packages} <= read


def test_equal_plans_give_equal_bytes(directory: Path, tmp_path: Path) -> None:
    other = plan.write(tmp_path / "elsewhere/demo")
    for form in documents.FORMS:
        one = documents.document(directory, "app", form, IDENTITY)
        assert one == documents.document(other, "app", form, IDENTITY)
        # Alone or together with others.
        assert dict(documents.documents(directory, ["base", "app"], form, {"app": IDENTITY}))["app"] == one
        assert one != documents.document(directory, "app", form, "e" * 64)


def test_debian_packages_have_their_epoch_in_the_version() -> None:
    from buildsys.plan.inventory import InstalledPackage, Origin

    origin = Origin("bookworm/main", "glibc_2.36-9+deb12u10", "")
    rest = {"origin": origin, "image": "i", "spot": "s", "requested": False}
    base = InstalledPackage("base-files", "12.4+deb12u15", "amd64", "b.deb", "1" * 64, **rest)  # type: ignore[arg-type]
    libc = InstalledPackage("libc6", "1:2.36-9+deb12u10", "amd64", "c.deb", "2" * 64, **rest)  # type: ignore[arg-type]
    assert purl.distribution([base, libc]) == ("debian", "12")
    url = purl.of_package(libc, "debian", "12")
    assert url == (
        "pkg:deb/debian/libc6@1:2.36-9%2Bdeb12u10?arch=amd64&distro=debian-12&repository_id=bookworm/main"
        "&upstream=glibc%402.36-9%2Bdeb12u10"
    )
    assert PackageURL.from_string(url).to_string() == url


def test_the_verb_writes_files_and_prints_one(
    directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["sbom", "demo", "--plan", str(directory)]
    assert cli.run([*words, "-o", str(tmp_path / "out")]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["app.spdx.json", "base.spdx.json"]
    assert capsys.readouterr().err == (
        f"{tmp_path}/out: 2 SBOMs\n"
        "note: 2 SBOMs without an image id, because the plan is not built: base, app\n"
    )
    assert cli.run([*words, "app", "--format", "cyclonedx"]) == 0
    assert json.loads(capsys.readouterr().out)["bomFormat"] == "CycloneDX"


def test_mistakes_of_the_verb(directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["sbom", "demo", "--plan", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err == (
        f"error: {tmp_path}/none holds no plan [no-plan]\n"
        "  hint: `buildsys plan demo` writes it; --plan names another directory\n"
    )
    assert cli.run(["sbom", "demo", "ap", "--plan", str(directory)]) == 2
    assert capsys.readouterr().err == (
        "error: the plan has no image 'ap' [unknown-image]\n  hint: did you mean 'app'?\n"
    )
    (directory / "steps/app.sh").unlink()
    assert cli.run(["sbom", "demo", "app", "--plan", str(directory)]) == 2
    assert "is damaged" in capsys.readouterr().err
