"""Drop and name the changes that no recipe can express, so that one mistake does not prevent the rest."""

from __future__ import annotations

from collections.abc import Callable

from buildsys.diagnostics import Diagnostic, Problem, Spot
from buildsys.importers.overlay_text import Changes, Step, untaken
from buildsys.recipe.schema import types

_SCALARS: dict[str, Callable[[str], Problem | None]] = {
    "user": types.USER.problem,
    "stop-signal": types.SIGNAL.problem,
    "workdir": types.PATH.problem,
}
_LISTS = {"volumes": types.PATH.problem, "ports": types.PORT.problem}
_MAPS = {"env": types.ENVIRONMENT_NAME.problem, "labels": types.LABEL_NAME.problem}


def drop_inexpressible(changes: Changes, found: list[Diagnostic]) -> None:
    """Remove from `changes` what a recipe cannot say, with a diagnostic at its place for each."""
    for key, check in _SCALARS.items():
        value, spot = changes.scalars.get(key, (None, None))
        if spot is not None and value is not None and (problem := check(str(value))):
            del changes.scalars[key]
            found.append(untaken(spot, key, problem[1], problem[2]))
    for key, check in _LISTS.items():
        items = changes.lists.get(key, {})
        wrong = [item for item in items if check(item)]
        found += (untaken(items.pop(item), f"'{item}'", f"it is not one of {key}") for item in wrong)
        if not items:
            changes.lists.pop(key, None)
    for key, check in _MAPS.items():
        pairs = changes.maps.get(key, {})
        wrong = [name for name in pairs if check(name)]
        found += (untaken(pairs.pop(name)[1], f"'{name}'", f"it cannot be a name in {key}") for name in wrong)
        if not pairs:
            changes.maps.pop(key, None)
    changes.before = _expressible(changes.before, found)
    changes.steps = _expressible(changes.steps, found)


def _expressible(steps: list[tuple[Step, Spot]], found: list[Diagnostic]) -> list[tuple[Step, Spot]]:
    kept = []
    for step, spot in steps:
        paths = [step[key] for key in ("to", "mkdir", "remove") if isinstance(step.get(key), str)]
        packages = [name for name in step.get("packages", ()) if isinstance(name, str)]
        problems = (*map(types.PATH.problem, paths), *map(types.PACKAGE_NAME.problem, packages))
        if problem := next(filter(None, problems), None):
            found.append(untaken(spot, f"'{next(iter(step))}'", problem[1], problem[2]))
        else:
            kept.append((step, spot))
    return kept
