"""A base and a cache that are kept between runs: KUBEDEB_TEST_STORE, else build/test-store."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kubedeb.cli import run
from kubedeb.errors import ExitCode
from pkgbuild.store import Store

TOP = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def kept() -> Path:
    """Return a folder that later runs find again; an empty one is as good, only slower."""
    return Path(os.environ.get("KUBEDEB_TEST_STORE") or TOP / "build/test-store")


@pytest.fixture(scope="session")
def with_base(kept: Path) -> Store:
    """Return a store whose base is made and in docker."""
    store = Store(kept)
    lock = store.base("bookworm", "amd64")
    if lock is None or not store.root_file(lock).exists():
        (kept / "bases/bookworm-amd64.json").unlink(missing_ok=True)
        assert run(["base", "update", "--store", str(kept), "--cache", str(kept / "sources")]) == ExitCode.DONE
    return store
