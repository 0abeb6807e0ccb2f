"""What every test gets: an empty home, no colour; unit tests cannot start a process or open a socket."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import NoReturn

import pytest

HERE = Path(__file__).parent
AREAS = {"pkgbuild": "pkgbuild", "recipes": "recipes", "repo": "repo", "upgrade_plans": "plan", "thin": "thin line"}


def _part(item: pytest.Item) -> tuple[str, ...]:
    return item.path.relative_to(HERE).parts


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with the area whose minutes it uses: unit tests are one area, integration tests one a room."""
    for item in items:
        kind, *rest = _part(item)
        area = AREAS.get(rest[0], rest[0]) if kind == "integration" else "unit"
        item.add_marker(pytest.mark.area(area))


@pytest.fixture(autouse=True)
def isolated(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test a home of its own, so that nobody's configuration, cache or keys are seen or touched."""
    home = tmp_path_factory.mktemp("home")
    for name in [name for name in os.environ if name.startswith(("KUBEDEB_", "XDG_")) and "_TEST_" not in name]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.fixture(autouse=True)
def pure(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """In unit tests, starting a process or opening a socket raises."""
    if _part(request.node)[0] == "integration":
        return

    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("a unit test starts no process and opens no socket")

    for name in ("fork", "posix_spawn", "execv", "execve"):
        monkeypatch.setattr(os, name, refuse)
    monkeypatch.setattr("subprocess.Popen.__init__", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "bind", refuse)
