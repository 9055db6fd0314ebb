"""Fetch packages of a lock from the host's apt sources: by apt, which knows the way to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from urllib.parse import quote

from buildsys.image import LockedPackage
from buildsys.lock.apt import Apt, AptFailed, alone
from buildsys.lock.fetch import Unfetched
from buildsys.lock.pool_files import Places

GONE = ("404", "410", "File not found", "No such file")
"""How the ways that apt knows say that a file is not there."""


def bring(
    packages: Iterable[LockedPackage], part: Callable[[str], Path], places: Places
) -> dict[str, Unfetched]:
    """Fetch packages to where `part` says by checksum; those that do not come, by checksum, and why.

    apt looks at the checksums, goes on with what broke off, and tries again what may pass by itself.
    """
    away = [item for item in packages if not _has(part(item.checksum), item.size)]
    if not away:
        return {}
    folder = places.metadata / "apt"
    with alone(folder):
        apt = Apt(folder)
        try:
            mirrors = _mirrors(apt)
            if not {item.repository for item in away} <= mirrors.keys():
                apt.update()
                mirrors = _mirrors(apt)
        except AptFailed as failed:
            return {item.checksum: Unfetched(str(failed)) for item in away}
        found: dict[str, Unfetched] = {}
        for item in away:
            why = f"no apt source of this host is {item.repository}"
            found[item.checksum] = Unfetched(why, gone=True)
        # What one mirror does not give, the next one may.
        for number in range(max(map(len, mirrors.values()), default=0)):
            ways = {
                mirrors[item.repository][number] + quote(item.location, safe="/:%+~,;=@!()$&'*"): item
                for item in away
                if item.checksum in found and number < len(mirrors.get(item.repository, ()))
            }
            if ways:
                tried = {item.checksum for item in ways.values()}
                found = {key: why for key, why in found.items() if key not in tried}
                found |= _bring(apt, ways, part)
    return found


def _mirrors(apt: Apt) -> dict[str, list[str]]:
    """Where each repository is, as far as apt knows it: one place or several."""
    found: dict[str, list[str]] = {}
    for target in apt.targets():
        found.setdefault(target.repository, []).append(target.base)
    return found


def _bring(apt: Apt, ways: Mapping[str, LockedPackage], part: Callable[[str], Path]) -> dict[str, Unfetched]:
    unfetched = _fetch(apt, ways, part)
    # Of those that are wrong another copy may be right, once.
    again = {way: ways[way] for way in unfetched if _wrong(part(ways[way].checksum)).exists()}
    if again:
        unfetched = {way: why for way, why in unfetched.items() if way not in again}
        unfetched |= _fetch(apt, again, part)
    found = {}
    for way, why in unfetched.items():
        file = part(ways[way].checksum)
        if _wrong(file).exists():
            # Whoever looks at checksums says what is wrong with it.
            _wrong(file).replace(file)
        else:
            found[ways[way].checksum] = Unfetched(why, gone=any(sign in why for sign in GONE))
    return found


def _fetch(apt: Apt, ways: Mapping[str, LockedPackage], part: Callable[[str], Path]) -> dict[str, str]:
    return apt.fetch(
        {
            way: (f"SHA256:{item.checksum.partition(':')[2]}", part(item.checksum))
            for way, item in ways.items()
        }
    )


def _has(file: Path, size: int) -> bool:
    return file.exists() and file.stat().st_size == size


def _wrong(file: Path) -> Path:
    """Where apt puts a file that is not what it should be."""
    return file.with_name(f"{file.name}.FAILED")
