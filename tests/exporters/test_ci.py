"""The pipelines of CI systems: how images are divided, what the systems read, what the jobs do."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

from buildsys.exporters import FORMATS
from buildsys.exporters.ci_jobs import divided, jobs
from buildsys.exporters.request import Request
from buildsys.image import BaseImage, CopyImage, Image
from buildsys.pipeline import Pipeline
from tests.exporters.sets import request
from tests.plan.sets import image, image_set
from tests.publish.conftest import Running, insecure, registry
from tests.stores import store

__all__ = ["insecure", "registry"]
ROOT = Path(__file__).resolve().parents[2]
BASE = BaseImage("localhost/centos/centos:7")
SCHEMAS = {"gitlab": "vendor.gitlab-ci", "github": "vendor.github-workflows"}


def forest() -> dict[str, Image]:
    """A trunk with four subtrees of three images each; an image of the last copies from the first."""
    made = [image("base", BASE)]
    for tree in "abcd":
        made += [image(tree, "base"), image(f"{tree}-one", tree), image(f"{tree}-two", tree)]
    made.append(image("e", "d", CopyImage(image="a-one", source="/x", to="/x", mode="", owner="")))
    return {item.name: item for item in made}


@pytest.mark.parametrize("runners", [1, 2, 3, 4, 9])
def test_groups_hold_each_image_once_and_need_nothing_of_one_another(runners: int) -> None:
    images = forest()
    trunk, groups = divided(images, runners)
    assert sorted([*trunk, *(name for group in groups for name in group)]) == sorted(images)
    assert len(groups) <= runners
    for group in groups:
        for name in group:
            assert set(images[name].dependencies()) <= {*trunk, *group}
    if runners > 1:
        assert "base" in trunk


def test_groups_of_a_large_set_are_of_like_weight() -> None:
    images = Pipeline(ROOT / "recipes/stable-pike").resolve().images
    trunk, groups = divided(images, 4)
    assert trunk == ("base", "openstack-base")
    assert sum(map(len, groups)) == len(images) - len(trunk)
    assert max(map(len, groups)) <= 1.25 * min(map(len, groups))


def test_every_job_needs_jobs_before_it(tmp_path: Path) -> None:
    made = jobs(asked(tmp_path, runners=3))
    assert [job.name for job in made] == ["plan", "trunk", "group-1", "group-2", "group-3", "publish"]
    for number, job in enumerate(made):
        assert set(job.needs) <= {before.name for before in made[:number]}


def test_a_part_of_a_set_is_built_with_its_parents(tmp_path: Path) -> None:
    part = Request(set=image_set(tmp_path, [*forest().values()]), names=("b-one",))
    built = {name for job in jobs(part) if job.words[0] == "build" for name in job.words[1:]}
    assert built == {"base", "b", "b-one"}
    assert "GOALS=(b-one)\n" in FORMATS["gitlab"].export(part).texts[f"ci/{part.set.name}/job.sh"]


@pytest.mark.parametrize("form", SCHEMAS)
def test_the_schema_of_the_system_accepts_it_and_refuses_a_misspelt_key(form: str, tmp_path: Path) -> None:
    texts = FORMATS[form].export(asked(tmp_path)).texts
    (text,) = (text for name, text in texts.items() if name.endswith(".yml"))
    assert valid(form, text, tmp_path)
    assert not valid(form, text.replace("needs:", "needs_:"), tmp_path)


def valid(form: str, text: str, place: Path) -> bool:
    file = place / "pipeline.yml"
    file.write_text(text)
    command = [
        str(Path(sys.executable).with_name("check-jsonschema")),
        "--builtin-schema",
        SCHEMAS[form],
        str(file),
    ]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def asked(place: Path, **options: Any) -> Request:
    return request(image_set(place, [*forest().values()]), options=options)


def test_all_systems_run_the_same_commands_after_the_same_jobs(tmp_path: Path) -> None:
    of = asked(tmp_path)
    name = of.set.name
    texts = {form: FORMATS[form].export(of).texts for form in ("gitlab", "github", "zuul")}
    assert len({text[f"ci/{name}/job.sh"] for text in texts.values()}) == 1
    wanted = {job.name: ([*job.needs], job.command(of)) for job in jobs(of)}
    github = yaml.safe_load(texts["github"][f".github/workflows/{name}.yml"])["jobs"]
    assert wanted == {key: (job.get("needs", []), job["steps"][-1]["run"]) for key, job in github.items()}
    gitlab = yaml.safe_load(texts["gitlab"][f"ci/{name}/gitlab-ci.yml"])
    begin = f"{name}:"
    assert wanted == {
        key.removeprefix(begin): ([need.removeprefix(begin) for need in job["needs"]], job["script"][0])
        for key, job in gitlab.items()
        if key.startswith(begin)
    }
    *listed, project = yaml.safe_load(texts["zuul"][f"zuul.d/{name}.yaml"])
    needs: dict[str, list[str]] = {}
    for row in project["project"]["check"]["jobs"]:
        needs |= {row: []} if isinstance(row, str) else {key: row[key]["dependencies"] for key in row}
    begin = f"{name}-"
    assert wanted == {
        job["job"]["name"].removeprefix(begin): (
            [need.removeprefix(begin) for need in needs[job["job"]["name"]]],
            job["job"]["vars"]["bs_command"],
        )
        for job in listed
    }


def test_the_script_is_sound(tmp_path: Path) -> None:
    text = FORMATS["zuul"].export(asked(tmp_path)).texts["ci/" + asked(tmp_path).set.name + "/job.sh"]
    (tmp_path / "job.sh").write_text(text)
    subprocess.run(["shellcheck", tmp_path / "job.sh"], check=True)


# ── the jobs, run ───────────────────────────────────────────────────────────────────────────────────────────

SET = {
    "set.yaml": "set: demo\nnamespace: ci\ntag: latest\nepoch: 1500000000\nsite: here\n",
    "sites/here.yaml": "site: here\ninstaller: dnf\nbase: scratch\n",
    "images/base.yaml": "image: base\nfrom: site\nsteps: [{mkdir: /etc}]\n",
    **{
        f"images/{name}.yaml": f"image: {name}\nfrom: {parent}\nsteps: [{{mkdir: /etc/{name}}}]\n"
        for name, parent in (("a", "base"), ("b", "base"), ("a-one", "a"), ("b-one", "b"))
    },
}


@pytest.mark.real
@pytest.mark.skipif(not shutil.which("docker-registry"), reason="needs a registry")
def test_jobs_that_share_only_a_registry_build_and_publish_a_set(tmp_path: Path, registry: Running) -> None:
    folder = tmp_path / "repository"
    for name, text in SET.items():
        file = folder / "recipes/demo" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    call = f"{sys.executable} -m buildsys"
    subprocess.run(
        [*shlex.split(call), "export", "gitlab", "demo", "-o", "exported", "--runners", "2"],
        cwd=folder, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    shutil.copytree(folder / "exported", folder, dirs_exist_ok=True)
    pipeline = yaml.safe_load((folder / "ci/demo/gitlab-ci.yml").read_text())
    made = {key: job for key, job in pipeline.items() if key.startswith("demo:")}
    assert list(made) == ["demo:plan", "demo:trunk", "demo:group-1", "demo:group-2", "demo:publish"]
    # Ends of jobs: each begins when all that it needs have ended well, in a clone and a store of its own.
    ended: list[str] = []
    ids: dict[str, dict[str, str]] = {}
    with ExitStack() as stack:
        while len(ended) < len(made):
            ready = [key for key, job in made.items() if key not in ended and set(job["needs"]) <= set(ended)]
            for key in ready:
                place = tmp_path / key.replace(":", "-")
                shutil.copytree(folder, place)
                short = stack.enter_context(TemporaryDirectory(prefix="bs-"))
                own = stack.enter_context(store(Path(short)))
                environment = {
                    **os.environ, "PYTHONPATH": str(ROOT), "BUILDSYS": call, "BS_STORE": own.options,
                    "BS_REGISTRY": f"{registry.host}/work", "BS_RUN": "17", "BS_TO": f"docker://{registry.host}/out",
                }  # fmt: skip
                (line,) = made[key]["script"]
                done = subprocess.run(
                    shlex.split(line), cwd=place, env=environment, check=False, capture_output=True, text=True
                )
                assert done.returncode == 0, f"{key}: {done.stdout}{done.stderr}"
                ids[key] = {name: value for name, value in own.names().items() if "/ci/" in name}
                ended.append(key)
                output = done.stdout + done.stderr
                if key == "demo:publish":
                    assert "5 images: 0 built" in output
                    assert "published: 5 images" in output
    assert set(ids["demo:publish"]) == {
        f"localhost/ci/{name}:latest" for name in ("base", "a", "b", "a-one", "b-one")
    }
    built = merged(ids[key] for key in ids if key != "demo:publish")
    assert built == ids["demo:publish"]


def merged(parts: Any) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for part in parts:
        for name, value in part.items():
            assert found.setdefault(name, value) == value, name
    return found
