"""A Containerfile whose RUN tries what none may: it can leave its chroot, and is nowhere then."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from buildsys.recipe.library import load_set
from buildsys.resolve import resolve
from tests import hostile_packages as hostile
from tests.hostile.ground import machine
from tests.plan.sets import BUSYBOX
from tests.runtime.builds import NOTHING_LEFT, Build, put_busybox
from tests.stores import store

pytestmark = pytest.mark.real

TRY = """\
try() {
  name=$1
  shift
  if (eval "$@") >/dev/null 2>&1; then echo "$name: done"; else echo "$name: refused"; fi
}
{
  try mount 'mkdir -p /mnt && mount -t tmpfs none /mnt'
  try proc 'mount -o remount,rw /proc'
  try node 'mknod /dev/loop b 7 0'
  try pattern 'v=$(cat /proc/sys/kernel/core_pattern) && echo "$v" >/proc/sys/kernel/core_pattern'
  try sys 'chmod 711 /sys && test -e /sys/kernel'
  try namespace 'unshare -r true'
  try leave /leave
  try root "for d in /proc/[0-9]*/root; do test ! -e \\$d@HOST@/CANARY || exit 0; done; exit 1"
  try climb "for d in /proc/[0-9]*/cwd; do test ! -e \\$d@HOST@/CANARY || exit 0; done; exit 1"
} >/report
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the program that leaves a chroot is for x86-64")
def test_a_run_reaches_nothing_of_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host, folder = tmp_path / "host", tmp_path / "demo"
    host.mkdir()
    (host / "CANARY").write_text("as it was\n")
    files = {
        "set.yaml": "set: demo\nnamespace: example\ntag: '1'\nepoch: 1517443200\n",
        "sites/here.yaml": f"site: here\ninstaller: dnf\nbase: {{image: {BUSYBOX}}}\n",
        "images/base.yaml": "image: base\nfrom: site\n",
        "images/app.yaml": "image: app\ncontainerfile: ../app/Containerfile\n",
        "app/Containerfile": "FROM base\nCOPY try leave /\nRUN chmod +x /leave && sh /try\n",
        "app/try": TRY.replace("@HOST@", str(host)),
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "app/leave").write_bytes(hostile.leaving_program(f"{host}/planted"))
    monkeypatch.chdir(tmp_path)
    before = machine(host)
    with store(tmp_path / "store") as made:
        put_busybox(made)
        build = Build(tmp_path / "plan", made)
        build.compile(resolve(load_set(Path("demo")), site=None, variables={}, stand_ins=None))
        build.built()
        with build.mounted("localhost/example/app:1") as root:
            outcome = dict(line.split(": ") for line in (root / "report").read_text().splitlines())
        assert build.left() == NOTHING_LEFT
    assert len(outcome) == 9
    # It does leave its chroot: what it makes then is in a folder in memory.
    assert {name for name, said in outcome.items() if said == "done"} <= {"leave"}
    assert machine(host) == before
