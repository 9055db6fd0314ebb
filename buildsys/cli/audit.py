"""The verb that compares packages of images with advisories: audit."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from buildsys.cli.completion import image_names, set_names
from buildsys.cli.options import as_json, examples, pipeline_of, takes_build_directory, takes_recipes
from buildsys.cli.output import FAILED, Ended, put, put_table, say
from buildsys.cli.sbom import damaged, planned_images
from buildsys.diagnostics import counted

if TYPE_CHECKING:
    from buildsys.audit.exceptions import AuditException
    from buildsys.audit.findings import Finding
    from buildsys.plan.inventory import Inventory


@click.command(
    epilog=examples(
        "buildsys audit stable-zed --advisories /srv/feeds/debian.json",
        "buildsys audit stable-pike nova-api --advisories /srv/feeds/osv --severity critical --json",
    )
)
@click.argument("name_of_set", metavar="SET", shell_complete=set_names)
@click.argument("images", metavar="[IMAGE]...", nargs=-1, shell_complete=image_names)
@click.option(
    "--advisories", metavar="PATH", multiple=True, required=True, type=click.Path(path_type=Path),
    help="A file, or a folder of files: OSV, the Debian security tracker, updateinfo.xml. Repeatable.",
)  # fmt: skip
@click.option(
    "--severity", type=click.Choice(["low", "medium", "high", "critical"]), default="high",
    show_default=True, help="The lowest severity that fails. An unknown severity always does.",
)  # fmt: skip
@click.option(
    "--plan", "directory", metavar="DIR", type=click.Path(path_type=Path),
    help="The plan's directory; else SET below the build directory.",
)  # fmt: skip
@takes_recipes
@takes_build_directory
@as_json
def audit(
    name_of_set: str,
    images: tuple[str, ...],
    *,
    advisories: tuple[Path, ...],
    severity: str,
    directory: Path | None,
    recipes: tuple[Path, ...],
    build_directory: Path,
    as_json: bool,
) -> None:
    """Compare the packages of images with advisories. Exit status 1 if one counts.

    A line for each package and advisory: the image that installs the package, package and version, advisory,
    severity, fixed version, how many images have it, and the command that updates the lock or why there is
    none. Feeds are local files; nothing is fetched. Exceptions are in exceptions.yaml of the set.
    """
    from buildsys.audit import exceptions, feed, findings
    from buildsys.plan import read
    from buildsys.plan.inventory import Inventories

    pipeline = pipeline_of(name_of_set, recipes)
    directory = directory or build_directory / pipeline.name
    names = planned_images(directory, name_of_set, images)
    allowed = exceptions.read(pipeline.directory)
    known = feed.read(advisories)
    today = datetime.now(UTC).date()
    try:
        read_inventories = Inventories(directory)
        inventories = [read_inventories.of(name) for name in names]
        site = str(read.summary(directory).get("site", ""))
    except ValueError as error:
        raise damaged(directory, name_of_set, error) from error
    found = findings.find(inventories, known, allowed, today)
    counting = [item for item in found if _counts(item, severity)]
    rows = [_row(item, name_of_set, site, counts=item in counting) for item in found]
    unknown = [item for item in inventories if item.gaps]
    if as_json:
        gaps = {item.image: item.gaps for item in unknown}
        put(json.dumps({"findings": rows, "unknown": gaps, "failed": bool(counting or unknown)}, indent=1))
    else:
        columns = ("IMAGE", "PACKAGE", "ADVISORY", "SEVERITY", "FIXED", "IMAGES", "UPDATE")
        put_table(columns, map(_cells, rows))
    for item in allowed:
        if item.expired(today):
            say(f"{item.spot}: note: the exception for {item.advisory} ended on {item.until}")
        elif not images and not any(finding.exception is item for finding in found):
            say(f"{item.spot}: note: the exception for {item.advisory} covers nothing; remove it")
    _judge(found, counting, unknown, names)


def _counts(item: Finding, least: str) -> bool:
    from buildsys.audit.advisory import SEVERITIES

    order: Sequence[str] = SEVERITIES
    return item.exception is None and order.index(item.severity) >= order.index(least)


def _row(item: Finding, name_of_set: str, site: str, *, counts: bool) -> dict[str, Any]:
    command = ["buildsys", "lock", name_of_set, *(["--site", site] if site else []), item.package.image]
    return {
        "image": item.package.image,
        "package": item.package.name,
        "version": item.package.evr,
        "advisory": item.advisory.id,
        "aliases": list(item.advisory.aliases),
        "severity": item.severity,
        "fixed": item.advisory.fixed,
        "images": list(item.images),
        "update": shlex.join([*command, "--update"]) if item.advisory.fixed else "",
        "recipe": item.package.spot,
        "counts": counts,
        "exception": _exception(item.exception),
    }


def _exception(item: AuditException | None) -> dict[str, str] | None:
    if item is None:
        return None
    return {"status": item.status, "reason": item.reason, "date": item.date, "until": item.until}


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    exception = row["exception"]
    update = row["update"] or "no fixed version yet"
    if exception:
        update = f"{exception['status']} since {exception['date']}: {exception['reason']}"
    return (
        row["image"], f"{row['package']} {row['version']}", row["advisory"], row["severity"],
        row["fixed"] or "-", str(len(row["images"])), update,
    )  # fmt: skip


def _judge(
    found: Sequence[Finding], counting: Sequence[Finding], unknown: Sequence[Inventory], names: Sequence[str]
) -> None:
    for item in unknown:
        say(f"error: {item.image} is not audited: its plan does not name {'; '.join(item.gaps)}")
    excepted = sum(item.exception is not None for item in found)
    text = (
        f"{counted(len(names), 'image')}: {counted(len(found), 'finding')}, {len(counting)} of them count"
        f"{f', {excepted} are excepted' if excepted else ''}"
    )
    if counting or unknown:
        raise Ended(FAILED, text)
    say(text)
