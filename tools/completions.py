"""Write the completions of bash, zsh and fish, as click makes them."""

from __future__ import annotations

import sys
from pathlib import Path

from buildsys.cli import verbs
from buildsys.cli.completion import script

PLACES = {
    "bash": "bash-completion/completions/buildsys",
    "zsh": "zsh/site-functions/_buildsys",
    "fish": "fish/vendor_completions.d/buildsys.fish",
}
"""Shell -> where it looks for a completion, below PREFIX/share."""


def write(share: Path) -> None:
    """Write the completion of each shell below a folder, in the places where shells look."""
    for shell, place in PLACES.items():
        path = share / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(script(verbs, shell), "utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
