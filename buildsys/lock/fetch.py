"""Fetch files by curl: gone on with where they broke off, tried again when the failure may pass by itself."""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path

from buildsys import programs
from buildsys.logins import login_for, parted

ATTEMPTS = 4
TRANSIENT = {5, 6, 7, 16, 18, 28, 35, 52, 55, 56, 92}
"""Exit statuses of curl that are the network's: names, connections, answers cut short."""
BUSY = {"408", "429", "500", "502", "503", "504"}
GONE = {"404", "410"}
NO_SUCH_FILE, NO_RANGES = 37, 33


class Unfetched(Exception):  # noqa: N818 - reads as what happened
    """A file cannot be had. `gone`: the server is there, and says that it does not have it."""

    def __init__(self, message: str, *, gone: bool = False) -> None:
        self.gone = gone
        super().__init__(message)


def fetch(url: str, path: Path, *, size: int = 0) -> None:
    """Fetch a file to `path`. One of known `size` that is there in part is gone on with; others begin anew.

    Raises:
        Unfetched: it is not there, or does not come after several attempts.
    """
    pause = float(os.environ.get("BS_PAUSE") or 2)
    for attempt in range(1, ATTEMPTS + 1):
        begun = path.stat().st_size if size and path.exists() else 0
        if size and begun == size:
            return
        if not 0 < begun < size:
            path.unlink(missing_ok=True)
            begun = 0
        status, code, message = _curl(url, path, begun)
        if status == 0:
            return
        if code in GONE or status == NO_SUCH_FILE:
            raise Unfetched(message, gone=True)
        if status == NO_RANGES:
            path.unlink(missing_ok=True)
        elif not (status in TRANSIENT or code in BUSY) or attempt == ATTEMPTS:
            raise Unfetched(message)
        time.sleep(pause)
        pause *= 3


def cause(url: str) -> str:
    """What stands in the way of a file, asked once; nothing, when it is there."""
    with tempfile.NamedTemporaryFile() as aside:
        status, _, message = _curl(url, Path(aside.name), 0)
    return message if status else ""


def _curl(url: str, path: Path, begun: int) -> tuple[int, str, str]:
    url, given_in_url = parted(url)
    login = login_for(url) if given_in_url is None else given_in_url.plain
    command = [
        "curl", "--fail", "--location", "--silent", "--show-error", "--globoff", "--connect-timeout", "20",
        "--speed-limit", "1", "--speed-time", "60", "--write-out", "%{http_code}", "--output", str(path),
        *(["--continue-at", str(begun)] if begun else []), *(["--config", "-"] if login else []), "--", url,
    ]  # fmt: skip
    # Who we are goes through a descriptor: anybody may read a command line.
    given = f"user = {json.dumps(':'.join(login), ensure_ascii=False)}\n" if login else ""
    done = programs.run(command, given=given, errors="surrogateescape")
    said = done.err.strip().splitlines()[-1:] or [f"curl ends with status {done.status}"]
    return done.status, done.out.strip(), said[0].partition(") ")[2] or said[0]
