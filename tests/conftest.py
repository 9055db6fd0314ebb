"""What all tests share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings

from buildsys import diagnostics
from tests.stores import Store, store

# Tests start Python thousands of times; without bytecode each of these processes compiles everything again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

pytest_plugins = ("tests.costs", "tests.guard.plugin", "tests.signals")

# Modules of tests that assert: named before anything imports them, so that pytest can say what was compared.
pytest.register_assert_rewrite(
    "tests.apt.debs",
    "tests.apt.world",
    "tests.lock.libraries",
    "tests.lock.world",
    "tests.oracle.judge",
    "tests.runtime.builds",
    "tests.runtime.faked",
    "tests.runtime.roots",
    "tests.sites.packages",
)

ROOT = Path(__file__).resolve().parents[1]

# Equal runs on any machine, however busy it is.
settings.register_profile("calm", deadline=None, derandomize=True)
settings.load_profile("calm")

LONGEST = """
    built_pike sites oracle runtime lock cli publish surroundings distributed damage buildroot engines
    periodic apt docs testing
""".split()
"""Groups of tests by their CPU seconds, the largest first: the order in which workers take them."""

SLOW = """
    apt
    cli/test_building.py cli/test_doctor.py cli/test_interrupts.py cli/test_screen.py
    conformance/test_perfect.py
    damage
    guard/test_command.py
    inspect_image/test_diff.py
    lock/test_libraries.py lock/test_mutants.py lock/test_pool.py lock/test_solve.py lock/test_verb.py
    oracle
    publish/test_answers.py publish/test_refusals.py
    recipe/test_hostile.py
    releases/test_wheel.py
    report/test_browser.py
    runtime/test_agreement.py runtime/test_commit.py runtime/test_failure.py runtime/test_freshness.py
    runtime/test_run.py runtime/test_state.py
    standins/test_pike.py standins/test_repository.py
    test_costs.py
""".split()
"""Folders and files that `make quick` has no time for: most of the CPU seconds that need no container."""

SMALL_SET = {
    "set.yaml": "set: demo\nnamespace: example\ntag: latest\nepoch: 1517443200\n",
    "sites/here.yaml": "site: here\ninstaller: dnf\nbase: {bootstrap: [bash, coreutils]}\n",
    "images/base.yaml": "image: base\nfrom: site\n",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite", action="store_true", help="rewrite the expected files from what came out")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep on one worker what shares a costly fixture, begin with the longest group, mark what is slow."""
    slow = {ROOT / "tests" / path for path in SLOW}
    for item in items:
        if not slow.isdisjoint({item.path, *item.path.parents}):
            item.add_marker("slow")

    def group(item: pytest.Item) -> str:
        if "built_pike" in getattr(item, "fixturenames", ()):
            return "built_pike"
        path = item.path.relative_to(ROOT / "tests")
        # Quick tests share nothing costly beyond their file, and fill what the long groups leave.
        shares = item.get_closest_marker("real") or item.get_closest_marker("slow")
        return path.parts[0] if shares else str(path)

    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(group(item), len(places)))
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group(item)))


@pytest.fixture(autouse=True)
def _no_remembered_sources() -> None:
    """A command reads each file once to show its lines; to a test a file of that name is another one."""
    diagnostics._lines.cache_clear()


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, Path], None]:
    """Compare a text with an expected file, byte by byte; `--rewrite` writes the file instead."""

    def compare(text: str, expected: Path) -> None:
        if request.config.getoption("--rewrite"):
            expected.write_text(text, "utf-8")
        assert text == expected.read_text("utf-8"), f"see {expected}; pytest --rewrite takes it over"

    return compare


@pytest.fixture
def write_set(tmp_path: Path) -> Callable[[Mapping[str, str]], Path]:
    """Write a small image set with one image, `base`, and the files given; its folder comes back."""

    def write(files: Mapping[str, str]) -> Path:
        for name, text in {**SMALL_SET, **files}.items():
            path = tmp_path / "demo" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        return tmp_path / "demo"

    return write


@dataclass(frozen=True)
class BuiltPike:
    """stable-pike, built whole from nothing in a store of its own."""

    store: Store
    build: Path
    """The build directory: `stable-pike` the plan, `standins/stable-pike` the packages."""
    output: str
    """What the build printed."""

    @property
    def plan(self) -> Path:
        return self.build / "stable-pike"

    @property
    def root(self) -> Path:
        return self.store.root

    @property
    def runroot(self) -> Path:
        return self.store.runroot

    @property
    def repository(self) -> Path:
        return self.build / "standins/stable-pike/repo"

    @property
    def kolla_rpm(self) -> Path:
        (rpm,) = self.repository.rglob("openstack-kolla-[0-9]*.rpm")
        return rpm


@pytest.fixture(scope="session")
def built_pike(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuiltPike]:
    """Build all of stable-pike as a user does; minutes, so once a session."""
    place = tmp_path_factory.mktemp("pike")
    # TMPDIR of the run is short: podman takes no run root of more than 50 characters.
    with TemporaryDirectory(prefix="bs-") as short, store(Path(short) / "store") as made:
        command = [
            str(ROOT / ".venv/bin/buildsys"),
            "build",
            "stable-pike",
            "--build-dir",
            str(place / "build"),
        ]
        environment = {**os.environ, "BS_STORE": made.options, "MAKEFLAGS": ""}
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            check=False,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert done.returncode == 0, done.stdout
        yield BuiltPike(made, place / "build", done.stdout)
