"""RPM files, version 4 of the format, written without rpm: equal bytes from equal input.

The content is that of rpmbuild 4.18, without what depends on the build host. Numbers of fields are those of
rpmtag.h.
"""

from __future__ import annotations

import hashlib
import re
import stat
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntFlag
from pathlib import PurePosixPath

from .rpm_header import Field, Region, binary, header, int16, int32, string, strings, translated
from .stored_gzip import stored_gzip

SHELL = "/bin/sh"
LUA = "<lua>"
"""The interpreter inside rpm, for scripts."""
_SHA256 = 8
_RPM_WRITER = "buildsys"
_ISA = {
    "aarch64": "aarch-64",
    "i686": "x86-32",
    "ppc64le": "ppc-64",
    "riscv64": "riscv-64",
    "s390x": "s390-64",
    "x86_64": "x86-64",
}
"""Values of rpm's macro _isa, by architecture."""


class Sense(IntFlag):
    """Flags of a dependency: comparison of versions, and purpose (rpmds.h)."""

    ANY = 0
    LESS = 1 << 1
    GREATER = 1 << 2
    EQUAL = 1 << 3
    INTERPRETER = 1 << 8
    PRE = 1 << 9
    POST = 1 << 10
    RPMLIB = 1 << 24


class FileFlag(IntFlag):
    """Flags of a file (rpmfiles.h)."""

    NONE = 0
    CONFIG = 1 << 0
    NOREPLACE = 1 << 4


class Aspect(IntFlag):
    """Properties of a file that rpm -V compares (rpmvf.h)."""

    NONE = 0
    DIGEST = 1 << 0
    SIZE = 1 << 1
    TIME = 1 << 5


_COMPARISONS = {
    "": Sense.ANY,
    "<": Sense.LESS,
    "<=": Sense.LESS | Sense.EQUAL,
    "=": Sense.EQUAL,
    ">=": Sense.GREATER | Sense.EQUAL,
    ">": Sense.GREATER,
}


@dataclass(frozen=True, order=True, slots=True)
class Dependency:
    """A name with the accepted versions: those whose comparison with `version` is `sense`."""

    name: str
    sense: Sense = Sense.ANY
    version: str = ""


def dependency(text: str, sense: Sense = Sense.ANY) -> Dependency:
    """Parse NAME, or NAME OPERATOR [EPOCH:]VERSION[-RELEASE].

    Raises:
        ValueError: the text has another form.
    """
    found = re.fullmatch(r"(\S+)(?: (<|<=|=|>=|>) (\S+))?", text)
    if not found:
        raise ValueError(f"'{text}' is not a dependency as NAME [OPERATOR VERSION]")
    name, operator, version = found.groups(default="")
    return Dependency(name, sense | _COMPARISONS[operator], version)


@dataclass(frozen=True, slots=True)
class File:
    """One path of a package: a directory, a file with its content, a symbolic link, or a device."""

    path: str
    mode: int
    """With the bits of the file type, as st_mode."""
    content: bytes = b""
    target: str = ""
    owner: str = "root"
    """Name of its user and of its group."""
    device: int = 0
    """Number of a device: major * 256 + minor."""
    flags: FileFlag = FileFlag.NONE
    unverified: Aspect = Aspect.NONE

    @property
    def data(self) -> bytes:
        """Its data in the archive: the content, or the target of a link."""
        return self.target.encode() if stat.S_ISLNK(self.mode) else self.content


@dataclass(frozen=True, slots=True)
class Script:
    """A script of the installation."""

    text: str
    program: str = SHELL


