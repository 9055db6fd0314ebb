"""Who supplies slots beyond this machine: an engine is one file, and one line of the table here."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from buildsys.diagnostics import Code, closest
from buildsys.engines.engine import Engine, refused

ENGINES: dict[str, str] = {
    "dask": "buildsys.engines.dask:Dask",
    "slurm": "buildsys.engines.slurm:Slurm",
}
"""Name and class, which is called with the text behind `=`, empty without one, and the storage driver."""


def engine_of(text: str, driver: str, environment: Mapping[str, str]) -> Engine:
    """The engine of `--on NAME[=VALUE]`, not yet started. `driver`: of the client's store.

    Raises:
        Refused: there is no such engine, it is not installed, or its value is wrong.
    """
    name, _, value = text.partition("=")
    if name not in ENGINES:
        hint = closest(name, ENGINES) or f"known are {', '.join(ENGINES)}; for another command, set BS_ON"
        raise refused(Code.UNKNOWN_ENGINE, f"no engine is named {name or 'nothing'}", hint)
    module, _, attribute = ENGINES[name].partition(":")
    made: Engine = getattr(import_module(module), attribute)(value, driver, environment)
    return made
