"""The plainest way to build the same graphs: a script of minimal buildah calls, and Containerfiles.

Both run under `make -j`, so that only what is done for one image differs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from buildsys.image import Bootstrap, Image, Install, ParentImage, UpdateAll
from buildsys.shell import words

SCRIPT = """\
#!/bin/bash
set -euo pipefail
export SOURCE_DATE_EPOCH=1517443200 HOME={home}
buildah() {{ command buildah $BS_STORE "$@"; }}
container=$(buildah from --pull-never {parent})
root=$(buildah mount "$container")
{installs}
buildah run --isolation {isolation} "$container" -- /bin/sh -c :
buildah config {config} "$container"
buildah commit --quiet --format docker --rm "$container" {name} >/dev/null
"""
DNF = (
    'dnf --config {conf} --installroot "$root" --releasever 7 --assumeyes --quiet install {packages}'
    " >/dev/null 2>&1"
)


def handwritten(images: Mapping[str, Image], directory: Path, repository: Path, *, isolation: str) -> Path:
    """Scripts of minimal calls (from, mount, dnf --installroot, one run, config, commit) for resolved images.

    They do less than the plan does: no file is copied or edited, nothing is checked or normalised.
    """
    home = directory / "home"
    home.mkdir(parents=True)
    (home / ".rpmmacros").write_text("%_dbpath /var/lib/rpm\n")
    conf = directory / "dnf.conf"
    key = next((repository / "keys").iterdir())
    conf.write_text(
        f"[main]\ngpgcheck=1\nplugins=0\nreposdir=/dev/null\ninstall_weak_deps=0\n"
        f"[r]\nname=r\nbaseurl=file://{repository}/repo\ngpgkey=file://{key}\n"
    )
    for image in images.values():
        parent = f"localhost/hand/{image.parent.name}" if isinstance(image.parent, ParentImage) else "scratch"
        installs = [
            DNF.format(conf=conf, packages=words(item.name for item in step.packages))
            for step in image.instructions
            if isinstance(step, Bootstrap | Install)
        ]
        config = words(
            part for name, value in image.config.labels.items() for part in ("--label", f"{name}={value}")
        )
        text = SCRIPT.format(
            home=home, parent=parent, installs="\n".join(installs), isolation=isolation,
            config=config or "--label a=b", name=f"localhost/hand/{image.name}",
        )  # fmt: skip
        script = directory / f"{image.name}.sh"
        script.write_text(text)
        script.chmod(0o755)
    assert not any(isinstance(step, UpdateAll) for step in images["openstack-base"].instructions)
    _makefile(directory, {name: _parent(image) for name, image in images.items()}, "./{name}.sh")
    return directory


def containerfiles(parents: Mapping[str, str], directory: Path, base: str, *, isolation: str) -> Path:
    """One Containerfile of one trivial RUN an image, built by `buildah build`."""
    directory.mkdir(parents=True)
    for name, parent in parents.items():
        start = f"localhost/plain/{parent}" if parent else base
        number = name.removeprefix("i")
        (directory / f"{name}.Containerfile").write_text(
            f"FROM {start}\nRUN echo {number} > /made-{number}\n"
        )
    command = (
        f"buildah $$BS_STORE build --quiet --isolation {isolation} --pull-never --format docker "
        "-t localhost/plain/{name} -f {name}.Containerfile . >/dev/null"
    )
    _makefile(directory, parents, command)
    return directory


def _makefile(directory: Path, parents: Mapping[str, str], command: str) -> None:
    lines = ["all: " + " ".join(f"{name}.done" for name in parents)]
    for name, parent in parents.items():
        lines += [
            f"{name}.done: {parent + '.done' if parent else ''}",
            f"\t@{command.format(name=name)} && touch $@",
        ]
    (directory / "Makefile").write_text("\n".join(lines) + "\n")


def _parent(image: Image) -> str:
    return image.parent.name if isinstance(image.parent, ParentImage) else ""
