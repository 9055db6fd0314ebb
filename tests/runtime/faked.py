"""A plan run for real by make and bash, on a container store that is fake and misbehaves when told."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from buildsys.image import Image, ImageSet, Run
from buildsys.plan.compile import compile_plan
from buildsys.plan.read import ENDS
from buildsys.plan.write import write_plan
from tests.plan.sets import BUSYBOX

FAKES = Path(__file__).parent / "fakes"
OURS = ("BS_", "MAKE", "MFLAGS", "JOBS", "LAUNCH")

Done = subprocess.CompletedProcess[str]


def does(text: str) -> Run:
    """A `run` of the image; fake, unless it begins with `host `: then a shell of the host runs the rest."""
    if text.startswith("host "):
        return Run(argv=("host", "/bin/bash", "-c", text.removeprefix("host ")), open_files=0)
    return Run(argv=("/bin/sh", "-ec", text), open_files=0)


@dataclass
class Faked:
    """A plan directory and the fake store its tools work on."""

    plan: Path
    fake: Path

    def compile(self, image_set: ImageSet) -> None:
        """Write the plan of this set."""
        write_plan(compile_plan(image_set), self.plan)

    def remember_spots(self, image: str) -> None:
        """Leave behind what a build of this image does: where its inputs were written."""
        _, _, behind = ("\n" + (self.plan / "spots").read_text()).partition(f"\nimage\t{image}\n")
        (self.plan / f"state/{image}.spots").write_text(f"\n{behind}".split("\nimage\t")[0][1:] + "\n")

    def environment(self, **more: str) -> dict[str, str]:
        """What a run sees: the fakes first on PATH, nothing of the run of these tests."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        ours = {"FAKE": str(self.fake), "BS_STORE": f"--root {self.fake}/root --runroot {self.fake}/run"}
        return {
            **kept,
            **ours,
            "BS_USERNS": "1",
            "PATH": f"{FAKES}:{os.environ['PATH']}",
            **more,
        }

    def start(self, *goals: str, **environment: str) -> subprocess.Popen[str]:
        """Begin a run, as `buildsys build` does, in a process group of its own."""
        return subprocess.Popen(
            ["bash", str(self.plan / "lib/run.sh"), *goals],
            env=self.environment(**environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *goals: str, **environment: str) -> Done:
        """Run the plan and wait for it."""
        return self.call(["bash", str(self.plan / "lib/run.sh"), *goals], **environment)

    def make(self, *arguments: str, **environment: str) -> Done:
        """Run the plan as a person does, by make."""
        return self.call(["make", "--no-print-directory", "-C", str(self.plan), *arguments], **environment)

    def call(self, argv: Sequence[str], **environment: str) -> Done:
        """Run a program in the environment of a run."""
        return subprocess.run(
            argv, env=self.environment(**environment), capture_output=True, text=True, check=False, timeout=60
        )

    def why(self) -> dict[str, tuple[str, str]]:
        """What `why` says of each image: decision and reason."""
        done = self.call(["bash", str(self.plan / "lib/why.sh")])
        assert done.returncode == 0, done.stderr
        rows = [line.split("\t") for line in done.stdout.splitlines()]
        return {name: (decision, reason) for name, decision, reason in rows}

    def built(self, *goals: str, **environment: str) -> dict[str, str]:
        """Run the plan, which must succeed; the images that were built, each with its reason."""
        done = self.run(*goals, **environment)
        assert done.returncode == 0, done.stderr
        return {
            str(event["image"]): str(event["reason"]) for event in self.events() if event["event"] == "built"
        }

    def events(self) -> list[dict[str, object]]:
        """What became of images in the last run, in order."""
        return [item for item in self.record() if item["event"] in ENDS]

    def record(self) -> list[dict[str, object]]:
        """All events of the last run, in order."""
        return [json.loads(line) for line in (self.plan / "events.jsonl").read_text().splitlines()]

    def result(self, name: str) -> dict[str, object]:
        """The result file of an image."""
        found: dict[str, object] = json.loads((self.plan / f"results/{name}.json").read_text())
        return found

    def calls(self, verb: str = "") -> list[str]:
        """Calls of the fakes since this was asked last, those that begin so."""
        log = self.fake / "calls"
        found = [line for line in log.read_text().splitlines() if line.startswith(verb)]
        log.write_text("")
        return found

    def misbehave(self, verb: str, script: str) -> None:
        """From now on the fake sources this before that verb; empty: it behaves again."""
        (self.fake / "on" / verb).write_text(script)

    def images(self) -> dict[str, str]:
        """Id of each name in the store."""
        rows = [line.split() for line in (self.fake / "images").read_text().splitlines()]
        return {name: identity for identity, name in rows}

    def set_images(self, images: dict[str, str]) -> None:
        """Change the store behind everybody's back."""
        (self.fake / "images").write_text(
            "".join(f"{identity} {name}\n" for name, identity in images.items())
        )

    def containers(self) -> list[str]:
        """Working containers that are there."""
        return sorted(path.name for path in (self.fake / "containers").iterdir())


def reference(image: Image | str) -> str:
    """The name an image of these tests gets."""
    return f"localhost/tests/t-{image if isinstance(image, str) else image.name}:1"


def make_fake(place: Path) -> Path:
    """An empty fake store that holds the base image."""
    for folder in ("root", "run", "on", "containers"):
        (place / folder).mkdir(parents=True)
    (place / "images").write_text(f"{'b' * 64} {BUSYBOX}\n")
    (place / "calls").write_text("")
    return place
