"""stable-pike as an ordinary user builds it: whole, two images at once, with root's image ids."""

from __future__ import annotations

import json
from itertools import accumulate
from pathlib import Path

import pytest

from tests.conftest import BuiltPike
from tests.users import user

# A user is an entry of these files, as long as the tests last.
pytestmark = [
    pytest.mark.real,
    pytest.mark.costly(600),
    pytest.mark.changes("file /etc/*", "name /etc/sub?id-"),
]
IMAGES = 108
COUNTED = """\
#!/bin/bash
# A step, counted while it runs.
echo 1 >>"$HOME/running"
"$@"
status=$?
echo -1 >>"$HOME/running"
exit "$status"
"""


def ids(plan: Path) -> dict[str, str]:
    """Id of each image, from its result."""
    results = (json.loads(path.read_text()) for path in (plan / "results").glob("*.json"))
    return {result["image"]: result["image_id"] for result in results}


def test_an_ordinary_user_builds_all_of_it(built_pike: BuiltPike) -> None:
    with user() as someone:
        launch = someone.home / "counted"
        launch.write_text(COUNTED)
        launch.chmod(0o755)
        makefile = someone.home / "Makefile"
        makefile.write_text("all: ; +@$(COMMAND)\n")
        build = someone.home / "build"
        command = someone.command("build", "stable-pike", "--build-dir", str(build))
        settings = {
            **someone.settings,
            "COMMAND": command,
            "LAUNCH": str(launch),
            "BS_STORE": someone.store("overlay").options,
        }
        make = ("make", "-j2", "-f", str(makefile))
        done = someone.login(*make, cwd=someone.project, settings=settings, timeout=1500)
        assert done.returncode == 0, done.stdout
        assert f"stable-pike: {IMAGES} images: {IMAGES} built, 0 fresh" in done.stdout
        steps = (someone.home / "running").read_text().split()
        assert max(accumulate(map(int, steps))) == 2
        assert len(steps) == 2 * IMAGES
        assert ids(build / "stable-pike") == ids(built_pike.plan)
