"""Options whose default a configuration file may set: the command line counts first, then the environment."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import click

from buildsys.diagnostics import NOWHERE, Code, Refused
from buildsys.settings import Setting, settings

KEYS = {
    "site": "site",
    "store": "store",
    "texts": "to",
    "jobs": "jobs",
    "recipes": "recipes",
    "build_directory": "build-dir",
}
"""Parameter of verbs -> its key in configuration files."""


class Configured(click.Option):
    """An option that takes its default from configuration files, where they have one."""

    def get_default(self, ctx: click.Context, call: bool = True) -> Any:  # noqa: FBT001, FBT002 - click's signature
        """The default: of a configuration file, else the option's own. Help shows the option's own."""
        if call and not ctx.resilient_parsing:
            setting = settings(os.environ).get(KEYS[self.name or ""])
            if setting is not None:
                return self.value_of(setting)
        return super().get_default(ctx, call=call)

    def value_of(self, setting: Setting) -> Any:
        """The value of a setting, as this option takes it."""
        return destinations_of(setting) if self.name == "texts" else setting.value


@contextmanager
def placed_site(site: str | None) -> Iterator[None]:
    """Give the mistake of a site that a set lacks its place, if a configuration file has chosen the site."""
    try:
        yield
    except Refused as refused:
        setting = None if os.environ.get("BS_SITE") else settings(os.environ).get("site")
        if setting is None or setting.value != site:
            raise
        raise Refused(
            replace(one, spot=setting.spot) if one.code == Code.UNKNOWN_SITE and one.spot == NOWHERE else one
            for one in refused.diagnostics
        ) from None


def destinations_of(setting: Setting) -> Any:
    """The value of `to`.

    Raises:
        Refused: `publish` would not take it.
    """
    from buildsys.publish.destination import destinations

    try:
        destinations(setting.value)
    except Refused as refused:
        raise Refused(replace(one, spot=setting.spot) for one in refused.diagnostics) from None
    return setting.value