@dataclass(frozen=True, slots=True)
class Rpm:
    """A package; `rpm_file` adds its own name to `provides`, rpm features and interpreters to `requires`."""

    name: str
    version: str
    release: str
    summary: str
    description: str
    time: int
    """Time of its files and of the build: seconds since 1970."""
    files: tuple[File, ...] = ()
    epoch: int | None = None
    architecture: str = "noarch"
    license: str = "Apache-2.0"
    vendor: str = ""
    source: str = ""
    """File name of the source package."""
    requires: tuple[Dependency, ...] = ()
    provides: tuple[Dependency, ...] = ()
    conflicts: tuple[Dependency, ...] = ()
    obsoletes: tuple[Dependency, ...] = ()
    pre: Script | None = None
    post: Script | None = None

    @property
    def file_name(self) -> str:
        """NAME-VERSION-RELEASE.ARCHITECTURE.rpm."""
        return f"{self.name}-{self.version}-{self.release}.{self.architecture}.rpm"

    @property
    def full_version(self) -> str:
        """[EPOCH:]VERSION-RELEASE."""
        epoch = "" if self.epoch is None else f"{self.epoch}:"
        return f"{epoch}{self.version}-{self.release}"


Sign = Callable[[bytes], bytes]
"""Bytes -> their OpenPGP signature."""


def rpm_file(package: Rpm, sign: Sign | None = None) -> bytes:
    """A package as the bytes of an RPM file; without `sign` it is not signed."""
    files = sorted(package.files, key=lambda file: file.path.encode())
    archive = _archive(files, package.time)
    payload = stored_gzip(archive)
    digests = [
        strings(5092, [hashlib.sha256(payload).hexdigest()]),
        int32(5093, [_SHA256]),
        strings(5097, [hashlib.sha256(archive).hexdigest()]),
    ]
    fields = [*_package(package), *_dependencies(package), *_files(files, package.time), *digests]
    main = header(Region.IMMUTABLE, fields)
    signatures = _signatures(main, payload, len(archive), sign)
    padding = b"\0" * (-len(signatures) % 8)
    return _lead(package) + signatures + padding + main + payload


def _lead(package: Rpm) -> bytes:
    """The lead: for file(1); rpm checks only its first bytes and the type of the signature."""
    name = f"{package.name}-{package.full_version}".encode()[:65]
    return struct.pack(">4sBBHH66sHH16x", b"\xed\xab\xee\xdb", 3, 0, 0, 1, name, 1, 5)


def _signatures(main: bytes, payload: bytes, unpacked: int, sign: Sign | None) -> bytes:
    # rpm before 4.14 knows no other digest of the payload than MD5 over header and payload.
    md5 = hashlib.md5(main + payload, usedforsecurity=False).digest()
    fields = [
        string(269, hashlib.sha1(main, usedforsecurity=False).hexdigest()),
        string(273, hashlib.sha256(main).hexdigest()),
        int32(1000, [len(main) + len(payload)]),
        binary(1004, md5),
        int32(1007, [unpacked]),
    ]
    if sign:
        fields.append(binary(268, sign(main)))
    return header(Region.SIGNATURES, fields)


def _package(package: Rpm) -> Iterator[Field]:
    yield strings(100, ["C"])
    yield string(1000, package.name)
    yield string(1001, package.version)
    yield string(1002, package.release)
    if package.epoch is not None:
        yield int32(1003, [package.epoch])
    yield translated(1004, package.summary)
    yield translated(1005, package.description)
    yield int32(1006, [package.time])
    yield string(1007, "stand-in")
    yield int32(1009, [sum(len(file.data) for file in package.files)])
    if package.vendor:
        yield string(1011, package.vendor)
    yield string(1014, package.license)
    yield translated(1016, "Unspecified")
    yield string(1021, "linux")
    yield string(1022, package.architecture)
    # rpm takes a package without this field for a source package.
    yield string(1044, package.source or f"{package.name}-{package.version}-{package.release}.src.rpm")
    yield string(1064, _RPM_WRITER)
    yield from _script(package.pre, 1023, 1085)
    yield from _script(package.post, 1024, 1086)
    yield string(1124, "cpio")
    yield string(1125, "gzip")
    yield string(1126, "0")
    yield int32(5011, [_SHA256])
    yield string(5062, "utf-8")


