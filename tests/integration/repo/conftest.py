from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from debs import etcd_packages
from repositories import Made


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A repository with the oldest version published and the two others in the draft."""
    folder = tmp_path_factory.mktemp("template")
    made = Made(folder / "repository", etcd_packages(folder / "packages"), folder)
    assert made.repo("init", "--origin", "kubedeb") == 0
    assert made.repo("add", "--suite", "bookworm", "--publish", made.packages[0]) == 0
    assert made.repo("add", "--suite", "bookworm", *made.packages[1:]) == 0
    return made


@pytest.fixture
def copied(template: Made, tmp_path: Path) -> Callable[[str], Made]:
    """A way to get a copy of the template that one may break."""

    def copy(name: str) -> Made:
        folder = tmp_path / name
        shutil.copytree(template.root, folder / "repository", copy_function=shutil.copy2)
        return Made(folder / "repository", template.packages, folder)

    return copy


@pytest.fixture
def drafted(copied: Callable[[str], Made]) -> Made:
    """A copy of the template: one version published, two in the draft."""
    return copied("drafted")


@pytest.fixture
def published(drafted: Made) -> Made:
    """A repository with all three versions published."""
    assert drafted.repo("publish", "bookworm") == 0
    return drafted
