"""The cache of fetched packages: one build at a time fills it, each installs from a view of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

from buildsys.plan.compile import RUNTIME

TWO_BUILDS = """\
set -euo pipefail
HOST='' INSTALLER=some PLAN=$1/plan STATE=$1/state LIB=$2
. "$2/repositories.sh"
some_call() { :; }
fetching() {
    printf 'begin\\n' >>"$STATE/said"
    sleep 0.3
    printf '%s\\n' "$1" >"$CACHE/$1"
    printf 'end\\n' >>"$STATE/said"
}
build() {
    SCRATCH=$STATE/$1
    mkdir -p "$SCRATCH"
    fill_cache fetching "$1"
}
mkdir -p "$PLAN" "$STATE"
for name in one two three; do build "$name" & done
wait
"""


def run(script: str, place: Path, **environment: str) -> None:
    command = ["bash", "-c", script, "bash", str(place), str(RUNTIME)]
    subprocess.run(command, check=True, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **environment})


def test_one_build_at_a_time_fetches(tmp_path: Path) -> None:
    run(TWO_BUILDS, tmp_path)
    assert (tmp_path / "state/said").read_text().split() == ["begin", "end"] * 3


def test_a_view_is_what_there_was(tmp_path: Path) -> None:
    run(
        TWO_BUILDS + 'for name in one two three; do ls "$STATE/$name/cache" >"$STATE/$name.seen"; done\n',
        tmp_path,
    )
    # Files beside the repositories, which these are, are an installer's notes: no view has them.
    assert not any((tmp_path / f"state/{name}.seen").read_text() for name in ("one", "two", "three"))


def test_plans_that_share_a_cache_share_only_equal_repositories(tmp_path: Path) -> None:
    script = (
        'HOST="" INSTALLER=yum PLAN=$1 STATE=$1; . "$2/repositories.sh"; printf %s "$CACHE" >"$1/cache"\n'
    )
    caches = []
    for name, text in {
        "a": "base http://x/ none\n",
        "b": "base http://y/ none\n",
        "c": "base http://x/ none\n",
    }.items():
        place = tmp_path / name
        place.mkdir()
        (place / "repositories").write_text(text)
        run(script, place, BS_CACHE="/shared")
        caches.append((place / "cache").read_text())
    assert caches[0] == caches[2] != caches[1]
    assert all(cache.startswith("/shared/yum-") for cache in caches)
