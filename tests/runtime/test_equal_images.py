"""Images that are equal are one image in the store; built at once, each keeps its names."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildsys.image import Touch
from tests.plan.sets import BASE, image, image_set
from tests.runtime.builds import Build, put_busybox
from tests.stores import store

pytestmark = pytest.mark.real

NUMBER = 8


def test_equal_images_built_at_once_keep_their_names(tmp_path: Path) -> None:
    images = [image(f"equal-{number}", BASE, Touch(paths=("/x",), mode="")) for number in range(NUMBER)]
    with store(tmp_path / "store") as made:
        put_busybox(made)
        build = Build(tmp_path / "plan", made)
        build.compile(image_set(tmp_path, images))
        for _ in range(3):
            assert len(build.built(JOBS=str(NUMBER))) == NUMBER
            names = [name for name in made.names() if "busybox" not in name]
            assert len(names) == 2 * NUMBER
            made.buildah("rmi", *names)
