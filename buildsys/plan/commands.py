"""What each data instruction is as verbs of `plan/runtime/inside.sh`, from what the plan carries."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from buildsys.image import (
    Account,
    AppendFile,
    AppendLines,
    Bootstrap,
    ChangeAccount,
    ChangeMode,
    ChangeOwner,
    CommentLines,
    Containerfile,
    CopyContext,
    CopyImage,
    CopyInside,
    CopyPayload,
    DeclareAccounts,
    DisableRepository,
    Download,
    ImportKey,
    Install,
    InstallGems,
    Instruction,
    MakeDirectory,
    MovePath,
    RemovePath,
    ReplaceLines,
    Require,
    Run,
    Symlink,
    Touch,
    Transaction,
    Uninstall,
    UpdateAll,
    WriteRepository,
)

LINK, FOLDER, SAME = "link", "folder", "same"


@dataclass(frozen=True, slots=True)
class ContextFile:
    """A file of the set's context as the plan carries it: `path` below the source, content hash, mode.

    There may be empty folders, hard links and, beside a Containerfile, links: their mode is FOLDER, SAME or
    LINK. The hash of a link is where it leads; of a hard link, the path of the same file before it.
    """

    path: str
    hash: str
    mode: str
    attributes: tuple[tuple[str, str], ...] = ()
    """Extended attributes that an image can hold: name and value, this in hexadecimal digits behind `0x`."""


@dataclass(frozen=True, slots=True)
class Carried:
    """What the plan directory holds for the steps, known by content: context files and the pool."""

    context: Mapping[Path, tuple[ContextFile, ...]]
    """What a `CopyContext` copies, by where it lies -> its files; a single file has an empty `path`.

    And what a `Containerfile` gets to see, by its folder.
    """
    downloads: Mapping[str, str]
    """URL -> SHA-256 of the pooled file."""
    gems: Mapping[str, str]
    """Gem as a recipe names it -> file name in the pool."""
    given: Mapping[str, tuple[str, ...]]
    """Image -> the paths that other images copy from it."""
    gem_hashes: Mapping[str, str]
    """File name in the pool -> SHA-256: those gems, and what they may depend on."""
    payloads: Mapping[tuple[str, str], str]
    """File of a locked package and a path in it -> hash of what a copy of it takes, where that is known."""
    capabilities: Mapping[tuple[str, str], tuple[tuple[str, str], ...]]
    """The same -> paths behind that with capabilities, which no archive of a package holds; and these."""
    keys: Mapping[str, str]
    """Repository -> SHA-256 of its key, or where the key is, if not in the pool."""


def verbs(step: Instruction, site: str, carried: Carried) -> Iterator[tuple[str, ...]]:
    """The verbs of one data instruction; `site` is the name of the site."""
    match step:
        case MakeDirectory():
            yield ("directory", step.mode, step.owner, *step.paths)
        case ChangeMode():
            yield ("mode", step.mode, *_recursive(step), *step.paths)
        case ChangeOwner():
            yield ("owner", step.owner, *_recursive(step), *step.paths)
        case Symlink():
            yield ("link", step.target, step.link, *(("force",) if step.force else ()))
        case Touch():
            yield ("file", step.mode, *step.paths)
        case RemovePath():
            yield ("remove", *_recursive(step), *step.paths)
        case MovePath():
            yield ("move", step.source, step.to)
        case CopyInside():
            yield ("duplicate", step.source, step.to, *(("preserve",) if step.preserve else ()))
        case CopyPayload():
            yield ("payload", step.mode, step.owner, step.package.name, step.source, step.to)
            name = step.source.rstrip("/").rsplit("/", 1)[-1]
            root = step.to + name if step.to.endswith("/") else step.to
            file = step.locked.file if step.locked else ""
            for path, value in carried.capabilities.get((file, step.source), ()):
                yield ("attributes", f"{root}{path}", "security.capability", value)
        case CopyImage():
            yield ("other", step.mode, step.owner, step.image, step.source, step.to)
        case Download():
            to = step.to + step.url.rsplit("/", 1)[-1] if step.to.endswith("/") else step.to
            mode = chmod_mode(step.mode, "644")
            if step.url in carried.downloads:
                yield ("pooled", mode, carried.downloads[step.url], to)
            else:
                yield ("download", mode, fetched(step), to)
        case InstallGems() if missing := [gem for gem in step.gems if gem not in carried.gems]:
            yield ("fail", f"the site {site} does not have the gems {', '.join(missing)}")
        case InstallGems():
            files = [carried.gems[gem] for gem in step.gems]
            yield ("gems", str(step.open_files), " ".join(step.flags), *files)
        case CommentLines():
            yield ("comment", step.pattern, step.file)
        case ReplaceLines():
            yield ("replace", step.pattern, step.replacement, step.file)
        case AppendLines():
            yield ("append", step.file, *step.lines)
        case AppendFile():
            yield ("append_file", step.source, step.file)
        case Require():
            yield ("require", step.pattern, step.file)
        case WriteRepository():
            options = (part for option in step.options for part in option)
            yield ("repository", step.file, step.id, *options)
        case DisableRepository():
            yield ("disable_repository", step.id)
        case DeclareAccounts():
            yield from (_account(item) for item in step.accounts)
        case ChangeAccount():
            yield ("change_account", step.name, step.home, step.shell, *step.groups)
        case (
            Bootstrap() | Install() | Transaction() | Uninstall() | UpdateAll() | ImportKey() | Run()
            | Containerfile()
        ):  # fmt: skip
            raise AssertionError(f"{step} is no data instruction")
        case CopyContext():
            raise AssertionError(f"{step} is said file by file")
        case _:
            assert_never(step)


def seen(item: ContextFile) -> tuple[str, ...]:
    """The verb that lets a Containerfile see something."""
    match item.mode:
        case "link":
            return ("with_link", item.hash, item.path)
        case "folder":
            return ("with_folder", item.path)
        case mode:
            return ("with_file", mode, item.hash, item.path)


def fetched(step: Download) -> str:
    """The name of what the plan fetches by itself: its checksum, or where nobody knows one, its URL's."""
    return step.sha256 or f"url-{hashlib.sha256(step.url.encode()).hexdigest()}"


def chmod_mode(asked: str, natural: str) -> str:
    """What chmod is told: `a+rx` adds to the natural mode of the file, not to that of the plan's copy."""
    if not asked or asked.isdigit():
        return asked or natural
    return {"644": "u=rw,go=r,", "755": "u=rwx,go=rx,"}[natural] + asked


def _recursive(step: ChangeMode | ChangeOwner | RemovePath) -> tuple[str, ...]:
    return ("-R",) if step.recursive else ()


def _account(item: Account) -> tuple[str, ...]:
    return ("account", item.name, str(item.uid), str(item.gid), item.home, item.shell, *item.groups)
