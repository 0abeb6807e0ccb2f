"""What every test gets: an empty home, no colour; unit tests cannot start a process or open a socket.

And what every run gets: the day's seed, minutes by area held against their budgets, skips held against SKIPS.md.
"""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import NoReturn

import pytest

import turns as turns_of
from testseed import seed

HERE = Path(__file__).parent
FIRST_AREA = "set-up, lint and unit"
BUDGETS = {FIRST_AREA: 10, "thin line": 6, "pkgbuild": 9, "recipes": 22, "repo": 9, "plan": 8, "execute": 7, "rehearse": 9}
"""Minutes of CI that each area may use on 2 cores, always cold."""
AREAS: dict[tuple[str, ...], str] = {
    ("integration", "pkgbuild"): "pkgbuild",
    ("integration", "recipes"): "recipes",
    # What is asked of every recipe, and takes its minutes from theirs: is it built again, from a record or a kit, the same?
    **{("integration", "pkgbuild", f"test_{name}.py"): "recipes" for name in ("check", "rebuild", "kit_offline")},
    ("integration", "thin", "test_packages_again.py"): "recipes",
    ("integration", "repo"): "repo",
    ("unit", "upgrade_plans"): "plan",
    ("integration", "plans"): "plan",
    ("integration", "upgrade_plans"): "execute",
    ("integration", "thin"): "thin line",
}
FAST_SECONDS = 90
BEGAN = time.monotonic()
SECONDS: defaultdict[str, float] = defaultdict(float)
OVER: list[str] = []
TODAY: list[str] = []
"""Whose turn it is of each named group, printed at the end."""


def _part(item: pytest.Item) -> tuple[str, ...]:
    return item.path.relative_to(HERE).parts


def _area(item: pytest.Item) -> str:
    return AREAS.get(_part(item)[:3]) or AREAS.get(_part(item)[:2], FIRST_AREA)


def bugs() -> set[Path]:
    """Return the reports that kubedeb left of exceptions it did not expect (exit status 70)."""
    return set(Path(tempfile.gettempdir()).glob("kubedeb-bug-*.txt"))


BUGS = bugs()


def pytest_report_header() -> str:
    return f"kubedeb: mode {os.environ.get('KUBEDEB_TEST_MODE', 'by hand')}, seed {seed()} (KUBEDEB_TEST_SEED repeats it)"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark each test with the area whose minutes it uses; in CI leave out those that take turns and whose day it is not."""
    for item in items:
        item.add_marker(pytest.mark.area(_area(item)))
        item.user_properties.append(("area", _area(item)))
    if os.environ.get("KUBEDEB_TEST_MODE") != "ci":
        return
    rotating = [(item, mark) for item in items if (mark := item.get_closest_marker("turn"))]
    turns = [turns_of.Turn(*mark.args, area=_area(item), **mark.kwargs) for item, mark in rotating]
    places = turns_of.left_out(turns, seed())
    left_out = {rotating[place][0] for place in places}
    TODAY.extend(
        f"{turn.group}: {rotating[place][0].name}" for place, turn in enumerate(turns) if turn.group and place not in places
    )
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=list(left_out))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    SECONDS[str(dict(report.user_properties).get("area", FIRST_AREA))] += report.duration


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run for an area over its budget in CI, a skip that SKIPS.md does not list, an exit status 70 anywhere."""
    SECONDS[FIRST_AREA] += float(os.environ.get("KUBEDEB_TEST_SETUP_SECONDS", 0))
    if os.environ.get("KUBEDEB_TEST_MODE") == "ci":
        OVER.extend(f"{area} is over its budget" for area, used in SECONDS.items() if used > 60 * BUDGETS[area])
    if os.environ.get("KUBEDEB_TEST_MODE") == "fast" and (took := time.monotonic() - BEGAN) > FAST_SECONDS:
        OVER.append(f"script/test --fast took {took:.0f} s; it has {FAST_SECONDS}")
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    listed = tuple(
        line.split("|")[1].strip() for line in (HERE / "SKIPS.md").read_text().splitlines() if line.startswith("| tests/")
    )
    skipped = [report.nodeid for report in reporter.stats.get("skipped", [])] if reporter else []
    OVER.extend(
        f"{nodeid} was skipped and tests/SKIPS.md does not list it" for nodeid in skipped if not nodeid.startswith(listed)
    )
    OVER.extend(f"kubedeb met a bug (exit status 70): {report}" for report in sorted(bugs() - BUGS))
    if OVER and session.exitstatus == 0:
        session.exitstatus = 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.section("minutes by area")
    for area, budget in BUDGETS.items():
        terminalreporter.line(f"{area:<22} {SECONDS[area] / 60:5.1f} of {budget}")
    for line in TODAY:
        terminalreporter.line(f"today's turn (seed {seed()}) of the {line}")
    for line in OVER:
        terminalreporter.line(f"FAILED: {line}", red=True)


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
    if _part(request.node)[0] != "unit":
        return

    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("a unit test starts no process and opens no socket")

    for name in ("fork", "posix_spawn", "execv", "execve"):
        monkeypatch.setattr(os, name, refuse)
    monkeypatch.setattr("subprocess.Popen.__init__", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "bind", refuse)
