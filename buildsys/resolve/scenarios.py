"""Scenarios: references are checked, and defaults filled in.

What only a run knows, secrets and what steps capture, is written like a variable. Here it is filled in as its
name between two marks; the run puts the value there.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from buildsys.diagnostics import Code, Diagnostic, closest
from buildsys.graph import rings
from buildsys.recipe import schema
from buildsys.recipe.document import Written
from buildsys.recipe.library import Library, Source
from buildsys.resolve import fragment, image_tests
from buildsys.resolve.cycles import diagnostic
from buildsys.resolve.source import Notes, filled
from buildsys.resolve.traits import reserved
from buildsys.testing import spec

COMMAND, HEALTHY, WHOLE = 300.0, 120.0, 1800.0
"""Seconds for a command, until a container is healthy, and for a scenario, by default."""
MARKED = re.compile(f"{spec.OPEN}(.*?){spec.CLOSE}")


def scenarios(
    library: Library, variables: Mapping[str, Any], found: list[Diagnostic]
) -> dict[str, spec.Scenario]:
    """Every scenario of a set, by name; mistakes are added to `found`."""
    resolved = {}
    for name, source in sorted(library.scenarios.items()):
        item = _Scenario(source, variables, library.recipes, found).resolved()
        if item is not None:
            resolved[name] = item
    return resolved


class _Scenario:
    """Resolves one scenario."""

    def __init__(
        self,
        source: Source[schema.Scenario],
        variables: Mapping[str, Any],
        images: Collection[str],
        found: list[Diagnostic],
    ) -> None:
        self._images = images
        self._found = found
        self._secrets = tuple(_secrets(source.written))
        self._captured = list(_captured(source.written))
        secrets = [(name, ("secrets", number)) for number, name in enumerate(self._secrets)]
        for name, path in (*secrets, *self._captured):
            problem = reserved(name)
            if problem is None and name in variables:
                hint = "a value that only the run knows has a name of its own"
                problem = (Code.DUPLICATE_NAME, f"'{name}' is a variable of the set already", hint)
            if problem is not None:
                found.append(Diagnostic(source.written.key_spot(*path), *problem))
        names = (*self._secrets, *dict(self._captured))
        unknown = {name: f"{spec.OPEN}{name}{spec.CLOSE}" for name in names}
        self._ready = filled(source, {**variables, **unknown}, found)

    def resolved(self) -> spec.Scenario | None:
        """The scenario; None when its variables cannot be filled in."""
        if self._ready is None:
            return None
        written, notes = self._ready
        files, volumes = written.files or {}, written.volumes or []
        for name in files:
            if name in _folders(files):
                inside = min(other for other in files if other.startswith(f"{name}/"))
                problem = (
                    Code.DUPLICATE_NAME,
                    f"'{name}' is a file, and '{inside}' lies in a folder of that name",
                    "",
                )
                notes.problem(("files", name), problem, key=True)
        for number, name in enumerate(volumes):
            if name in files or name in _folders(files):
                problem = (Code.DUPLICATE_NAME, f"'{name}' is a file of this scenario already", "")
                notes.problem(("volumes", number), problem)
        containers = tuple(
            self._container(name, item, written, notes) for name, item in written.containers.items()
        )
        self._refuse_rings(written, notes)
        steps = self._steps(written.steps, "steps", written, notes)
        last = self._steps(written.checks, "checks", written, notes)
        self._refuse_unknown_values(written, notes)
        return spec.Scenario(
            name=written.scenario,
            about=written.about or "",
            timeout=image_tests.seconds(written.timeout, default=WHOLE),
            secrets=self._secrets,
            files=files,
            volumes=tuple(volumes),
            containers=containers,
            steps=steps,
            checks=last,
            spot=notes.spot("scenario"),
        )

    def _container(
        self, name: str, written: schema.Container, whole: schema.Scenario, notes: Notes
    ) -> spec.Container:
        path = ("containers", name)
        image = written.image or name
        if image not in self._images:
            spot = notes.spot(*path, "image") if written.image else notes.written.key_spot(*path)
            hint = closest(image, self._images) or "`image` names one of this set"
            self._found.append(Diagnostic(spot, Code.UNKNOWN_IMAGE, f"no image is called '{image}'", hint))
        health: tuple[str, ...] = ()
        if written.healthcheck is not None:
            health = fragment.health_check(written.healthcheck, notes, (*path, "healthcheck")).command
        after = written.after or []
        for number, other in enumerate(after):
            self._refuse_unknown_container(other, whole, notes, (*path, "after", number))
        mounts = written.mounts or {}
        return spec.Container(
            name=name,
            image=image,
            env=written.env or {},
            mounts=self._mounts(mounts, whole, notes, (*path, "mounts")),
            cmd=None if written.cmd is None else tuple(written.cmd),
            entrypoint=None if written.entrypoint is None else tuple(written.entrypoint),
            user=written.user or "",
            healthcheck=health,
            within=image_tests.seconds(written.within, default=HEALTHY),
            after=tuple(after),
            first=image_tests.runs(written.first, notes, (*path, "first"), timeout=COMMAND),
            then=image_tests.runs(written.then, notes, (*path, "then"), timeout=COMMAND),
            spots={
                "container": notes.written.key_spot(*path),
                "within": notes.spot(*path, "within") if written.within else notes.written.key_spot(*path),
                **{f"mounts.{place}": notes.spot(*path, "mounts", place) for place in mounts},
            },
        )

    def _mounts(
        self, mounts: Mapping[str, str], whole: schema.Scenario, notes: Notes, path: image_tests.Path
    ) -> Mapping[str, str]:
        files = whole.files or {}
        known = {*files, *_folders(files), *(whole.volumes or ())}
        for place, what in mounts.items():
            if what not in known:
                message = f"'{what}' is neither a file, a folder of files nor a volume of this scenario"
                hint = closest(what, known) or (
                    f"it has {', '.join(sorted(known))}" if known else "it has none"
                )
                self._found.append(Diagnostic(notes.spot(*path, place), Code.UNKNOWN_MOUNT, message, hint))
        return mounts

    def _steps(
        self, written: list[schema.ScenarioStep] | None, key: str, whole: schema.Scenario, notes: Notes
    ) -> tuple[spec.ScenarioStep, ...]:
        return tuple(
            step
            for number, item in enumerate(written or ())
            if (step := self._step(item, (key, number), whole, notes)) is not None
        )

    def _step(
        self, written: schema.ScenarioStep, path: image_tests.Path, whole: schema.Scenario, notes: Notes
    ) -> spec.ScenarioStep | None:
        if (written.run is None) == (written.http is None):
            self._found.append(Diagnostic(notes.spot(*path), *_ONE_OF_TWO))
            return None
        action: spec.Exec | spec.Http
        if written.http is not None:
            for key in ("in_", "user", "env", "status", "output", "timeout"):
                if getattr(written, key) is not None:
                    name = key.rstrip("_")
                    message = f"'{name}' belongs to a command, and this is a request"
                    hint = "what the answer must be stands under http:" if key in ("status", "output") else ""
                    spot = notes.written.key_spot(*path, name)
                    self._found.append(Diagnostic(spot, Code.MISPLACED_KEY, message, hint))
            action = image_tests.request(written.http, notes, (*path, "http"))
        else:
            if written.in_ is None:
                message = "a step that runs something needs the key 'in'"
                hint = f"name the container: in: {next(iter(whole.containers), 'container')}"
                self._found.append(Diagnostic(notes.spot(*path), Code.MISSING_KEY, message, hint))
            else:
                self._refuse_unknown_container(written.in_, whole, notes, (*path, "in"))
            action = image_tests.run(written, notes, path, timeout=COMMAND)
        capture = written.capture or {}
        if capture and path[0] == "checks":
            message, hint = "a check captures nothing", "make it a step: nothing comes after checks"
            spot = notes.written.key_spot(*path, "capture")
            self._found.append(Diagnostic(spot, Code.MISPLACED_KEY, message, hint))
        return spec.ScenarioStep(
            about=written.about or "",
            container=written.in_ or "",
            action=action,
            capture=capture,
            retry=image_tests.seconds(written.retry, default=0.0),
            spots={f"capture.{name}": notes.spot(*path, "capture", name) for name in capture},
        )

    def _refuse_unknown_container(
        self, name: str, whole: schema.Scenario, notes: Notes, path: image_tests.Path
    ) -> None:
        if name not in whole.containers:
            hint = closest(name, whole.containers) or f"there are {', '.join(whole.containers)}"
            message = f"no container of this scenario is called '{name}'"
            self._found.append(Diagnostic(notes.spot(*path), Code.UNKNOWN_CONTAINER, message, hint))

    def _refuse_rings(self, whole: schema.Scenario, notes: Notes) -> None:
        edges = {
            name: {
                other: notes.spot("containers", name, "after", number)
                for number, other in enumerate(item.after or ())
                if other in whole.containers
            }
            for name, item in whole.containers.items()
        }
        for ring in rings(edges):
            hint = "one of them must start without another"
            self._found.append(
                diagnostic(
                    ring, edges, Code.CONTAINER_CYCLE, "containers wait for one another in a ring", hint
                )
            )

    def _refuse_unknown_values(self, whole: schema.Scenario, notes: Notes) -> None:
        """A value is known once its step has run: not before, not to containers, never changed on the way."""
        known = set(self._secrets)
        data = notes.written.data
        places: list[tuple[image_tests.Path, Any]] = [
            ((key,), data.get(key)) for key in ("files", "containers")
        ]
        for key, steps in (("steps", whole.steps), ("checks", whole.checks)):
            places += [((key, number), data[key][number]) for number in range(len(steps or ()))]
        for path, piece in places:
            for where, text in _texts(piece, path):
                for name in MARKED.findall(text):
                    if name not in known:
                        message = f"the value '{name}' is not known here: a step captures it later"
                        if name not in dict(self._captured):
                            message = "a value that only the run knows cannot be changed on the way"
                        self._found.append(Diagnostic(notes.spot(*where), Code.UNKNOWN_VALUE, message))
            if path[0] == "steps" and isinstance(piece, dict):
                known.update(piece.get("capture") or ())


_ONE_OF_TWO = (
    Code.MISSING_KEY,
    "a step has either the key 'run' or the key 'http'",
    "run: a command in a container; http: a request to one",
)


def _secrets(written: Written) -> Iterator[str]:
    secrets = written.data.get("secrets")
    yield from secrets if isinstance(secrets, list) else ()


def _folders(files: Iterable[str]) -> set[str]:
    """Every folder of relative paths."""
    return {str(folder) for name in files for folder in PurePosixPath(name).parents[:-1]}


def _captured(written: Written) -> Iterator[tuple[str, image_tests.Path]]:
    """Names that steps capture, in order; checks cannot capture."""
    steps = written.data.get("steps")
    for number, step in enumerate(steps if isinstance(steps, list) else ()):
        capture = step.get("capture") if isinstance(step, dict) else None
        for name in capture if isinstance(capture, dict) else ():
            yield name, ("steps", number, "capture", name)


def _texts(data: Any, path: image_tests.Path) -> Iterator[tuple[image_tests.Path, str]]:
    if isinstance(data, str):
        yield path, data
    elif isinstance(data, dict | list):
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from _texts(value, (*path, key))
