"""A plan's directory as SBOMs read it, written by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

NAMES = "bash centos-release libx app old".split()
SHA = {name: f"{number:x}" * 64 for number, name in enumerate(NAMES, 1)}

BASE = """\
build() {
    at sites/here.yaml:3:8
    words=(
        bash-4.2-1.x86_64.rpm        # sites/here.yaml:3:20
        centos-release-7-9.noarch.rpm # along
        old-1-1.noarch.rpm           # along
    )
    rpm_bootstrap "${words[@]}"
    inside <<'END'
at images/base.yaml:4:5
context 755 '' 31c26002940b2d39f73508f42b126397ec4a1c6accd913fe8b6f7ad9ba08b08e /usr/local/bin/start
at images/base.yaml:5:5
pooled 644 68c808f76f5de78c4fdcc5280b2d7568dd770e6b7bdbc7aabce8345c6c54bbcc /etc/a.repo
at images/base.yaml:6:5
append /etc/motd 'two
rpm_remove bash
lines'
context 644 '' 1111111111111111111111111111111111111111111111111111111111111111 /tmp/gone
replace '^#!' '#!/bin/sh ' /usr/local/bin/start
remove /tmp/go*
END
}
"""
APP = """\
build() {
    at images/app.yaml:3:12
    words=(
        libx-2.0-3.x86_64.rpm  # along
        'app-1.0~rc1-1.x86_64.rpm' # images/app.yaml:3:13
    )
    rpm_transaction "${words[@]}"
    at images/app.yaml:4:5
    rpm_remove --optional old
}
"""


def row(name: str, evr: str, arch: str, file: str) -> str:
    return f"package {name} {evr} {arch} {file} sha256:{SHA[name]}"


KEYS = {
    "base": [
        "do rpm_bootstrap bash",
        row("bash", "4.2-1", "x86_64", "bash-4.2-1.x86_64.rpm"),
        row("centos-release", "7-9", "noarch", "centos-release-7-9.noarch.rpm"),
        row("old", "1-1", "noarch", "old-1-1.noarch.rpm"),
        "empty base",
    ],
    "app": [
        "do rpm_transaction app",
        row("libx", "2.0-3", "x86_64", "libx-2.0-3.x86_64.rpm"),
        row("app", "1:1.0~rc1-1", "x86_64", "app-1.0~rc1-1.x86_64.rpm"),
        "gem tzinfo-1.2.3.gem " + "a" * 64,
    ],
}  # fmt: skip
ORIGINS = {
    "bash-4.2-1.x86_64.rpm": ("os", "bash-4.2-1.src.rpm", "GPLv3+"),
    "libx-2.0-3.x86_64.rpm": ("os", "libx-2.0-3.src.rpm", "BSD and Public Domain"),
    "app-1.0~rc1-1.x86_64.rpm": ("acme", "app-1.0~rc1-1.src.rpm", "ASL 2.0"),
}


def write(
    directory: Path, keys: Mapping[str, list[str]] | None = None, steps: Mapping[str, str] | None = None
) -> Path:
    keys = {**KEYS, **(keys or {})}
    steps = {"base": BASE, "app": APP, **(steps or {})}
    for folder in ("keys", "steps", "state"):
        (directory / folder).mkdir(parents=True, exist_ok=True)
    for name, lines in keys.items():
        (directory / "keys" / name).write_text("\n".join(lines) + "\n")
        (directory / "steps" / f"{name}.sh").write_text(steps[name])
    (directory / "state/packages.json").write_text(json.dumps(ORIGINS))
    images: dict[str, object] = {
        name: {
            "parent": None if name == "base" else "base", "reads": [],
            "reference": f"localhost/demo/{name}:1", "recipe": f"images/{name}.yaml:1:8",
        }
        for name in keys
    }  # fmt: skip
    summary = {"buildsys": "0.1.0", "set": "demo", "format": "oci", "stand_ins": False,
               "epoch": 1517443200, "images": images}  # fmt: skip
    (directory / "plan.json").write_text(json.dumps(summary))
    return directory
