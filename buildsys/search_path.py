"""The folders in which image sets are found by name."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused, closest

HERE = Path("recipes")
"""The folder of sets below the working directory: it needs no setting, and new sets are written there."""
VARIABLE = "BS_RECIPES"
"""The environment variable that names folders, with colons between them."""
PACKAGE = Path(__file__).parent
BELOW = Path("buildsys/recipes")
"""The folder of sets below a folder of data, such as /usr/share."""
SYSTEM = Path("/etc") / BELOW


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that is searched, and what put it on the search path."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class InstalledSet:
    """A set that is found, or one of the same name that an earlier folder hides."""

    name: str
    directory: Path
    hidden: bool


def search_path(
    chosen: Iterable[Path], environment: Mapping[str, str], configured: Iterable[Folder] = ()
) -> list[Folder]:
    """The folders in the order in which they are searched; the first that has a set of a name wins.

    `chosen` are of the command line, `configured` of configuration files. A folder need not exist.
    """
    listed = environment.get(VARIABLE, "").split(":")
    folders = [
        *(Folder(path, "--recipes") for path in chosen),
        *(Folder(Path(item), VARIABLE) for item in listed if item),
        Folder(HERE, "the working directory"),
        *configured,
        *_user_data(environment),
        Folder(SYSTEM, "this host"),
        *(Folder(path / BELOW, "XDG_DATA_DIRS") for path in _data_folders(environment)),
        *(Folder(path, "installed with buildsys") for path in _own()),
    ]
    once: dict[str, Folder] = {}
    for folder in folders:
        once.setdefault(os.path.realpath(folder.path), folder)
    return list(once.values())


def sets(folders: Iterable[Folder]) -> Iterator[InstalledSet]:
    """Every set in these folders: by folder, then by name."""
    found: set[str] = set()
    for folder in folders:
        names = sorted(path.parent.name for path in folder.path.glob("*/set.yaml"))
        yield from (InstalledSet(name, folder.path / name, name in found) for name in names)
        found.update(names)


def find(name: str, folders: Sequence[Folder]) -> Path:
    """The folder of the set of that name.

    Raises:
        Refused: no folder has one (`no-set`).
    """
    for folder in folders:
        directory = folder.path / name
        if (directory / "set.yaml").is_file():
            return directory
    # A folder without set.yaml is a set that is being written, or one that was lost: its own words say so.
    for folder in folders:
        if name and (folder.path / name).is_dir():
            return folder.path / name
    known = {item.name for item in sets(folders)}
    hint = closest(name, known) or (
        "`buildsys sets` lists all, and the folders that are searched; `buildsys new` begins one"
    )
    raise Refused([Diagnostic(NOWHERE, Code.NO_SET, f"no image set is called '{name}'", hint)])


def path_in_plans(name: str) -> str:
    """What plans call the folder of a set that was found by its name, wherever it lies."""
    return str(HERE / name)


def is_shipped(directory: Path, environment: Mapping[str, str]) -> bool:
    """Whether a set lies in a folder that only packages write, such as /usr/share."""
    folders = [*(path / BELOW for path in _data_folders(environment)), *_own()]
    clone = os.path.realpath(PACKAGE.parent / HERE)
    shipped = {os.path.realpath(folder) for folder in folders} - {clone}
    return os.path.realpath(directory.parent) in shipped


def home(environment: Mapping[str, str]) -> Path | None:
    """The user's home; None if the user has none."""
    if given := environment.get("HOME"):
        return Path(given)
    found = os.path.expanduser("~")  # noqa: PTH111 - Path.home raises an error where there is none
    return None if found == "~" else Path(found)


def _user_data(environment: Mapping[str, str]) -> list[Folder]:
    given = environment.get("XDG_DATA_HOME", "")
    if given.startswith("/"):
        return [Folder(Path(given) / BELOW, "XDG_DATA_HOME")]
    folder = home(environment)
    return [Folder(folder / ".local/share" / BELOW, "this user")] if folder else []


def _data_folders(environment: Mapping[str, str]) -> list[Path]:
    listed = environment.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    # The specification ignores relative paths.
    return [Path(item) for item in listed.split(":") if item.startswith("/")]


def _own() -> Iterator[Path]:
    """The places of the sets that come with buildsys: of a clone, or next to an installed package."""
    clone = PACKAGE.parent
    if (clone / "pyproject.toml").is_file():
        yield clone / HERE
    # PREFIX/lib/python3.X/site-packages/buildsys, or what `pip install --target` makes.
    prefixes = (Path(sys.prefix), *PACKAGE.parents[3:4], clone)
    yield from (
        prefix / "share" / BELOW for prefix in dict.fromkeys(prefixes) if (prefix / "share" / BELOW).is_dir()
    )
