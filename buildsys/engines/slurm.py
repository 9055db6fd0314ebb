"""Slots from Slurm: each step is one `srun`, which Slurm queues, starts on a node, and ends as a whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from secrets import token_hex

from buildsys import programs
from buildsys.diagnostics import Code, closest
from buildsys.engines.engine import Put, Slots, Step, refused
from buildsys.programs import ToolFailed

OPTIONS = {
    "partition": "--partition",
    "account": "--account",
    "constraint": "--constraint",
    "memory": "--mem",
    "time": "--time",
    "cpus": "--cpus-per-task",
}
"""Words of `--on slurm=WORD=VALUE,...`, and the options of srun that they are."""

NICEST = 1 << 30
"""Above every priority, in milliseconds: srun knows only how much a job steps back."""

NAMED = """\
: "${BS_WORKER:=${SLURMD_NODENAME:-$HOSTNAME}}"
export BS_WORKER
printf '\\036worker %s\\n' "$BS_WORKER"
exec "$@"
"""
"""What runs on a node: it names the node, then becomes the command."""


class Slurm:
    """The engine of a Slurm cluster, by the srun, sinfo and scancel of this machine."""

    def __init__(self, value: str, driver: str, environment: Mapping[str, str]) -> None:  # noqa: ARG002 - the form of engines
        """`value`: WORD=VALUE, with commas; empty: what Slurm's own variables and defaults say.

        Raises:
            Refused: Slurm's programs are not installed, or a word is not known.
        """
        missing = [name for name in ("srun", "sinfo", "scancel") if shutil.which(name) is None]
        if missing:
            raise refused(
                Code.ENGINE_NOT_INSTALLED,
                f"the engine slurm needs {', '.join(missing)}, which this machine lacks",
                "apt-get install slurm-client, or dnf install slurm",
            )  # fmt: skip
        self._options = []
        self._partition = ""
        for part in filter(None, value.split(",")):
            word, equals, chosen = part.partition("=")
            if word not in OPTIONS or not equals or not chosen:
                hint = closest(word, OPTIONS) or f"known are {', '.join(OPTIONS)}"
                raise refused(Code.BAD_ENGINE_OPTION, f"not an option of the engine slurm: {part}", hint)
            self._options.append(f"{OPTIONS[word]}={chosen}")
            if word == "partition":
                self._partition = chosen
        self._name = f"buildsys-{token_hex(6)}"
        self._nodes: list[Slots] = []

    async def start(self) -> None:
        """Ask the controller for the nodes.

        Raises:
            Refused: it does not answer, or no node can run jobs.
        """
        words = ["--noheader", "--Node", "--responding", "--format=%N %c %t"]
        if self._partition:
            words.append(f"--partition={self._partition}")
        try:
            printed = programs.output("sinfo", *words)
        except ToolFailed as failed:
            raise refused(
                Code.NO_SCHEDULER, f"Slurm does not answer: {failed}", "sinfo must work on this machine"
            ) from failed
        able = {}
        for line in printed.splitlines():
            node, cpus, state = line.split()
            if state.rstrip("*~#!%$@^-+") in {"idle", "mix", "alloc", "comp"}:
                able[node] = int(cpus)
        if not able:
            place = f"in the partition {self._partition}" if self._partition else "of Slurm"
            raise refused(Code.NO_WORKER, f"no node {place} can run jobs", "sinfo --list-reasons says why")
        self._nodes = [Slots(*one) for one in sorted(able.items())]

    async def slots(self) -> Sequence[Slots]:
        """The nodes that can run jobs, with their processors."""
        return self._nodes

    async def submit(self, step: Step, put: Put) -> int:
        """Run a step under srun, which waits for a node."""
        job = f"{self._name}-{step.attempt}"
        avoid = sorted(step.avoid & {node.worker for node in self._nodes})
        if len(avoid) == len(self._nodes):
            avoid = []
        argv = [
            "srun", "--quiet", "--ntasks=1", "--nodes=1", "--kill-on-bad-exit=1", "--export=PATH,HOME,LANG",
            "--chdir=/", f"--job-name={job}", f"--nice={max(0, NICEST - step.priority)}", *self._options,
            *([f"--exclude={','.join(avoid)}"] if avoid else []), "bash", "-c", NAMED, "step", *step.argv,
        ]  # fmt: skip
        ended = False

        def quietly(descriptor: int, data: bytes) -> None:
            # srun repeats each status in words.
            if descriptor == 2 and data.startswith(b"srun: error: ") and b": Exited with exit code " in data:
                return
            put(descriptor, data)

        try:
            status = await programs.converse(argv, os.environ, step.stdin, quietly)
            ended = True
            return status
        finally:
            if not ended:
                programs.answer("scancel", "--quiet", "--signal=KILL", f"--name={job}")
                programs.answer("scancel", "--quiet", f"--name={job}")

    async def stop(self) -> None:
        """Cancel nothing more: each step has cancelled its own job."""
