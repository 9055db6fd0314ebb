"""The baseline: stable-zed as Kolla's templates would have it, one Containerfile an image.

The same images with the same parents, the same packages from the same local cache, and the same unsafe writes
while installing. What is not there is the work of a person who looked at the whole set: packages stand in the
image that asks for them, and in no parent.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from buildsys.image import Account, Bootstrap, DeclareAccounts, Image, Install, ParentImage
from buildsys.recipe.library import load_set
from buildsys.resolve import resolve
from buildsys.shell import words

ROOT = Path(__file__).resolve().parents[3]
PREFIX = "localhost/baseline"
CACHE = "/var/cache/baseline"
"""Where a build sees the local packages."""
SOURCE = f"deb [trusted=yes] file:{CACHE} ./"

TRUNK = {"openstack-base": ("python3",)}
"""What a trunk holds when nothing is moved into it: what its name promises."""
MADE_FOR_HOISTING = {"storage-base": "openstack-base"}
"""Images that are there for what they share alone, and whose place their parent takes."""

BASE = """\
FROM scratch
ADD base.tar /
LABEL name=base
RUN echo '{source}' >/etc/apt/sources.list \\
 && printf 'force-unsafe-io\\n' >/etc/dpkg/dpkg.cfg.d/unsafe-io \\
 && printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d \\
 && sed -i 's/^#\\?LAST_SYSTEM_\\([UG]ID\\)=.*/LAST_SYSTEM_\\1=42999/' /etc/adduser.conf
RUN {accounts}
ENV DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8
RUN apt-get update && {install}
"""
CHILD = """\
FROM {prefix}/{parent}
LABEL name={name}
{steps}"""
INSTALL = """\
echo "127.0.0.1 $(hostname)" >>/etc/hosts \\
 && apt-get install --yes --no-install-recommends {packages} && apt-get clean"""


@dataclass(frozen=True, slots=True)
class Plain:
    """An image of the baseline."""

    name: str
    parent: str
    """Empty: none."""
    packages: tuple[str, ...]
    user: str


def graph(images: Mapping[str, Image]) -> dict[str, Plain]:
    """The baseline's images, parents before children."""
    plain: dict[str, Plain] = {}
    for name in _in_order(images):
        if name in MADE_FOR_HOISTING:
            continue
        image = images[name]
        parent = image.parent.name if isinstance(image.parent, ParentImage) else ""
        asked = (
            item.name for step in image.instructions if isinstance(step, Install) for item in step.packages
        )
        packages = TRUNK.get(name, tuple(asked))
        parent = MADE_FOR_HOISTING.get(parent, parent)
        user = image.config.user or (plain[parent].user if parent else "")
        plain[name] = Plain(name, parent, packages, user)
    # What moved into a trunk and is no leaf's own: a client is what its name says.
    plain["openstackclient"] = Plain(
        "openstackclient", "openstack-base", ("python3-openstackclient",), "nobody"
    )
    return plain


def resolved() -> Mapping[str, Image]:
    """stable-zed, with the packages its recipes name."""
    return resolve(load_set(ROOT / "recipes/stable-zed"), site="host", variables={}, stand_ins=None).images


def write(directory: Path, images: Mapping[str, Image]) -> dict[str, Plain]:
    """Write NAME/Containerfile for every image below `directory`."""
    plain = graph(images)
    for name, item in plain.items():
        place = directory / name
        place.mkdir(parents=True)
        (place / "Containerfile").write_text(_containerfile(item, images[name]))
    return plain


def repository(pool: Sequence[Path], directory: Path) -> None:
    """A flat repository of package files, linked and not copied, and of apt, which the set does without."""
    directory.mkdir(parents=True)
    for file in pool:
        (directory / file.name).hardlink_to(file)
    solve = "apt-get --simulate --no-install-recommends -o Dir::State::status=/dev/null install apt".split()
    said = subprocess.run(solve, capture_output=True, text=True, check=True).stdout
    names = [line.split()[1] for line in said.splitlines() if line.startswith("Inst ")]
    subprocess.run(["apt-get", "download", *names], cwd=directory, capture_output=True, check=True)
    index = subprocess.run(
        ["dpkg-scanpackages", "--multiversion", "."],
        cwd=directory,
        capture_output=True,
        text=True,
        check=True,
    )
    (directory / "Packages").write_text(index.stdout)


def root(images: Mapping[str, Image], packages: Path, place: Path) -> None:
    """The root file system that the baseline begins with: what the set bootstraps, and apt."""
    names = [
        item.name
        for step in images["base"].instructions
        if isinstance(step, Bootstrap)
        for item in step.packages
    ]
    source = f"deb [trusted=yes] copy:{packages} ./"
    command = [
        "mmdebstrap",
        "--variant=essential",
        "--hook-directory=/usr/share/mmdebstrap/hooks/merged-usr",
        f"--include={','.join(['apt', *names])}",
        "",
        "-",
        source,
    ]
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("wb") as archive:
        subprocess.run(command, stdout=archive, check=True)


def _in_order(images: Mapping[str, Image]) -> list[str]:
    order: list[str] = []
    while len(order) < len(images):
        for name, image in images.items():
            parent = image.parent.name if isinstance(image.parent, ParentImage) else None
            if name not in order and (parent is None or parent in order):
                order.append(name)
    return order


def _containerfile(item: Plain, image: Image) -> str:
    install = INSTALL.format(packages=words(item.packages))
    if not item.parent:
        accounts = [
            account
            for step in image.instructions
            if isinstance(step, DeclareAccounts)
            for account in step.accounts
        ]
        return BASE.format(
            source=SOURCE, accounts=" \\\n && ".join(_account(each) for each in accounts), install=install
        )
    steps = f"RUN {install}\n" if item.packages else ""
    if item.user:
        steps = f"USER root\n{steps}USER {item.user}\n"
    return CHILD.format(prefix=PREFIX, parent=item.parent, name=item.name, steps=steps)


def _account(account: Account) -> str:
    group = words(["groupadd", "--gid", str(account.gid), account.name])
    user = words([
        "useradd", "--uid", str(account.uid), "--gid", str(account.gid), "--home-dir", account.home,
        "--no-create-home", "--shell", account.shell, account.name,
    ])  # fmt: skip
    return f"{group} && {user}"
