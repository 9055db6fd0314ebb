"""`python -m buildsys.standins DATA OUTPUT`: build the repository, unless it is up to date.

Exit status: 0 done, 1 a tool failed, 2 a mistake in the data file or the call, 3 a tool is missing.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from buildsys.diagnostics import Refused

from . import build_repository
from .tools import MissingTool, StandinError


def main(arguments: list[str]) -> int:
    """Build the repository; messages go to stderr, the path of the output to stdout."""
    if len(arguments) != 2:
        sys.stderr.write("usage: python -m buildsys.standins DATA OUTPUT\n")
        return 2
    # On SIGTERM remove temporary files, as on SIGINT.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        output = build_repository(Path(arguments[0]), Path(arguments[1]))
    except Refused as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except StandinError as error:
        sys.stderr.write(f"error: {error}\n")
        return 3 if isinstance(error, MissingTool) else 1
    sys.stdout.write(f"{output}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
