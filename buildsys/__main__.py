"""`buildsys` and `python -m buildsys`."""

import gc
import sys

from buildsys.cli import run


def main() -> None:
    """Run the command line and leave with its exit status."""
    # What a run makes lives to its end: looking for garbage costs a fifth of the time, and finds none.
    gc.disable()
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
