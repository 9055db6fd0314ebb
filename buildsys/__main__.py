"""`buildsys` and `python -m buildsys`."""

import gc
import sys

from buildsys.interrupts import hear

INTERRUPTED = 130


def main() -> None:
    """Run the command line and leave with its exit status."""
    # What a run makes lives to its end: looking for garbage costs a fifth of the time, and finds none.
    gc.disable()
    try:
        # Before all that takes time to import.
        hear()
        from buildsys.cli.surroundings import settle  # a person may have had enough this early

        settle()
        from buildsys.cli import run

        sys.exit(run(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
