"""What a new image set begins with: two images that build as they are, a test, comments for the author."""

from __future__ import annotations

from dataclasses import dataclass

from buildsys.importers.set_folder import Files
from buildsys.packages import PackageManager
from buildsys.recipe.yaml_text import flow


@dataclass(frozen=True, slots=True)
class Beginning:
    """The origin of the packages and the base of a new set, as its site."""

    site: str
    """The name of the site."""
    text: str
    """The site's file, without its first key."""
    packages: bool
    """Whether recipes can install packages."""


def host(manager: PackageManager) -> Beginning:
    """Packages of the repositories that a package manager has on this host."""
    return Beginning("host", manager.new_site, packages=True)


def stand_ins(packages: str) -> Beginning:
    """Small packages that are made on this host; `packages` is the file that describes them."""
    text = f"""\
about: Stand-ins for real packages, made here, to learn and to test with. They need no network.
stand-ins: {flow(packages)}
installer: dnf
base: {{bootstrap: [bash, coreutils, filesystem, grep, sed, setup, shadow-utils]}}
repositories:
  stand-ins: {{directory: "{{{{ stand_ins }}}}/repo", key: "{{{{ stand_ins }}}}/keys/RPM-GPG-KEY-stand-in"}}
"""
    return Beginning("here", text, packages=True)


def base_image(reference: str) -> Beginning:
    """An image that was built elsewhere. Its packages stay as they are."""
    text = f"""\
about: Begins with {reference}.
base: {{image: {flow(reference)}}}
installer: dnf                # is not called as long as no recipe names packages
"""
    return Beginning("image", text, packages=False)


def files(name: str, beginning: Beginning, epoch: int, day: str) -> Files:
    """The files of a new set. `epoch`: the time of its files, seconds since 1970; `day` says the same."""
    return {
        "set.yaml": _SET.format(name=name, epoch=epoch, day=day, site=beginning.site),
        f"sites/{beginning.site}.yaml": f"{_SITE}site: {beginning.site}\n{beginning.text}",
        "images/base.yaml": _BASE,
        "images/hello.yaml": _HELLO.format(
            name=name,
            packages="#packages: [curl]             # installed first, by the package manager of the site\n"
            if beginning.packages
            else "",
        ),
        "files/hello": f"#!/bin/sh\necho 'Hello from {name}'\n",
    }


_SET = """\
# What all images of the set have in common. An image is called localhost/{name}/IMAGE:latest.
set: {name}                   # equals the name of the folder
namespace: {name}
tag: latest
epoch: {epoch}             # {day}: no file of an image is newer
site: {site}                    # sites/{site}.yaml says where packages and the base come from
"""
_SITE = """\
# Where packages come from, and what the first image begins with.
"""
_BASE = """\
# The root of the tree: what all images share. `from: site` begins with the base of the site.
image: base
from: site
accounts:
  app: {uid: 2000, home: /srv/app}
"""
_HELLO = """\
# One image: what it begins with, what is done, how it starts, and what must be true of it.
image: hello
from: base
{packages}steps:                        # done in their order; `buildsys show {name} hello` shows the result
  - {{copy: hello, to: /usr/local/bin/hello, mode: "755"}}    # the file files/hello of this set
user: app
cmd: [hello]
test:                         # tried by `buildsys test {name}`, in a container
  user: app
  run:
    - {{run: [hello], output: Hello from {name}}}
"""
