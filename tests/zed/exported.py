"""What exported Containerfiles make of stable-zed, beside what its plan makes."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from buildsys.inspect_image.layer import Entry
from tests.exporters.test_conformance import build_tree
from tests.exporters.trees import described, differing, leavings, without_given_path
from tests.stores import Store, store

CHAIN = ("base", "openstack-base", "keystone")
REFERENCE = "localhost/openstackzed/{}:zed"
LEFT = re.compile(
    r"/var/log/.*|/var/cache/(apt|debconf|ldconfig|man)(/.*)?|/var/lib/apt(/.*)?"
    r"|/var/lib/dpkg/(status|available|lock.*|.*-old|triggers/.*|updates.*)|/var/lib/systemd/deb-systemd.*"
)
"""What installers note of themselves, and a plan takes away or brings into one order."""


def main(planned: str, place: Path) -> int:
    """Export the chain of keystone, build it by its Containerfiles, and name what is another."""
    tree = place / "tree"
    export = [".venv/bin/buildsys", "export", "containerfiles", "stable-zed", CHAIN[-1], "-o", str(tree)]
    status = subprocess.run([*export, "--store", planned], check=False).returncode
    if status:
        return status
    with store(place / "exported") as other:
        done = build_tree(tree, other, "buildah")
        sys.stdout.write(done.stdout[-4000:] + done.stderr[-4000:] if done.returncode else "")
        wrong = [text for name in CHAIN for text in differences(REFERENCE.format(name), planned, other)]
    sys.stdout.write("".join(f"{text}\n" for text in wrong))
    sys.stdout.write(f"{len(CHAIN)} images by their Containerfiles: {len(wrong)} differences\n")
    return 1 if wrong or done.returncode else 0


def differences(reference: str, planned: str, exported: Store) -> Iterator[str]:
    """Settings and paths that are not the same, but for what is left by installers."""
    ours, theirs = described(reference, planned), described(reference, exported.options)
    for what, pair in differing(without_given_path(theirs[0], ours[0]), ours[0]):
        yield f"{reference}: {what}: {pair}"
    left = leavings(theirs[1], ours[1])
    for path, pair in differing(plain(theirs[1], left), plain(ours[1], set())):
        yield f"{reference}: {path}: {pair}"


def plain(tree: Mapping[str, Entry], left: set[str]) -> dict[str, Entry]:
    """A tree without what installers leave."""
    return {path: entry for path, entry in tree.items() if path not in left and not LEFT.fullmatch(path)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]).resolve()))
