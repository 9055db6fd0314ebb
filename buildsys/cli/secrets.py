"""The option of verbs that build: files for what Containerfiles mount as secrets."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from buildsys.diagnostics import closest

if TYPE_CHECKING:
    from buildsys.image import ImageSet


def _named_files(values: Iterable[str]) -> tuple[str, ...]:
    """The same, each file named from / on.

    Raises:
        click.BadParameter: a value is not NAME=FILE, or there is no such file that can be read.
    """
    found = []
    for value in values:
        name, equals, file = value.partition("=")
        if not name or not equals or not file:
            raise click.BadParameter(f"'{value}' is not NAME=FILE")
        path = Path(file).expanduser()
        try:
            path.open("rb").close()
        except OSError as error:
            raise click.BadParameter(
                f"{name}: cannot read {file}: {(error.strerror or str(error)).lower()}"
            ) from None
        if not path.is_file():
            raise click.BadParameter(f"{name}: {file} is not a file")
        found.append(f"{name}={path.absolute()}")
    return tuple(found)


def check_secrets(given: Iterable[str], image_set: ImageSet) -> None:
    """Refuse names of secrets that no image of the set mounts.

    Raises:
        click.BadParameter: there is one.
    """
    written = [item.containerfile for item in image_set.images.values() if item.containerfile]
    known = {secret.name for item in written for secret in item.secrets}
    for value in given:
        name = value.partition("=")[0]
        if name not in known:
            hint = closest(name, known)
            message = f"no Containerfile of {image_set.name} mounts a secret '{name}'"
            raise click.BadParameter(f"{message}; {hint}" if hint else message, param_hint="'--secret'")


takes_secrets = click.option(
    "--secret", "secrets", metavar="NAME=FILE", multiple=True,
    callback=lambda _context, _parameter, value: _named_files(value),
    help="A file for what a Containerfile mounts as a secret; several times.",
)  # fmt: skip
