"""stable-pike to a registry on the loopback and to an OCI layout, beside skopeo image by image."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.measure import Taken, store, take
from tests.sites.loopback import registry

CACHE = Path("/var/lib/containers/cache")
"""Where skopeo remembers which registry has which blob; an empty one lies over it while it is measured."""
UPLOADS = 4


def measure(build: list[str], publish: list[str], plan: Path, rounds: int, root: Path) -> list[str]:
    """Build the set once; publish it to `rounds` fresh registries, twice to each; then to a layout."""
    first, second, others = [], [], []
    with store() as environment:
        take(build, environment=environment, cwd=root)
        for number in range(rounds):
            place = plan.parent / f"registry-{number}"
            with _insecure(place, environment) as address:
                to = [*publish, "--uploads", str(UPLOADS), "--to", f"docker://{address}/tripleopike"]
                first.append(take(to, environment=environment, cwd=root))
                second.append(take(to, environment=environment, cwd=root))
            with _insecure(place.with_name(f"skopeo-{number}"), environment) as address:
                others.append(_skopeo(plan, address, environment))
        layout = plan.parent / "layout"
        take([*publish, "--to", f"oci:{layout}"], environment=environment, cwd=root)
    return _section(first, second, others, _overhead(layout))


@contextmanager
def _insecure(place: Path, environment: dict[str, str]) -> Iterator[str]:
    with registry(place) as address:
        configuration = place / "registries.conf"
        configuration.write_text(f'[[registry]]\nlocation = "{address}"\ninsecure = true\n')
        environment["CONTAINERS_REGISTRIES_CONF"] = str(configuration)
        yield address


def _skopeo(plan: Path, address: str, environment: dict[str, str]) -> Taken:
    """One `skopeo copy` an image, parents first, as many at once; blobs that are there it finds by asking."""
    graphroot, runroot = environment["BS_STORE"].split()[1::2]
    rows = (plan / "graph").read_text().splitlines()
    results = (json.loads((plan / f"results/{row.split()[1]}.json").read_text()) for row in rows)
    pairs = plan.parent / "pairs"
    pairs.write_text(
        "".join(
            f"containers-storage:[overlay@{graphroot}+{runroot}]{item['reference']} "
            f"docker://{address}/{item['reference'].partition('/')[2]}\n"
            for item in results
        )
    )
    CACHE.mkdir(parents=True, exist_ok=True)
    copy = f"xargs -a {pairs} -n 2 -P {UPLOADS} skopeo copy --quiet --dest-tls-verify=false"
    return take(
        ["unshare", "--mount", "bash", "-c", f"mount -t tmpfs cache {CACHE} && exec {copy}"],
        environment=environment,
    )


def _overhead(layout: Path) -> float:
    """All bytes of a layout, by those of the layers and configurations that its images name."""
    index = json.loads((layout / "index.json").read_text())
    sizes: dict[str, int] = {}
    for entry in index["manifests"]:
        manifest = json.loads((layout / "blobs" / entry["digest"].replace(":", "/")).read_text())
        for blob in (manifest["config"], *manifest["layers"]):
            sizes[blob["digest"]] = blob["size"]
    files = (Path(folder, name) for folder, _, names in os.walk(layout) for name in names)
    return sum(file.stat().st_size for file in files) / sum(sizes.values())


def _section(first: list[Taken], second: list[Taken], others: list[Taken], overhead: float) -> list[str]:
    ratios = [ours.seconds / theirs.seconds for ours, theirs in zip(first, others, strict=True)]
    medians = [statistics.median(taken.seconds for taken in runs) for runs in (first, others, second)]
    pairs = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    return [
        "## Publishing stable-pike to a registry on the loopback",
        "",
        f"| what | seconds (median of {len(first)}) |",
        "|---|---|",
        f"| `buildsys publish`, to a fresh registry | {medians[0]:.1f} |",
        f"| `xargs -P {UPLOADS} skopeo copy`, parents first, to another | {medians[1]:.1f} |",
        f"| `buildsys publish` again, nothing changed | {medians[2]:.1f} |",
        "",
        f"Ratio: **{statistics.median(ratios):.2f}** (pair by pair {pairs}). Asked: at most 1.2; again 3 s.",
        f"One OCI layout of the set: {overhead:.3f} of the bytes of its unique blobs. Asked: at most 1.02.",
        "",
    ]
