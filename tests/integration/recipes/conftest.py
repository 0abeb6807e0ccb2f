"""The stack of upstream's releases, built once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import stacks
from kubedeb.cli import run
from kubedeb.errors import ExitCode
from pkgbuild.store import Store

TOP = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> stacks.Stack:
    """Build it with a base that later runs find again."""
    store = Path(os.environ.get("KUBEDEB_TEST_STORE") or TOP / "build/test-store")
    if Store(store).base("bookworm", "amd64") is None:
        assert run(["base", "update", "--store", str(store)]) == ExitCode.DONE
    return stacks.build(tmp_path_factory.mktemp("stack"), store)
