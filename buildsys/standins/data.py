"""The data file of stand-in packages: its schema, and mistakes in it with their Spots."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from buildsys.diagnostics import Code, Diagnostic, Refused, closest
from buildsys.recipe.document import Written, read

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$", description="a package's name")]
Version = Annotated[
    str,
    Field(
        pattern=r"^([0-9]{1,9}:)?[A-Za-z0-9._+~]+-[A-Za-z0-9._+~]+$",
        description="a version as [EPOCH:]VERSION-RELEASE",
    ),
]
Provided = Annotated[
    str,
    Field(pattern=r"^[^\s=<>]+( = [^\s=<>]+)?$", description="what is provided: NAME, or NAME = VERSION"),
]
_PATH = r"(/[A-Za-z0-9._+@:=,-]+)+"
FilePath = Annotated[str, Field(pattern=f"^{_PATH}$", description="an absolute path of plain characters")]
Program = Annotated[
    str,
    Field(
        pattern=rf"^({_PATH}|[A-Za-z0-9._+-]+)$",
        description="a program: an absolute path, or a name for /usr/bin",
    ),
]
Mode = Annotated[str, Field(pattern=r"^[0-7]{4}$", description='a mode of four digits, as "0755"')]

PLAIN_PATH = re.compile(_PATH)
BUSYBOX = "busybox"
"""The package that no data file describes: it contains the busybox of the host."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class PackageData(_Strict):
    """One package; its files below payload/NAME are added."""

    version: Version | None = None
    """Only where it differs from the version of its source."""
    requires: list[Name] = []
    provides: list[Provided] = []
    programs: list[Program] = []
    """Generated scripts that exit immediately."""
    services: list[Program] = []
    """Generated scripts that stay in the foreground."""
    applets: list[Program] = []
    """Links to busybox."""
    directories: list[FilePath] = []
    links: dict[FilePath, str] = {}
    """Symbolic links: path -> target."""
    pre: str | None = None
    """Script for /bin/sh before the files are unpacked."""
    post: str | None = None
    """Script for /bin/sh after the files are unpacked."""


class SourceData(_Strict):
    """The packages of one source package; they share its version unless they have their own."""

    version: Version
    packages: dict[Name, PackageData]


class Scripts(_Strict):
    """Texts of the generated scripts; @NAME@, @PACKAGE@ and @VERSION@ are replaced."""

    programs: str
    services: str


class StandinData(_Strict):
    """The data file."""

    vendor: str
    epoch: Annotated[int, Field(ge=0, lt=2**32)]
    """Time of every file, build and signature: seconds since 1970."""
    bootstrap: list[Name]
    """Packages that are installed into an empty root before all others."""
    scripts: Scripts
    modes: dict[FilePath, Mode] = {}
    """Modes other than 0755 of directories and programs and 0644 of other files."""
    owners: dict[FilePath, Name] = {}
    """Directory -> its user and group, by name; all other directories belong to root."""
    unverified: list[FilePath] = []
    """Files that change in use: rpm -V compares only their owner and mode."""
    gems: dict[Name, str] = {}
    sources: dict[Name, SourceData]

    @model_validator(mode="before")
    @classmethod
    def _short_sources(cls, data: Any) -> Any:
        """Expand `NAME: VERSION`, and a source with one package of the same name, to the full form."""
        if not isinstance(data, dict) or not isinstance(data.get("sources"), dict):
            return data
        sources = dict(data["sources"])
        for name, source in sources.items():
            if isinstance(source, str):
                sources[name] = {"version": source, "packages": {name: {}}}
            elif isinstance(source, dict) and "packages" not in source:
                package = {key: value for key, value in source.items() if key != "version"}
                version = {key: value for key, value in source.items() if key == "version"}
                sources[name] = {**version, "packages": {name: package}}
        return {**data, "sources": sources}

    def packages(self) -> Iterator[tuple[str, SourceData, str, PackageData]]:
        """Every package: (name of the source, source, name, package)."""
        for source_name, source in self.sources.items():
            for name, package in source.packages.items():
                yield source_name, source, name, package


def load(file: Path) -> StandinData:
    """Read and check a data file.

    Raises:
        Refused: it has mistakes; with all of them.
    """
    written = read(file)
    try:
        data = StandinData.model_validate(written.data)
    except ValidationError as error:
        raise Refused(_schema_mistakes(error, written)) from None
    if mistakes := list(_name_mistakes(data, written)):
        raise Refused(mistakes)
    return data


def written_path(written: Written, *path: str | int) -> tuple[str | int, ...]:
    """The path in the file of a path in the full form: a short source has no key `packages`."""
    if len(path) > 3 and path[0] == "sources" and path[2] == "packages":
        source = written.data["sources"][path[1]]
        if not isinstance(source, dict) or "packages" not in source:
            return (*path[:2], *path[4:])
    return path


def _schema_mistakes(error: ValidationError, written: Written) -> Iterator[Diagnostic]:
    for item in error.errors():
        of_key = item["loc"][-1:] == ("[key]",)
        path = written_path(written, *(part for part in item["loc"] if part != "[key]"))
        spot = written.key_spot(*path) if of_key else written.spot(*path)
        match item["type"]:
            case "extra_forbidden":
                fields = PackageData.model_fields if path[0] == "sources" else StandinData.model_fields
                known = [*fields, "packages"] if path[0] == "sources" else fields
                word = str(path[-1])
                yield Diagnostic(
                    written.key_spot(*path), Code.UNKNOWN_KEY, f"unknown key '{word}'", closest(word, known)
                )
            case "missing":
                owner = path[:-1]
                spot = written.key_spot(*owner) if owner else written.spot()
                yield Diagnostic(spot, Code.MISSING_KEY, f"'{path[-1]}' is missing here")
            case "string_pattern_mismatch":
                wanted = _PATTERNS[item["ctx"]["pattern"]]
                yield Diagnostic(spot, Code.BAD_TEXT, f"'{item['input']}' is not {wanted}")
            case _:
                message = item["msg"].removeprefix("Input ")
                yield Diagnostic(spot, Code.WRONG_TYPE, f"this {message}")


_PATTERNS = {
    str(field.metadata[0].pattern): str(field.description)
    for alias in (Name, Version, Provided, FilePath, Program, Mode)
    for field in get_args(alias)[1:]
}


def _name_mistakes(data: StandinData, written: Written) -> Iterator[Diagnostic]:
    """Duplicate names of packages, and references to unknown packages."""
    names = {BUSYBOX}
    for source, _, name, _ in data.packages():
        if name in names:
            spot = written.key_spot(*written_path(written, "sources", source, "packages", name))
            yield Diagnostic(spot, Code.DUPLICATE_PACKAGE, f"there is a package '{name}' already")
        names.add(name)
    wanted: list[tuple[tuple[str | int, ...], str]] = []
    wanted += [(("bootstrap", index), name) for index, name in enumerate(data.bootstrap)]
    for source, _, name, package in data.packages():
        path = written_path(written, "sources", source, "packages", name, "requires")
        wanted += [((*path, index), required) for index, required in enumerate(package.requires)]
    for place, name in wanted:
        if name not in names:
            message = f"there is no package '{name}'"
            yield Diagnostic(written.spot(*place), Code.UNKNOWN_PACKAGE, message, closest(name, names))
