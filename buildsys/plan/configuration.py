"""The configuration of an image as options of `buildah config`."""

from __future__ import annotations

import json
from collections.abc import Iterator

from buildsys.image import OciConfig
from buildsys.shell import words


def configure(config: OciConfig) -> list[tuple[str, str]]:
    """The options of `buildah config` that say this configuration; lists as JSON, which it takes for argv."""
    options: list[tuple[str, str]] = []
    if config.user is not None:
        options.append(("--user", config.user))
    if config.entrypoint is not None:
        options.append(("--entrypoint", json.dumps(list(config.entrypoint))))
    if config.cmd is not None:
        options.append(("--cmd", json.dumps(list(config.cmd))))
    if config.workdir is not None:
        options.append(("--workingdir", config.workdir))
    if config.stop_signal is not None:
        options.append(("--stop-signal", config.stop_signal))
    if config.healthcheck is not None:
        check = config.healthcheck
        # The value is split as by a shell; all of a CMD-SHELL is one word.
        options.append(("--healthcheck", words(check.command)))
        for flag, value in (
            ("--healthcheck-interval", check.interval),
            ("--healthcheck-timeout", check.timeout),
            ("--healthcheck-start-period", check.start_period),
        ):
            if value:
                options.append((flag, f"{value:.3f}".rstrip("0").rstrip(".") + "s"))
        if check.retries:
            options.append(("--healthcheck-retries", str(check.retries)))
    options += _env(config)
    options += [("--label", f"{name}={value}") for name, value in sorted(config.labels.items())]
    options += [("--annotation", f"{name}={value}") for name, value in sorted(config.annotations.items())]
    # Sets, in the configuration: their order has no meaning.
    options += [("--volume", _csv(path)) for path in sorted(config.volumes)]
    options += [("--port", port) for port in sorted(config.ports)]
    return options


_FIELDS = {
    "--user": "user", "--entrypoint": "entrypoint", "--cmd": "cmd", "--workingdir": "workdir",
    "--stop-signal": "stop_signal", "--env": "env", "--label": "labels", "--annotation": "annotations",
    "--volume": "volumes", "--port": "ports", "--build-arg": "args",
}  # fmt: skip


def field_of(flag: str, value: str) -> str:
    """What an option of `buildah config`, or of a build by a Containerfile, is called in `Image.spots`."""
    if flag.startswith("--healthcheck"):
        return "healthcheck"
    field = _FIELDS[flag]
    if field in {"env", "labels", "annotations", "args"}:
        return f"{field}.{value.partition('=')[0]}"
    return f"{field}.{value}" if field in {"volumes", "ports"} else field


def _csv(value: str) -> str:
    """One value for an option that takes a line of CSV."""
    return '"' + value.replace('"', '""') + '"' if set(value) & set(',"') else value


def _env(config: OciConfig) -> Iterator[tuple[str, str]]:
    """`--env` expands `$NAME` from what is set so far and has no escape: set to `$`, NAME stands for it."""
    for name, value in sorted(config.env.items()):
        if "$" in value:
            yield ("--env", f"{name}=$")
        yield ("--env", f"{name}={value.replace('$', f'${{{name}}}')}")
