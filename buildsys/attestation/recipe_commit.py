"""The commit that a plan's recipes are of."""

from __future__ import annotations

import json
from pathlib import Path

from buildsys import programs
from buildsys.attestation.provenance import Commit


def recipe_commit(directory: Path) -> Commit | None:
    """The last commit that changed the folder of the recipes of a plan.

    None: they are in no repository that git reads, or differ from what is committed.
    """
    images = json.loads((directory / "plan.json").read_bytes())["images"] if directory.is_dir() else {}
    for entry in images.values():
        recipe = Path(entry["recipe"].rsplit(":", 2)[0])
        folder = next((str(place) for place in recipe.parents if (place / "set.yaml").is_file()), None)
        if folder is None:
            return None
        changed = programs.answer("git", "-C", folder, "status", "--porcelain", "--", ".")
        identity = programs.answer("git", "-C", folder, "log", "-1", "--format=%H", "--", ".")
        if changed != "" or not identity:
            return None
        origin = programs.answer("git", "-C", folder, "config", "--get", "remote.origin.url")
        return Commit((origin or "").strip(), identity.strip())
    return None
