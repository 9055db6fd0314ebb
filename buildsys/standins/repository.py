"""The stand-in repository as a directory: built only when its inputs changed, replaced atomically."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from buildsys.files import locked

from .tools import BYTECODE, StandinError, find_busybox, read_busybox, run

if TYPE_CHECKING:
    from .data import StandinData

MANIFEST = "manifest.json"
KEY = "RPM-GPG-KEY-stand-in"
LOCK = "lock.yaml"
"""The lock of the set, kept when the packages change: `buildsys lock` writes it and compares with it."""
PUBLISHED_SECRET = "stand-in.secret.asc"  # noqa: S105 - a file name, and the key is published
_FORMAT = 1
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


def build_repository(data_file: Path, output: Path) -> Path:
    """Build the repository of a data file in `output`: repo/, keys/, gems/, downloads/ and manifest.json.

    The directory of the data file also has payload/, keys/ and downloads/. If nothing changed since `output`
    was built, no tool runs. Killed at any time, it leaves the old output or the new one; the next run removes
    temporary files, which are all in the parent of `output`.

    Returns:
        `output`.

    Raises:
        Refused: the data file has mistakes.
        StandinError: a tool is missing or failed, nothing can be written, or `output` was not built here.
    """
    output = output.absolute()
    busybox = find_busybox()
    inputs = _inputs_digest(data_file, busybox)
    if _is_fresh(output, inputs):
        return output
    try:
        with _lock(output):
            if not _is_fresh(output, inputs):
                _refuse_foreign(output)
                _build(data_file, output, busybox, inputs)
    except OSError as error:
        raise StandinError(f"{error.filename or output}: {error.strerror}") from error
    return output


def _inputs_digest(data_file: Path, busybox: Path) -> str:
    """SHA-256 of all inputs: data, payload, keys, downloads, busybox, and the source of this package."""
    digest = hashlib.sha256(f"{_FORMAT}\n".encode())
    folder = data_file.parent
    roots = [("", data_file), *((name, folder / name) for name in ("payload", "keys", "downloads"))]
    for name, root in [*roots, ("program", Path(__file__).parent), ("busybox", busybox)]:
        for path in _files_below(root) if root.exists() else ():
            if name == "program" and not path.endswith(".py"):
                continue
            with (root / path).open("rb") as stream:
                executable = os.fstat(stream.fileno()).st_mode & 0o100
                content = hashlib.sha256(stream.read()).hexdigest()
            digest.update(f"{name}\0{path}\0{executable}\0{content}\n".encode())
    return digest.hexdigest()


def _files_below(root: Path) -> list[str]:
    """Relative paths of all files below a directory; for a file, one empty path."""
    if not root.is_dir():
        return [""]
    start = len(str(root)) + 1
    found = (f"{folder}/{name}"[start:] for folder, _, names in os.walk(root) for name in names)
    return sorted(path for path in found if BYTECODE not in path.split("/"))


def _is_fresh(output: Path, inputs: str) -> bool:
    """Whether the output was built from these inputs and still has all its files."""
    try:
        manifest = json.loads((output / MANIFEST).read_bytes())
        if manifest["input"] != inputs:
            return False
        return all((output / path).stat().st_size == file["size"] for path, file in manifest["files"].items())
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _refuse_foreign(output: Path) -> None:
    """Refuse to remove a directory that was not built here."""
    if not output.exists() or not any(output.iterdir()):
        return
    try:
        ours = "input" in json.loads((output / MANIFEST).read_bytes())
    except (OSError, ValueError, TypeError):
        ours = False
    if not ours:
        raise StandinError(f"{output} was not built by this program: give another directory, or remove it")


@contextmanager
def _lock(output: Path) -> Iterator[None]:
    """Exclusive lock on an output; waits for another builder."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with locked(output.parent / f".{output.name}.lock"):
        yield


def _build(data_file: Path, output: Path, busybox: Path, inputs: str) -> None:
    # Importing pydantic and yaml takes longer than finding out that nothing changed.
    from .data import load
    from .payload import packages
    from .rpms import build_rpms

    data = load(data_file)
    folder = data_file.parent
    everything = packages(data, folder / "payload", read_busybox(busybox))
    new = output.parent / f".{output.name}.new"
    shutil.rmtree(new, ignore_errors=True)  # left by a killed builder
    new.mkdir()
    try:
        _lay_out(new, folder, data, build_rpms(everything, data, folder / "keys" / PUBLISHED_SECRET))
        _index(new / "repo", data.epoch)
        _write_manifest(new, data, inputs)
        with suppress(FileNotFoundError):
            shutil.copyfile(output / LOCK, new / LOCK)
        _publish(new, output)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise


def _lay_out(new: Path, folder: Path, data: StandinData, rpms: Iterable[tuple[str, bytes]]) -> None:
    from .gem_file import gem

    files = {f"repo/Packages/{name}": content for name, content in rpms}
    files[f"keys/{KEY}"] = (folder / "keys" / KEY).read_bytes()
    files |= {f"downloads/{file.name}": file.read_bytes() for file in (folder / "downloads").iterdir()}
    files |= {
        f"gems/{name}-{version}.gem": gem(name, version, data.epoch) for name, version in data.gems.items()
    }
    for path, content in files.items():
        file = new / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        file.chmod(0o644)
        os.utime(file, (data.epoch, data.epoch))


def _index(repo: Path, epoch: int) -> None:
    run(["createrepo_c", "--quiet", "--no-database", "--simple-md-filenames", "--general-compress-type=gz",
         f"--revision={epoch}", "--set-timestamp-to-revision", str(repo)])  # fmt: skip


def _write_manifest(new: Path, data: StandinData, inputs: str) -> None:
    files: dict[str, Any] = {}
    for path in _files_below(new):
        content = (new / path).read_bytes()
        files[path] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    manifest = {"format": _FORMAT, "input": inputs, "bootstrap": data.bootstrap, "files": files}
    (new / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", "utf-8")


def _publish(new: Path, output: Path) -> None:
    """Replace `output` by `new` atomically, and remove the old one."""
    try:
        new.rename(output)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        _exchange(new, output)
        shutil.rmtree(new)


def _exchange(one: Path, other: Path) -> None:
    """Exchange two directories atomically by renameat2(2), which Python does not offer."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE):
        number = ctypes.get_errno()
        raise OSError(number, f"cannot be exchanged with the new one: {os.strerror(number)}", str(other))
