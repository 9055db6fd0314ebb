"""Are the images that a clone built of stable-pike what the facts say? `python -m tests.conformance.clone`.

The packages, the downloads and the store that they are held against are those of the build: the clone's
`build/standins`, the site's recipe, and the store that BS_STORE names, else buildah's own.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from buildsys import storage

from .__main__ import main as conformance


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the store and print the report; the exit status is that of `python -m tests.conformance`."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.clone")
    parser.add_argument("clone", type=Path, nargs="?", default=Path(), help="default: the working directory")
    parser.add_argument("--report", type=Path, metavar="FILE", help="where the report goes")
    given = parser.parse_args(arguments)
    store = storage.store(os.environ.get("BS_STORE", ""))
    if store is None:
        sys.stderr.write("conformance: buildah cannot open the store\n")
        return 2
    repository = given.clone / "build/standins/stable-pike/repo"
    (kolla,) = repository.rglob("openstack-kolla-[0-9]*.rpm")
    with TemporaryDirectory() as scratch:
        known = Path(scratch, "downloads.json")
        known.write_text(json.dumps(downloads(given.clone)))
        words = ["--store", store.location, "--runroot", store.run, "--downloads", str(known)]
        words += ["--kolla-rpm", str(kolla), "--repository", str(repository)]
        words += ["--report", str(given.report)] if given.report else []
        return conformance(words)


def downloads(clone: Path) -> dict[str, str]:
    """The checksum of every download, by its URL, as the site has them."""
    site = yaml.safe_load((clone / "recipes/stable-pike/sites/embedded.yaml").read_text())
    return {url: entry["sha256"] for url, entry in site["downloads"].items()}


if __name__ == "__main__":
    sys.exit(main())
