"""Publishing to directories, archives and other stores; what is read back is read by other tools."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from buildsys.publish.manifest import DOCKER_MANIFEST
from tests.publish.conftest import NAMES, Bench, only, problems
from tests.stores import store

pytestmark = pytest.mark.real


def inspected(reference: str) -> Any:
    """The configuration of an image, as skopeo reads it."""
    argv = ["skopeo", "inspect", "--config", "--raw", reference]
    return json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)


def built_layers(bench: Bench, name: str) -> list[str]:
    identity = (bench.plan / f"state/{name}.id").read_text().strip()
    form = "{{.OCIv1.RootFS.DiffIDs}}"
    found = bench.ground.store.buildah("inspect", "--type", "image", "--format", form, identity)
    return found.strip("[]\n ").split()


def pulled(reference: str, folder: Path) -> list[str]:
    """Pull an image whole, so that all its layers are held against their digests; these, unpacked."""
    argv = ["skopeo", "--insecure-policy", "copy", "--quiet", reference, f"oci:{folder}"]
    subprocess.run(argv, check=True)
    layers: list[str] = inspected(reference)["rootfs"]["diff_ids"]
    return layers


@pytest.mark.parametrize("transport", ["dir", "oci", "oci-archive", "docker-archive"])
def test_who_serves_a_directory_may_read_it_whatever_the_umask(
    bench: Bench, tmp_path: Path, transport: str
) -> None:
    def modes() -> set[tuple[bool, str]]:
        paths = [tmp_path / "a", *(tmp_path / "a").rglob("*")]
        return {(path.is_dir(), oct(path.stat().st_mode & 0o777)) for path in paths if not path.is_symlink()}

    out = tmp_path / "a/b"
    before = os.umask(0o077)
    try:
        only(bench.publish(f"{transport}:{out}"))
        assert modes() == {(True, "0o755"), (False, "0o644")}
        assert os.umask(0o077) == 0o077
        # An earlier version left them to the umask.
        for path in (out, *out.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o700 if path.is_dir() else 0o600)
        only(bench.publish(f"{transport}:{out}"))
        assert modes() == {(True, "0o755"), (False, "0o644")}
    finally:
        os.umask(before)


def test_one_layout_holds_the_set_and_each_blob_once(bench: Bench, tmp_path: Path) -> None:
    place = f"oci:{tmp_path}/layout"
    outcome = only(bench.publish(place, tags=("2020",)))
    assert (outcome.images, outcome.tags) == (5, 10)
    for name in NAMES:
        for tag in ("1", "2020"):
            layers = pulled(f"oci:{tmp_path}/layout:tests/t-{name}:{tag}", tmp_path / f"{name}{tag}")
            assert layers == built_layers(bench, name)
    blobs = list((tmp_path / "layout/blobs/sha256").iterdir())
    # Five configurations and manifests; the layers of five images and of what they all stand on.
    assert len(blobs) == 16
    taken = sum(path.stat().st_size for path in (tmp_path / "layout").rglob("*") if path.is_file())
    assert taken <= 1.02 * sum(path.stat().st_size for path in blobs) + 4096
    outcome = only(bench.publish(place, tags=("2020",)))
    assert (outcome.images, outcome.blobs, outcome.tags) == (0, 0, 0)


@pytest.mark.parametrize("transport", ["oci", "dir"])
def test_publish_and_verify_count_blobs_alike(bench: Bench, tmp_path: Path, transport: str) -> None:
    place = f"{transport}:{tmp_path}/out"
    outcome = only(bench.publish(place))
    verified = bench.run("verify", "--at", place)
    assert verified.stderr == f"{place}: 5 images, 5 tags, {outcome.blobs} blobs: as they were published\n"


@contextmanager
def web_server(folder: Path) -> Iterator[str]:
    """A plain web server that has been told the type of manifests, and nothing else."""

    class Files(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *words: Any) -> None:
            super().__init__(*words, directory=str(folder))

        def guess_type(self, path: str | os.PathLike[str]) -> str:
            return DOCKER_MANIFEST if "/manifests/" in str(path) else super().guess_type(path)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_plain_web_server_serves_the_tree_as_a_registry(bench: Bench, tmp_path: Path) -> None:
    place = f"dir:{tmp_path}/www"
    outcome = only(bench.publish(place))
    assert (outcome.images, outcome.tags) == (5, 5)
    with web_server(tmp_path / "www") as host:
        for name in NAMES:
            reference = f"docker://{host}/tests/t-{name}:1"
            argv = ["skopeo", "--insecure-policy", "copy", "--quiet", "--src-tls-verify=false", reference]
            subprocess.run([*argv, f"dir:{tmp_path}/{name}"], check=True)
            manifest = json.loads((tmp_path / name / "manifest.json").read_text())
            identity = (bench.plan / f"state/{name}.id").read_text().strip()
            assert manifest["config"]["digest"] == f"sha256:{identity}"
    first = (tmp_path / "www/v2").readlink()
    # The base's layer is one file, whatever the number of repositories.
    large = [path for path in (tmp_path / "www/v2/tests").rglob("blobs/*") if path.stat().st_size > 1 << 19]
    assert len({path.stat().st_ino for path in large}) == 2
    outcome = only(bench.publish(place))
    assert (outcome.images, outcome.blobs, outcome.tags) == (0, 0, 0)
    assert (tmp_path / "www/v2").readlink() == first


@pytest.mark.parametrize("moment", [".part.v2", "v2"])
def test_a_tree_is_made_by_who_comes_after_one_that_was_killed(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    place = f"dir:{tmp_path}/www"
    kept = Path.replace

    class Killed(BaseException):
        pass

    def replace(self: Path, target: Path) -> Path:
        """Dies before the link is renamed, or before it is made."""
        if self.name.startswith(".part..v2-") and moment == "v2":
            kept(self, target)
            raise Killed
        if self.name == ".part.v2":
            raise Killed
        return kept(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(Killed):
        bench.publish(place)
    monkeypatch.undo()
    assert list((tmp_path / "www").glob(moment if moment == ".part.v2" else ".v2-*"))
    assert only(bench.publish(place)).tags == 5
    assert bench.run("verify", "--at", place).returncode == 0


@pytest.mark.parametrize("kind", ["oci-archive", "docker-archive"])
def test_archives_are_read_by_other_tools(bench: Bench, tmp_path: Path, kind: str) -> None:
    place = f"{kind}:{tmp_path}/out"
    assert only(bench.publish(place)).images == 5
    folder = tmp_path / "out"
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=folder, check=True)
    for name in NAMES:
        layers = pulled(f"{kind}:{folder}/{name}.tar:tests/t-{name}:1", tmp_path / name)
        assert layers == built_layers(bench, name)
    written = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert only(bench.publish(place)).images == 0
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == written
    # What was damaged is written anew, and is what it was.
    (folder / "one.tar").write_bytes(b"")
    assert only(bench.publish(place)).images == 1
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=folder, check=True)


def test_another_store_gets_the_images_and_their_names(bench: Bench) -> None:
    # A sign that a shell would read must not be read on the way.
    with TemporaryDirectory(prefix="bs-#") as short, store(Path(short)) as other:
        place = f"containers-storage:[overlay@{other.root}+{other.runroot}]"
        assert (only(bench.publish(place)).images, only(bench.publish(place)).images) == (5, 0)
        ids = {name: (bench.plan / f"state/{name}.id").read_text().strip() for name in NAMES}
        assert other.names() == {f"localhost/tests/t-{name}:1": f"sha256:{ids[name]}" for name in NAMES}

        # What a run has left that was killed before the set was built anew goes with the next.
        left = "localhost/buildsys-publish/tiny/one:000000000000"
        other.buildah("tag", "localhost/tests/t-one:1", left)
        only(bench.publish(place, labels=(("release", "1"),)))
        names = other.names()
        assert left not in names
        # What had these names before stays, without one.
        assert set(names) - {"<none>:<none>"} == {f"localhost/tests/t-{name}:1" for name in NAMES}
        for name in NAMES:
            identity = names[f"localhost/tests/t-{name}:1"]
            form = "{{.Docker.Config.Labels}}"
            assert "release:1" in other.buildah("inspect", "--type", "image", "--format", form, identity)
            assert identity != f"sha256:{ids[name]}"


@pytest.mark.parametrize("kind", ["oci", "dir", "oci-archive", "docker-archive"])
def test_a_place_where_nothing_can_be_written(bench: Bench, tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").write_text("")
    said = problems(bench.publish(f"{kind}:{tmp_path}/file/out", f"oci:{tmp_path}/other"))
    assert said == f"error: {tmp_path}/file/out: Not a directory [not-written]"
    assert (tmp_path / "other/index.json").exists()


@pytest.mark.parametrize("kind", ["oci", "dir", "oci-archive", "docker-archive"])
def test_a_directory_of_somebody_else_stays_as_it_is(bench: Bench, tmp_path: Path, kind: str) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/file").write_text("mine")
    said = problems(bench.publish(f"{kind}:{tmp_path}/taken"))
    assert said == (
        f"error: {tmp_path}/taken is not empty and was not created by `buildsys publish`: "
        "nothing was written [foreign-directory]\n"
        "  hint: name a directory that is empty or missing"
    )
    assert [path.name for path in (tmp_path / "taken").iterdir()] == ["file"]