def _script(script: Script | None, text: int, program: int) -> Iterator[Field]:
    if script:
        yield string(text, script.text)
        yield string(program, script.program)


def _dependencies(package: Rpm) -> Iterator[Field]:
    own = [package.name]
    if package.architecture != "noarch":
        own.append(f"{package.name}({_ISA[package.architecture]})")
    provides = [*package.provides, *(Dependency(name, Sense.EQUAL, package.full_version) for name in own)]
    requires = [*package.requires, *_features(package)]
    for script, sense in ((package.pre, Sense.PRE), (package.post, Sense.POST)):
        if script and script.program != LUA:
            requires.append(Dependency(script.program, sense | Sense.INTERPRETER))
    for dependencies, names, senses, versions in (
        (provides, 1047, 1112, 1113),
        (requires, 1049, 1048, 1050),
        (package.conflicts, 1054, 1053, 1055),
        (package.obsoletes, 1090, 1114, 1115),
    ):
        found = sorted(set(dependencies))
        yield strings(names, [one.name for one in found])
        yield int32(senses, [one.sense for one in found])
        yield strings(versions, [one.version for one in found])


def _features(package: Rpm) -> Iterator[Dependency]:
    """The features of rpm that are needed to read the package."""
    features = {"CompressedFileNames": "3.0.4-1", "FileDigests": "4.6.0-1", "PayloadFilesHavePrefix": "4.0-1"}
    if any(script and script.program == LUA for script in (package.pre, package.post)):
        features["BuiltinLuaScripts"] = "4.2.2-1"
    versions = "".join([package.version, package.release, *(one.version for one in package.requires)])
    if "~" in versions:
        features["TildeInVersions"] = "4.10.0-1"
    if "^" in versions:
        features["CaretInVersions"] = "4.15.0-1"
    for name, version in features.items():
        yield Dependency(f"rpmlib({name})", Sense.RPMLIB | Sense.LESS | Sense.EQUAL, version)


def _files(files: Sequence[File], time: int) -> Iterator[Field]:
    paths = [PurePosixPath(file.path) for file in files]
    folders = list(dict.fromkeys(_folder(path) for path in paths))
    yield int32(1028, [len(file.data) for file in files])
    yield int16(1030, [file.mode for file in files])
    yield int16(1033, [file.device for file in files])
    yield int32(1034, [time for _ in files])
    yield strings(1035, [_digest(file) for file in files])
    yield strings(1036, [file.target for file in files])
    yield int32(1037, [file.flags for file in files])
    yield strings(1039, [file.owner for file in files])
    yield strings(1040, [file.owner for file in files])
    yield int32(1045, [0xFFFFFFFF ^ int(file.unverified) for file in files])
    yield int32(1095, [1 for _ in files])
    yield int32(1096, [number for number, _ in enumerate(files, 1)])
    yield strings(1097, ["" for _ in files])
    yield int32(1116, [folders.index(_folder(path)) for path in paths])
    yield strings(1117, [path.name for path in paths])
    yield strings(1118, folders)


def _folder(path: PurePosixPath) -> str:
    return f"{path.parent}/".replace("//", "/")


def _digest(file: File) -> str:
    return hashlib.sha256(file.content).hexdigest() if stat.S_ISREG(file.mode) else ""


def _archive(files: Iterable[File], time: int) -> bytes:
    """The files as a cpio archive of the format "newc"."""
    archive = bytearray()
    for number, file in enumerate(files, 1):
        device = (file.device >> 8, file.device & 0xFF)
        archive += _member(
            f".{file.path}", (number, file.mode, 0, 0, 1, time, len(file.data), 0, 0, *device), file.data
        )
    return bytes(archive + _member("TRAILER!!!", (0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0), b""))


def _member(name: str, numbers: Iterable[int], data: bytes) -> bytes:
    path = name.encode() + b"\0"
    head = b"070701" + b"".join(b"%08x" % number for number in (*numbers, len(path), 0)) + path
    return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)
