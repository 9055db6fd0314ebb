"""Are the images of a store what the facts say? `python -m tests.conformance --store ROOT --runroot RUN`."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from . import facts as known
from . import reference, report, store
from .check import check


def main(arguments: Sequence[str] | None = None) -> int:
    """Check a store and print the report.

    Returns 0 when all is as the facts say, 1 when not, 2 when it cannot be read, 3 when a tool is missing.
    """
    given = _parser().parse_args(arguments)
    facts = known.load()
    try:
        files = reference.payload(facts, given.kolla_rpm) if given.kolla_rpm else reference.published(facts)
        downloads = json.loads(given.downloads.read_text("utf-8")) if given.downloads else {}
        newest = reference.newest(given.repository) if given.repository else {}
        with store.opened(given.store, given.runroot, tuple(facts.images), given.name) as built:
            result = check(facts, built, reference.References(files, downloads, newest))
    except FileNotFoundError as error:
        tool = "/" not in str(error.filename)
        return _refuse(3 if tool else 2, f"not found: {error.filename}")
    except (OSError, ValueError) as error:
        return _refuse(2, str(error))
    except subprocess.CalledProcessError as error:
        said = error.stderr if isinstance(error.stderr, str) else error.stderr.decode("utf-8", "replace")
        return _refuse(2, f"{' '.join(map(str, error.cmd))}\n{said.strip()}")
    if given.report:
        given.report.write_text(report.markdown(result), "utf-8")
        sys.stdout.write(report.last_line(result) + "\n")
    else:
        sys.stdout.write(report.markdown(result))
    return 1 if report.failed(result) else 0


def _refuse(status: int, why: str) -> int:
    sys.stderr.write(f"conformance: {why}\n")
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    add = parser.add_argument
    add("--store", type=Path, required=True, metavar="ROOT", help="root of the container store")
    add("--runroot", type=Path, required=True, metavar="RUN", help="run root of the container store")
    add("--name", default=store.TEMPLATE, help="how images are named (default: %(default)s)")
    add("--kolla-rpm", type=Path, metavar="RPM", help="package whose payload the copied files must equal")
    add("--downloads", type=Path, metavar="JSON", help="sha256 of downloads, by URL")
    add("--repository", type=Path, metavar="DIR", help="repository that must hold nothing newer")
    add("--report", type=Path, metavar="FILE", help="where the report goes (default: standard output)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
