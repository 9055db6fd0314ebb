"""The how-to pages whose commands need nothing but a clone, carried out as they stand."""

from __future__ import annotations

import pytest

from tests.conftest import ROOT
from tests.docs.conftest import Clone, write_first_set
from tests.docs.pages import carry_out


@pytest.mark.real
@pytest.mark.parametrize(
    "page",
    [
        "overlay", "carry-a-plan", "rpm-build-root", "test-images", "export-containerfiles",
        "deploy-with-tripleo",
    ],
)  # fmt: skip
def test_a_page(page: str, clone: Clone) -> None:
    write_first_set(clone.folder)
    wrong = carry_out((ROOT / f"docs/how-to/{page}.md").read_text(), clone.folder, clone.environment)
    assert not wrong, "\n".join(wrong)
