"""From working container to image: committed once or twice, and what of the configuration stays."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from buildsys.image import OciConfig
from tests.acl import acl
from tests.plan.sets import BASE, EPOCH, image, image_set
from tests.runtime.faked import Faked, does, reference

COMMIT = Path(__file__).parents[2] / "buildsys/plan/runtime/commit.sh"
ANNOTATION = "org.opencontainers.image.base.name"
HASH = "5" * 64


@pytest.fixture
def good(faked: Faked, tmp_path: Path) -> Faked:
    base = image("base", BASE, does("one"), config=OciConfig(user="nobody"))
    faked.compile(image_set(tmp_path, [base, image("child", "base", does("two"))]))
    return faked


@pytest.fixture
def once(good: Faked) -> Faked:
    """The same with a buildah whose commits leave nothing volatile."""
    (good.fake / "once").touch()
    return good


def test_a_newer_buildah_commits_once(once: Faked) -> None:
    assert set(once.built()) == {"base", "child"}
    calls = once.calls()
    commits = [call for call in calls if call.startswith("buildah commit")]
    assert len(commits) == 2
    assert all(f"--source-date-epoch {EPOCH} --rewrite-timestamp" in call for call in commits)
    assert not [call for call in calls if call.startswith(("buildah tag", "buildah rmi"))]
    assert not [call for call in calls if call.startswith("skopeo copy") and "dir:" in call]
    assert "<none>:<none>" not in once.images()
    assert list((once.plan / "state").glob("committed.*")) == []
    assert once.result("base")["image_id"] == once.images()[reference("base")]
    assert once.built() == {}


def test_an_older_buildah_commits_twice(good: Faked) -> None:
    good.built()
    calls = good.calls()
    assert not [call for call in calls if "--source-date-epoch" in call]
    assert len([call for call in calls if call.startswith("skopeo copy") and "dir:" in call]) == 2
    assert len([call for call in calls if call.startswith("buildah tag")]) == 2


def test_tests_may_have_a_newer_one_commit_twice(once: Faked) -> None:
    once.built(BS_COMMIT="twice")
    assert not [call for call in once.calls() if "--source-date-epoch" in call]
    assert once.built() == {}


def test_an_image_that_is_not_normal_after_one_commit_is_stored_once_more(once: Faked) -> None:
    """The key never names what a buildah of tomorrow leaves in a configuration."""
    once.misbehave("inspect", ': >"$FAKE/normal"')
    once.built()
    assert len([call for call in once.calls("skopeo copy") if "dir:" in call]) == 2
    assert "<none>:<none>" not in once.images()
    assert once.result("base")["image_id"] == once.images()[reference("base")]
    assert once.built() == {}


def test_what_a_step_has_named_when_it_dies_stays(once: Faked) -> None:
    """A word of what was committed is no leave to remove an image that has a name."""
    once.misbehave("copy", "kill -9 $PPID; exit 1")
    assert once.run().returncode == 1
    assert reference("base") in once.images()
    assert once.calls("buildah rmi") == []
    once.misbehave("copy", "")
    assert set(once.built()) == {"base", "child"}
    assert list((once.plan / "state").glob("committed.*")) == []


def test_a_declared_annotation_of_the_builder_is_declared_at_the_commit(faked: Faked, tmp_path: Path) -> None:
    config = OciConfig(annotations={ANNOTATION: "a b", "x": "y"}, labels={ANNOTATION: "label"})
    faked.compile(image_set(tmp_path, [image("base", BASE, config=config)]))
    (faked.fake / "once").touch()
    faked.built()
    (call,) = faked.calls("buildah commit")
    assert f"--annotation {ANNOTATION}=a b" in call
    assert call.count(" --annotation ") == 1


def another_buildah(faked: Faked, packs: str) -> None:
    """One that packs layers like that. The fake is the same file: its answer is forgotten."""
    (faked.fake / "packs").write_text(packs)
    (faked.fake / "run/buildsys.asked").unlink(missing_ok=True)


def test_how_layers_are_packed_is_in_the_key(good: Faked) -> None:
    good.built()
    another_buildah(good, HASH)
    said = "buildah of this host changed: it packs layers in another way"
    assert good.why() == {"base": ("stale", said), "child": ("waits", "decided when base is built")}
    assert good.built()["base"] == said
    assert good.built() == {}


def test_a_buildah_that_packs_alike_makes_nothing_stale(good: Faked) -> None:
    good.built()
    (good.fake / "once").touch()
    (good.fake / "run/buildsys.asked").unlink()
    assert good.built() == {}


def test_a_buildah_that_cannot_answer_commits_twice(good: Faked) -> None:
    """Its layers are unknown, always in the same way, and it is asked again."""
    folder = good.fake / "bin"
    folder.mkdir()
    (folder / "buildah").write_text(
        '#!/bin/bash\n[[ $1 != --storage-driver ]] || exit 125\nPATH=${PATH#*:} exec buildah "$@"\n'
    )
    (folder / "buildah").chmod(0o755)
    path = f"{folder}:{good.environment()['PATH']}"
    assert set(good.built(PATH=path)) == {"base", "child"}
    assert good.built(PATH=path) == {}
    assert "\nlayers unknown\n" in (good.plan / "state/base.inputs").read_text()
    assert not (good.fake / "run/buildsys.asked").exists()


def test_the_caller_does_not_say_what_buildah_does(good: Faked) -> None:
    good.built(BS_BUILDAH_IS="once 0", COMMITS="once", LAYERS="0")
    assert not [call for call in good.calls() if "--source-date-epoch" in call]
    assert good.built() == {}


def canonical(
    config: dict[str, Any], manifest: dict[str, Any], tmp_path: Path, *inputs: str, base: str = "b"
) -> tuple[Any, Any]:
    """What becomes of a configuration and a manifest, for an image whose key has these inputs."""
    files = [tmp_path / "config", tmp_path / "manifest"]
    for path, document in zip(files, (config, manifest), strict=True):
        text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
        # As Go writes them.
        path.write_text(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
    script = '. "$0"; print_canonical "$@"'
    environment = {
        "INPUTS": "\n".join(inputs),
        "CREATED": "2018-02-01T00:00:00Z",
        "BASE": base,
        "LC_ALL": "C",
    }
    done = subprocess.run(
        ["bash", "-euc", script, str(COMMIT), *map(str, files)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    first, second = done.stdout.splitlines()
    return json.loads(first), json.loads(second)


ODD = {
    "Hostname": "0123456789ab",
    "container": HASH,
    "created": "2020-01-01T00:00:00Z",
    "org.opencontainers.image.created": "2020",
    "org.opencontainers.image.base.name": "declared",
    "quoted": (
        '"created":"x","container":"y","config":{"Hostname":"h","Domainname":""},"io.buildah.version":"1",'
    ),
    "backslash": '\\","container":"0\\\\',
}


def settings(host: str, **more: object) -> dict[str, object]:
    return {"Hostname": host, "Domainname": "example", "Env": [f"{k}={v}" for k, v in ODD.items()], **more}


@pytest.mark.parametrize("before", [{}, {"comment": 'a "created":"b"\\', "parent": "p"}])
def test_only_what_is_volatile_leaves_a_configuration(before: dict[str, str], tmp_path: Path) -> None:
    config = {
        **before,
        "created": "2026-11-30T09:56:05.150515093Z",
        "container": HASH,
        "container_config": settings("0123456789ab", Labels=ODD),
        "author": '"created":"z"',
        "config": settings("0123456789ab", Labels=ODD),
    }
    found, _ = canonical(config, {}, tmp_path)
    expected = {
        **before,
        "created": "2018-02-01T00:00:00Z",
        "container_config": {**settings("sandbox", Labels=ODD), "Domainname": ""},
        "author": '"created":"z"',
        "config": {**settings("sandbox", Labels=ODD), "Domainname": ""},
    }
    assert found == expected
    assert list(found) == list(expected)


@pytest.mark.parametrize(
    ("inputs", "base", "stays"),
    [
        ((), "b", False),
        (("do configure --label io.buildah.version=mine",), "b", True),
        ((), "", True),
    ],
    ids=["of-the-base", "declared", "of-a-parent-in-the-set"],
)
def test_the_label_of_a_bases_builder_goes(
    inputs: tuple[str, ...],
    base: str,
    stays: bool,  # noqa: FBT001
    tmp_path: Path,
) -> None:
    for others in ({}, {"a": "b"}, {"z": "y"}, {"a": "b", "z": "y"}):
        labels = dict(sorted({**others, "io.buildah.version": 'a "quoted" one'}.items()))
        config = {"created": "now", "config": {"Labels": labels}}
        found, _ = canonical(config, {}, tmp_path, *inputs, base=base)
        assert found["config"]["Labels"] == (labels if stays else others)


def test_what_buildah_annotates_goes_and_what_a_recipe_declares_stays(tmp_path: Path) -> None:
    ours = {f"org.opencontainers.image.{name}": "x" for name in ("base.digest", "base.name", "created")}
    config = {"created": "now"}
    for others in ({}, {"a": "b"}, {"z": '"org.opencontainers.image.created":"q",'}, {"a": "b", "z": "\\"}):
        manifest = {"config": {"digest": "d"}, "annotations": dict(sorted({**ours, **others}.items()))}
        _, found = canonical(config, manifest, tmp_path)
        assert found.get("annotations", {}) == others
        assert ("annotations" in found) == bool(others)
        for quote in ("", "'", "$'"):
            declared = f"do configure --annotation {quote}{ANNOTATION}=x"
            _, found = canonical(config, manifest, tmp_path, declared)
            assert found["annotations"] == dict(sorted({ANNOTATION: "x", **others}.items()))
        _, found = canonical(config, manifest, tmp_path, f"do configure --label {ANNOTATION}=x")
        assert found.get("annotations", {}) == others


def fill(what: str) -> str:
    """A `run` on the host, in the working container: its root shows what its layer holds."""
    seen = "rmdir merged && ln -s diff merged && cd diff"
    return f'host cd "$FAKE"/containers/*-big && {seen} && mkdir -p var/log/deep && {what}'


def upper(
    faked: Faked, tmp_path: Path, what: str, **environment: str
) -> tuple[subprocess.CompletedProcess[str], str]:
    """Build an image that writes this; what the run said, and what lies in the layer that is committed."""
    faked.compile(image_set(tmp_path, [image("big", BASE, does(fill(what)))]))
    faked.misbehave(
        "commit", 'find "$FAKE"/containers/*/diff -type f -printf "%P %s %Ts\\n" | sort >"$FAKE/layer"'
    )
    done = faked.run(**environment)
    layer = faked.fake / "layer"
    return done, layer.read_text() if layer.exists() else ""


def test_logs_of_zeros_are_emptied(faked: Faked, tmp_path: Path) -> None:
    """An account with a large number makes lastlog as large; it holds nothing."""
    done, layer = upper(
        faked,
        tmp_path,
        "truncate -s 3G var/log/lastlog; echo x >var/log/faillog; truncate -s 1G var/log/deep/holes; "
        "head -c 2M /dev/zero >var/log/deep/zeros; echo x >var/log/deep/real; head -c 2M /dev/zero >data; "
        "{ head -c 2M /dev/zero; echo x; } >var/log/end",
    )
    assert done.returncode == 0, done.stderr
    rows = ["data 2097152", "var/log/deep/holes 0", "var/log/deep/real 2", "var/log/deep/zeros 0",
            "var/log/end 2097154", "var/log/faillog 0", "var/log/lastlog 0"]  # fmt: skip
    assert layer.splitlines() == [f"{row} {EPOCH}" for row in rows]
    assert "note:" not in done.stderr


@pytest.mark.parametrize(
    "trap",
    [
        "truncate -s 2M 'var/log/x '; ln -s {outside} var/log/x",
        "truncate -s 2M $'var/log/x\\n'; ln -s {outside} var/log/x",
        "mkdir -p ' var/log'; truncate -s 2M ' var/log/outside'; rm -r var/log; ln -s {folder} var/log",
    ],
    ids=["a blank behind", "a newline behind", "a blank before"],
)
def test_no_name_of_a_log_leads_out_of_the_root(faked: Faked, tmp_path: Path, trap: str) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(bytes(3 << 20))
    done, layer = upper(faked, tmp_path, trap.format(outside=outside, folder=tmp_path))
    assert done.returncode == 0, done.stderr
    assert outside.stat().st_size == 3 << 20
    assert layer


def test_other_files_with_holes_are_named_with_their_size(faked: Faked, tmp_path: Path) -> None:
    done, layer = upper(
        faked, tmp_path, "truncate -s 20M 'a b'; truncate -s 20M $'c\\e'; truncate -s 15M small"
    )
    rows = ["a b 20971520", "c\x1b 20971520", "small 15728640"]
    assert layer.splitlines() == [f"{row} {EPOCH}" for row in rows]
    assert "note: /c? takes 20 MiB" in done.stderr
    note = "big: note: /a b takes 20 MiB in the layer, 0 MiB of it are data\n"
    assert note in done.stderr
    assert "/small" not in done.stderr
    assert note in (faked.plan / "logs/big.log").read_text()


def test_an_acl_is_said_to_be_left_out(faked: Faked, tmp_path: Path) -> None:
    program = tmp_path / "give.py"
    program.write_text(f"import os, sys\nos.setxattr(sys.argv[1], 'system.posix_acl_access', {acl()!r})\n")
    give = f"python3 {program}"
    done, layer = upper(faked, tmp_path, f"touch 'a b' c; ln -s /etc/passwd link; {give} 'a b'")
    assert layer.splitlines() == [f"{name} 0 {EPOCH}" for name in ("a b", "c")]
    rest = "; layers hold none, and the group of such a file gets the rights of the mask\n"
    assert f"big: note: /a\\ b has an ACL{rest}" in done.stderr
    done, layer = upper(faked, tmp_path, f"mkdir d; touch d/e; {give} d; {give} d/e; touch -d @1 d d/e")
    assert f"big: note: /d has an ACL, and 1 more have{rest}" in done.stderr
    assert f"/d has an ACL, and 1 more have{rest}" in (faked.plan / "logs/big.log").read_text()


def test_a_layer_that_does_not_fit_is_not_packed(faked: Faked, tmp_path: Path) -> None:
    """Its hard links are one file."""
    done, layer = upper(faked, tmp_path, "truncate -s 400G disk; ln disk again")
    assert done.returncode == 1
    assert layer == ""
    log = (faked.plan / "logs/big.log").read_text()
    assert "the layer of big does not fit on the disk: it takes 409600 MiB at " in log
    assert "it wrote 409600 MiB" in log
    # It may be another disk the next time.
    assert faked.call([str(faked.plan / "steps/big.sh")]).returncode == 75
