from __future__ import annotations

import pytest

from demoruns import Ran, demo


@pytest.fixture(scope="session")
def cold(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The demo with nothing built: base, packages, repository."""
    return demo(tmp_path_factory.mktemp("cold") / "demo")


@pytest.fixture(scope="session")
def warm(cold: Ran) -> Ran:
    """The demo a second time, in the same folder."""
    return demo(cold.folder)
