"""The commands of steps: verbs for data instructions, options for configurations, names for Containerfiles.

The verbs are functions of `plan/runtime/inside.sh` and `plan/runtime/containerfile.sh`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
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
    OciConfig,
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
from buildsys.image.build_file import renamed
from buildsys.plan.carried import Carried, ContextFile
from buildsys.shell import words


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
            raise AssertionError(f"{step} is not a data instruction")
        case CopyContext():
            raise AssertionError(f"{step} has a verb for each file")
        case _:
            assert_never(step)


def shown(item: ContextFile) -> tuple[str, ...]:
    """The verb that puts a file into the context of a Containerfile."""
    match item.mode:
        case "link":
            return ("with_link", item.hash, item.path)
        case "folder":
            return ("with_folder", item.path)
        case mode:
            return ("with_file", mode, item.hash, item.path)


def fetched(step: Download) -> str:
    """The name of a file that the plan fetches: its checksum, or the URL's if its own is unknown."""
    return step.sha256 or f"url-{hashlib.sha256(step.url.encode()).hexdigest()}"


def chmod_mode(asked: str, natural: str) -> str:
    """The mode for chmod: `a+rx` adds to the natural mode of the file, not to the mode of the plan's copy."""
    if not asked or asked.isdigit():
        return asked or natural
    return {"644": "u=rw,go=r,", "755": "u=rwx,go=rx,"}[natural] + asked


def _recursive(step: ChangeMode | ChangeOwner | RemovePath) -> tuple[str, ...]:
    return ("-R",) if step.recursive else ()


def _account(item: Account) -> tuple[str, ...]:
    return ("account", item.name, str(item.uid), str(item.gid), item.home, item.shell, *item.groups)


# ── configurations ──────────────────────────────────────────────────────────────────────────────────────────


def configure(config: OciConfig) -> list[tuple[str, str]]:
    """The options of `buildah config` for this configuration; lists as JSON, which it takes for argv."""
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
    # The hyphen makes buildah remove it.
    options += [("--label", f"{name}-") for name in config.removed_labels]
    options += [("--annotation", f"{name}={value}") for name, value in sorted(config.annotations.items())]
    # Sets in the configuration: their order has no meaning.
    options += [("--volume", _csv(path)) for path in sorted(config.volumes)]
    options += [("--port", port) for port in sorted(config.ports)]
    return options


_FIELDS = {
    "--user": "user", "--entrypoint": "entrypoint", "--cmd": "cmd", "--workingdir": "workdir",
    "--stop-signal": "stop_signal", "--env": "env", "--label": "labels", "--annotation": "annotations",
    "--volume": "volumes", "--port": "ports", "--build-arg": "args",
}  # fmt: skip


def field_of(flag: str, value: str) -> str:
    """The key in `Image.spots` of an option of `buildah config` or of a build by a Containerfile."""
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
    """`--env` expands `$NAME` and has no escape: NAME is set to `$` first, then `${NAME}` stands for it."""
    for name, value in sorted(config.env.items()):
        if "$" in value:
            yield ("--env", f"{name}=$")
        yield ("--env", f"{name}={value.replace('$', f'${{{name}}}')}")


# ── Containerfiles ──────────────────────────────────────────────────────────────────────────────────────────

HERE = "here/documents"
"""The builder's name of the folder of here-documents; a stage cannot have it."""
_BEGINS = "ARG HOSTNAME=localhost"


def read_images(step: Containerfile) -> Iterator[tuple[str, str]]:
    """The images that a Containerfile reads: the builder's name, and an image of the set or a reference."""
    for named in step.images:
        yield called(named.written), named.image
    for other in step.others:
        yield called(other.written), other.reference


def acting_text(step: Containerfile) -> str:
    """The text that the builder gets: with its names of images, without here-documents, an ARG in each stage.

    The ARG sets HOSTNAME for RUN, for which buildah has no option. And a stage of FROM alone is an image to
    buildah, not a stage: 1.28 does not find it for COPY --from, 1.39 loses the layers of its base. ARG leaves
    no trace in an image.
    """
    read = [(item.written, item.places) for item in step.images]
    read += [(item.written, item.places) for item in step.others]
    text = step.plain or renamed(step.text, ((name, places, called(name)) for name, places in read))
    lines = text.split("\n")
    words = [word for word, _ in step.lines]
    for word, spot in reversed([*zip(words, step.spots[1:], strict=False)]):
        if word == "FROM":
            lines.insert(spot.line - 1, _BEGINS)
    return "\n".join(lines)


def called(name: str) -> str:
    """The builder's name of an image or a context that the Containerfile calls `name`.

    A stage cannot have it: to buildah a named context counts for more than a stage of that name, although in
    the lines after `FROM base AS base` that name is the stage.
    """
    return f"read/{name}"
