"""Image sets made for measuring: any size, in the shape of the Pike set."""

from __future__ import annotations

from pathlib import Path

SET = """\
set: {name}
namespace: bench
prefix: ""
tag: "1"
format: docker
epoch: 1517443200
site: {site}
"""
BUSYBOX = "localhost/bench/busybox:1"
SITE = f"""\
site: busybox
about: A busybox root.
base: {{image: {BUSYBOX}}}
installer: dnf
repositories: {{}}
"""


def parent_of(number: int) -> str:
    """Parent of image `number`: a base, seventeen below it, and the rest below those, as in the Pike set."""
    if number == 0:
        return "site"
    if number <= 17:
        return "i0"
    return f"i{1 + (number - 18) % 17}"


def generated(directory: Path, count: int) -> Path:
    """A set of `count` images with packages, files, edits and a health check each, to be compiled."""
    body = """\
image: i{number}
from: {parent}
uses: [{{service: i{number}}}]
packages: [openstack-i{number}, python-i{number}-client]
steps:
  - mkdir: /var/log/i{number}
    mode: "755"
  - {{comment: ^Listen, in: /etc/httpd.conf, optional: true}}
user: service
"""
    trait = """\
trait: service
parameters: {name: }
before:
  - mkdir: "/var/lib/{{ name }}"
steps:
  - {touch: "/usr/local/bin/{{ name }}_start", mode: "755"}
healthcheck: "/usr/bin/check {{ name }}"
"""
    return _write(directory, count, body, {"service": trait})


def trivial(directory: Path, count: int) -> Path:
    """A set of `count` images of one trivial `run` each on a busybox base."""
    body = "image: i{number}\nfrom: {parent}\nsteps:\n  - run: echo {number} > /made-{number}\n"
    return _write(directory, count, body, {})


def _write(directory: Path, count: int, body: str, traits: dict[str, str]) -> Path:
    for folder in ("images", "traits", "sites"):
        (directory / folder).mkdir(parents=True)
    (directory / "set.yaml").write_text(SET.format(name=directory.name, site="busybox"))
    (directory / "sites/busybox.yaml").write_text(SITE)
    for name, text in traits.items():
        (directory / f"traits/{name}.yaml").write_text(text)
    for number in range(count):
        recipe = body.format(number=number, parent=parent_of(number))
        (directory / f"images/i{number}.yaml").write_text(recipe)
    return directory
