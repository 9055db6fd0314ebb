"""The spec file of `rpm-spec`: what it takes from the set, from options and from the plan."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from buildsys import cli
from buildsys.diagnostics import Refused
from buildsys.exporters import FORMATS
from buildsys.exporters.request import CarriedPlan, Request
from buildsys.image import BaseImage, Image, OciConfig
from tests.exporters.sets import request
from tests.exporters.test_verb import demo
from tests.plan.sets import image, image_set

__all__ = ["demo"]
BASE = BaseImage("localhost/centos/centos:7")
LICENSES = "org.opencontainers.image.licenses"


def labelled(name: str, licenses: str = "") -> Image:
    labels = {LICENSES: licenses} if licenses else {}
    return image(name, BASE, config=OciConfig(labels=labels))


def asked(place: Path, *images: Image, tools: tuple[str, ...] = ("bash",), **options: str) -> Request:
    carried = CarriedPlan(place / "plan.tar.gz", tools, "0123456789ab")
    return request(image_set(place, [*images]), plan=carried, options=options)


def field(of: Request, name: str) -> list[str]:
    (text,) = FORMATS["rpm-spec"].export(of).texts.values()
    return re.findall(rf"^{name}: +(.*)$", text, re.MULTILINE)


def test_licences_come_from_labels(tmp_path: Path) -> None:
    one = asked(tmp_path, labelled("a", "MIT"), labelled("b", "MIT"), labelled("c"))
    assert field(one, "License") == ["MIT"]
    two = asked(tmp_path, labelled("a", "MIT"), labelled("b", "GPL-2.0-only OR MIT"))
    assert field(two, "License") == ["(GPL-2.0-only OR MIT) AND MIT"]
    assert field(replace(two, options={"license": "100% ours"}), "License") == ["100%% ours"]
    none = asked(tmp_path, labelled("a"))
    assert field(none, "License") == ["LicenseRef-Contained-Packages"]
    (note,) = FORMATS["rpm-spec"].export(none).notes
    assert note.endswith(f"no image has the label {LICENSES}; --license gives another")


def test_the_version_is_a_day_or_what_is_asked_for(tmp_path: Path) -> None:
    assert re.fullmatch(r"\d{8}", field(asked(tmp_path, labelled("a")), "Version")[0])
    assert field(asked(tmp_path, labelled("a"), package_version="1.2~rc1"), "Version") == ["1.2~rc1"]
    with pytest.raises(Refused) as refused:
        FORMATS["rpm-spec"].export(asked(tmp_path, labelled("a"), package_version="1-2"))
    assert refused.value.text() == (
        "error: '1-2' cannot be the version of an RPM package [export-bad-name]\n"
        "  hint: use letters, digits and . _ + ~ ^"
    )


def test_tools_are_packages_of_fedora(tmp_path: Path) -> None:
    tools = ("bash", "awk", "bwrap", "dnf|dnf5", "ldd", "rpm", "rpmkeys", "dpkg-deb")
    assert field(asked(tmp_path, labelled("a"), tools=tools), "BuildRequires") == [
        "(dnf or dnf5)", "attr", "bash", "bubblewrap", "coreutils", "dpkg", "gawk", "glibc-common", "grep",
        "gzip", "rpm", "shadow-utils",
    ]  # fmt: skip


def test_nothing_in_it_is_absolute(tmp_path: Path) -> None:
    of = asked(tmp_path, labelled("a"))
    made = FORMATS["rpm-spec"].export(of)
    (text,) = made.texts.values()
    assert str(tmp_path) not in text
    assert not re.findall(r"(?<![\w%}./])/(?:usr|home|var|tmp|srv|root)\b", text)
    assert [*made.links] == [f"{of.set.name}-plan.tar.gz"] == [*field(of, "Source0")]


def test_names_of_another_place_are_refused(demo: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["export", "rpm-spec", demo, "-o", "spec", "--tag", "2"]) == 2
    assert capsys.readouterr().err == (
        "error: rpm-spec carries the plan, which names the images: --registry, --namespace, --prefix, "
        "--suffix, --tag, --at and --digests are for other formats\n"
    )
    assert not Path("spec").exists()


def test_an_unlocked_set_of_one_image_is_exported(demo: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["export", "rpm-spec", demo, "app", "-o", "spec", "--license", "MIT"]) == 0
    assert sorted(path.name for path in Path("spec").glob("[!.]*")) == [
        "demo-images.spec",
        "demo-plan.tar.gz",
    ]
    assert capsys.readouterr().err.endswith("spec: 2 files written\n")
    text = Path("spec/demo-images.spec").read_text()
    assert "make %{?_smp_mflags} app\nbash lib/archive.sh " in text
    assert "locked" not in text
    before = Path("spec/demo-plan.tar.gz").read_bytes()
    assert cli.run(["export", "rpm-spec", demo, "app", "-o", "spec", "--license", "MIT"]) == 0
    assert Path("spec/demo-plan.tar.gz").read_bytes() == before
