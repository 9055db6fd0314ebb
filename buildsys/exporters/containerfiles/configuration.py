"""The configuration of an image as instructions of a Containerfile."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from buildsys.diagnostics import Code, Diagnostic, Refused
from buildsys.image import HealthCheck, Image

_PLAIN = re.compile(r"[A-Za-z0-9_@%+:,./-]+")


def configuration(image: Image, cmd: tuple[str, ...] | None) -> Iterator[str]:
    """The lines for the configuration of an image, without USER, which would apply to later instructions.

    `cmd` is the command of the image, its own or inherited: builders reset an inherited one at ENTRYPOINT.

    Raises:
        Refused: a value has a line break, which a Containerfile cannot express (`not-in-a-containerfile`).
    """
    config = image.config
    broken = [*_line_breaks(image)]
    if broken:
        raise Refused(broken)
    yield from (f"ENV {name}={quoted(value)}" for name, value in sorted(config.env.items()))
    yield from (f"LABEL {quoted(name)}={quoted(value)}" for name, value in sorted(config.labels.items()))
    # A Containerfile cannot remove a label.
    yield from (f'LABEL {quoted(name)}=""' for name in config.removed_labels)
    if config.entrypoint is not None:
        yield f"ENTRYPOINT {json.dumps(list(config.entrypoint))}"
    if cmd is not None and (config.entrypoint is not None or config.cmd is not None):
        yield f"CMD {json.dumps(list(cmd))}"
    if config.stop_signal is not None:
        yield f"STOPSIGNAL {_escaped(config.stop_signal)}"
    if config.healthcheck is not None:
        yield _health_check(config.healthcheck)
    yield from (f"EXPOSE {port}" for port in config.ports)
    yield from (f"VOLUME {json.dumps([_escaped(path)])}" for path in config.volumes)
    if config.workdir is not None:
        yield f"WORKDIR {_escaped(config.workdir)}"


def quoted(value: str) -> str:
    """A quoted value: builders expand `$` and backslashes."""
    return value if _PLAIN.fullmatch(value) else f'"{_escaped(value).replace(chr(34), chr(92) + chr(34))}"'


def user(image: Image) -> str | None:
    """The user that an image sets, as argument of USER; None: it sets none."""
    return None if image.config.user is None else _escaped(image.config.user)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("$", "\\$")


def _health_check(check: HealthCheck) -> str:
    kind, *rest = check.command
    if kind == "NONE":
        return "HEALTHCHECK NONE"
    # Defaults as in a plan: those of every runtime.
    times = (
        ("interval", check.interval or 30),
        ("timeout", check.timeout or 30),
        ("start-period", check.start_period),
    )
    options = [f"--{name}={seconds:g}s" for name, seconds in times if seconds]
    options.append(f"--retries={check.retries or 3}")
    if kind == "CMD-SHELL" and _is_one_line(rest[0]):
        return " ".join(["HEALTHCHECK", *options, "CMD", rest[0]])
    argv = ["/bin/sh", "-c", rest[0]] if kind == "CMD-SHELL" else rest
    return " ".join(["HEALTHCHECK", *options, "CMD", json.dumps(argv)])


def _is_one_line(text: str) -> bool:
    """Whether a builder reads exactly this text from the rest of a line."""
    return "\n" not in text and text == text.strip() and not text.startswith("[") and not text.endswith("\\")


def _line_breaks(image: Image) -> Iterator[Diagnostic]:
    for field in ("env", "labels", "annotations"):
        for name, value in sorted(getattr(image.config, field).items()):
            if "\n" in value:
                spot = image.spots.get(f"{field}.{name}", image.spot)
                message = f"a Containerfile cannot express the line break in the value of {name}"
                yield Diagnostic(spot, Code.NOT_IN_A_CONTAINERFILE, message, "write it on one line")
