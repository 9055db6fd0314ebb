"""The tutorial, carried out as it stands; what it shows is what comes out."""

from __future__ import annotations

import pytest

from tests.docs.conftest import TUTORIAL, Clone
from tests.docs.pages import carry_out


@pytest.mark.real
def test_the_first_set(clone: Clone) -> None:
    wrong = carry_out(TUTORIAL.read_text(), clone.folder, clone.environment)
    assert not wrong, "\n".join(wrong)
    # It clears away, and leaves no container.
    assert clone.store.names() == {}
    assert clone.store.buildah("containers", "--quiet") == ""
