"""The report of the reference cluster's plan in a real browser: what it shows are the numbers of plan.json."""

from __future__ import annotations

import json
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from kubedeb.cli import run
from kubedeb.errors import ExitCode
from upgrade_plans import upgradefile
from upgrade_plans.planner.calendar import calendar
from upgrade_plans.planner.estimate import Estimate, estimate

CASES = Path(__file__).parents[2] / "cases/clusters"
TARGET = ("kubernetes=1.10.13", "etcd=3.1.12", "storage=etcd3", "calico=3.1.7", "helm=2.9.1")


class Dom(HTMLParser):
    """What the browser made of the page: text and numbers of each table row, of each element with an id, and hidden rows."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: dict[tuple[str, str], list[float]] = {}
        self.cells: dict[tuple[str, str], list[str]] = {}
        self.bars: dict[str, dict[str, str]] = {}
        self.numbers: dict[str, list[float]] = {}
        self.text: dict[str, str] = {}
        self.articles: dict[str, list[str]] = {}
        self.hidden = self.shown = 0
        self.requests: list[str] = []
        self._table = self._id = self._row = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.requests += [value for name, value in given.items() if name in ("src", "href") and not value.startswith("#")]
        self._id = given.get("id", self._id)
        if tag == "table":
            self._table = given.get("id", "")
        if tag == "tr":
            self._row = given.get("data-step", given.get("data-phase", ""))
            self.hidden += "hidden" in given
            self.shown += given.get("class", "").startswith("row") and "hidden" not in given
        if tag == "td":
            self.cells.setdefault((self._table, self._row), []).append("")
        if tag == "g":
            self.bars[given["data-phase"]] = given
        if tag == "article":
            self.articles.setdefault(given["class"], []).append(given["data-step"])
        if tag == "data":
            self.rows.setdefault((self._table, self._row), []).append(float(given["value"]))
            self.numbers.setdefault(self._id, []).append(float(given["value"]))

    def handle_data(self, data: str) -> None:
        self.text[self._id] = self.text.get(self._id, "") + data
        if cells := self.cells.get((self._table, self._row)):
            cells[-1] += data


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("report")
    plan = ["plan", "make", str(CASES / "dc-a.yaml"), "--facts", str(CASES / "dc-a.facts.json"), "-o", str(made / "plan.json")]
    assert run([*plan, *(word for goal in TARGET for word in ("--to", goal))]) == ExitCode.DONE
    assert run(["prove", str(made / "plan.json"), "--certificate", str(made / "certificate.json")]) == ExitCode.DONE
    argv = ["plan", "report", str(made / "plan.json"), "--certificate", str(made / "certificate.json")]
    assert run([*argv, "-o", str(made / "report.html")]) == ExitCode.DONE
    return made


@pytest.fixture(scope="module")
def plan(folder: Path) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads((folder / "plan.json").read_text())
    return tree


@pytest.fixture(scope="module")
def times(folder: Path) -> Estimate:
    plan = upgradefile.load(folder / "plan.json")
    return estimate(plan.steps, calendar=calendar(plan))


def browsed(folder: Path, fragment: str = "") -> Dom:
    argv = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}", "--dump-dom",
            (folder / "report.html").as_uri() + fragment]  # fmt: skip
    return Dom(subprocess.run(argv, capture_output=True, text=True, timeout=120, check=True).stdout)


@pytest.fixture(scope="module")
def dom(folder: Path) -> Dom:
    return browsed(folder)


def steps(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for phase in plan["phases"] for step in phase["steps"]]


def test_the_figures_are_the_plans(dom: Dom, plan: dict[str, Any], times: Estimate) -> None:
    listed = steps(plan)
    expected = {
        "p50": times.p50, "p95": times.p95, "n-phases": len(plan["phases"]), "n-steps": len(listed),
        "n-hosts": len(plan["hosts"]), "n-workers": sum(group["count"] for group in plan["workers"]),
        "n-drains": plan["drains"], "n-returns": sum(len(step["blocks"]) for step in listed),
    }  # fmt: skip
    assert {name: dom.numbers[name][0] for name in expected} == expected
    assert dom.requests == []
    for name, bar in dom.bars.items():
        last = next(phase for phase in plan["phases"] if phase["id"] == name)["steps"][-1]["id"]
        assert (float(bar["data-end"]), float(bar["data-latest"])) == times.ends[last]
    assert list(dom.bars) == [phase["id"] for phase in plan["phases"]]


def test_each_step_has_its_own_times_and_way_back(dom: Dom, plan: dict[str, Any], times: Estimate) -> None:
    for step in steps(plan):
        expected = [step["duration"]["p50"], step["duration"]["p95"], *times.ends[step["id"]]]
        assert dom.rows["all-steps", step["id"]] == expected
        cells = dom.cells["all-steps", step["id"]]
        assert step["title"] in cells[1]
        assert step["reason"] in cells[1]
        assert ("NO WAY BACK" in cells[-1]) == bool(step["blocks"])
        assert all(block["state"] in cells[-1] for block in step["blocks"])
        assert ("nothing to undo" in cells[-1]) == (step["undo"] is None and not step["blocks"])


def test_points_of_no_return_and_outages_are_all_there(dom: Dom, plan: dict[str, Any]) -> None:
    assert dom.articles["never"] == [step["id"] for step in steps(plan) for _ in step["blocks"]]
    assert dom.articles["stop"] == [step["id"] for step in steps(plan) if step["outage"]]
    assert dom.numbers["outages"] == [step["outage"]["longest"] for step in steps(plan) if step["outage"]]


def test_exposures_are_those_of_the_certificate(dom: Dom, plan: dict[str, Any], folder: Path) -> None:
    stated = json.loads((folder / "certificate.json").read_text())
    named = {one["step"] for one in stated["exposures"]}
    seconds = {step["id"]: step["duration"]["p50"] for step in steps(plan) if step["id"] in named}
    assert {row: numbers[0] for (table, row), numbers in dom.rows.items() if table == "exposed"} == seconds
    assert dom.numbers["exposures"][:2] == [stated["states"], pytest.approx(sum(seconds.values()))]
    assert dom.text["digest"].startswith(stated["sha256"]["plan"])


def test_the_capacity_of_each_row_is_what_the_limits_leave(dom: Dom, plan: dict[str, Any]) -> None:
    rows: dict[str, int] = {}
    for group in plan["workers"]:
        rows[group["row"]] = rows.get(group["row"], 0) + group["count"]
    where = {group["id"]: group["row"] for group in plan["workers"]}
    passes = [step for step in steps(plan) if step["kind"] in ("workers", "calico-nodes")]
    assert len(passes) == 8
    for step in passes:
        taken = {row: sum(n for name, n in step["takes"].items() if where[name] == row) for row in rows}
        most = min(step["window"], step["per_row"])
        assert dom.rows["stays", step["id"]] == [rows[row] - min(most, taken[row]) for row in sorted(rows)]


def test_versions_begin_as_found_and_end_at_the_target(dom: Dom, plan: dict[str, Any]) -> None:
    table = [cells for (table, _), cells in dom.cells.items() if table == "matrix"]
    assert table[0][1:3] == ["2.2.1", "v2"]
    assert {"1.10.13", "3.1.12", "3.1.7", "2.9.1", "v3"} <= {cell.strip() for cell in table[-1]}
    assert all("×" not in cell for cells in table for cell in cells)  # between two phases the cluster is at rest


@pytest.mark.parametrize("words", ["1.10.13 master2", "kubelet-1.8-swap", "no such thing at all"])
def test_the_search_leaves_what_has_all_words(folder: Path, plan: dict[str, Any], dom: Dom, words: str) -> None:
    whole = dom.shown
    assert whole == len(steps(plan)) + len(plan["findings"]) + len(plan["changes"])
    found = browsed(folder, f"#q={words.replace(' ', '%20')}")
    assert found.shown + found.hidden == whole
    assert re.fullmatch(r"\d+", found.text["n"].split()[0])
    assert int(found.text["n"].split()[0]) == found.shown
    assert (found.shown > 0) == (words != "no such thing at all")
    assert found.shown < whole / 4


def test_all_is_open_on_paper(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    assert "<details><summary>" in page
    (folder / "printing").mkdir()
    (folder / "printing/report.html").write_text(
        page.replace("</body>", "<script>dispatchEvent(new Event('beforeprint'))</script></body>")
    )
    argv = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}", "--dump-dom",
            (folder / "printing/report.html").as_uri()]  # fmt: skip
    shown = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=True).stdout
    assert shown.count("<details open") == shown.count("<details") > 0
