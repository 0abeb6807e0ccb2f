"""The stack of upstream's releases, built once."""

from __future__ import annotations

import pytest

import stacks
from pkgbuild.store import Store


@pytest.fixture(scope="session")
def stack(with_base: Store, tmp_path_factory: pytest.TempPathFactory) -> stacks.Stack:
    """Build it with a base that later runs find again."""
    return stacks.build(tmp_path_factory.mktemp("stack"), with_base.folder)
