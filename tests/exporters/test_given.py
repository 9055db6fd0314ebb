"""Files given to an export: taken in every form we write, and refused with their place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from buildsys.diagnostics import Refused
from buildsys.exporters.inputs import read_digests, read_images
from tests.plan.sets import BASE, image, image_set

DIGEST = "sha256:" + "c" * 64


@pytest.mark.parametrize(
    "content",
    [
        {"api": DIGEST},
        {"api": {"digest": DIGEST, "size": 3}, "base": {"digest": None}},
        {"images": [{"image": "api", "digest": DIGEST}, {"image": "base", "digest": None}]},
        {"set": "tiny", "images": {"api": {"digest": DIGEST}}},
    ],
)
def test_digests_in_every_form(content: Any, tmp_path: Path) -> None:
    (tmp_path / "d.json").write_text(json.dumps(content))
    made = image_set(tmp_path, [image("base", BASE), image("api", "base")])
    assert read_digests(tmp_path / "d.json", made) == {"api": DIGEST}


REFUSED = {
    '{"ap": "x"}': "no image of tiny is called 'ap' [export-bad-file]\n{excerpt}\n"
    "  hint: did you mean 'api'?",
    '{"api": "sha256:0"}': "the value of api is not a digest [export-bad-file]\n{excerpt}\n"
    "  hint: a digest is sha256: and 64 digits 0-9, a-f",
    '["api"]': "this must be a map from images to digests [export-bad-file]\n{excerpt}",
    '{"images": 3}': "its images are not a list of maps [export-bad-file]\n{excerpt}",
    '{"api"': "not JSON: Expecting ':' delimiter: line 1 column 7 (char 6) [export-bad-file]\n{excerpt}",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_tells_no_digests_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    path.write_text(text)
    with pytest.raises(Refused) as refused:
        read_digests(path, image_set(tmp_path, [image("api", BASE)]))
    excerpt = f"  1 | {text}\n    | ^"
    assert refused.value.text() == f"{path}:1:1: error: {REFUSED[text].format(excerpt=excerpt)}"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "none.json"
    with pytest.raises(Refused) as refused:
        read_images(path)
    assert refused.value.text() == (
        f"{path}:1:1: error: it cannot be read: No such file or directory [export-bad-file]"
    )


@pytest.mark.parametrize("packages", ['["tree-1.0-1.noarch"]', '"tree"', '[{"name": "tree", "evr": 1}]'])
def test_packages_that_are_none(tmp_path: Path, packages: str) -> None:
    path = tmp_path / "d.json"
    text = f'{{"images": [{{"image": "api", "packages": {packages}}}]}}'
    path.write_text(text)
    with pytest.raises(Refused) as refused:
        read_images(path)
    assert refused.value.text() == (
        f"{path}:1:1: error: the packages of api are not a list of maps with name, evr and arch "
        f"[export-bad-file]\n  1 | {text}\n    | ^\n"
        "  hint: `buildsys export images` writes one"
    )


def test_a_file_that_is_no_list_of_images(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    path.write_text("{}")
    with pytest.raises(Refused) as refused:
        read_images(path)
    assert refused.value.text() == (
        f"{path}:1:1: error: this is not an images.json [export-bad-file]\n  1 | {{}}\n    | ^\n"
        "  hint: `buildsys export images` writes one"
    )
