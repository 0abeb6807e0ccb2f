"""The report of a whole stack's plan: its rows of values, and that the page says them and loads nothing."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from byhand import mission
from kubedeb.cli import run
from kubedeb.errors import ExitCode
from upgrade_plans import upgradefile
from upgrade_plans.canonical import digest
from upgrade_plans.models.certificate import Summary
from upgrade_plans.models.upgrade import Finding, Step, Upgrade
from upgrade_plans.models.upgradekinds import StepKind
from upgrade_plans.planner.estimate import estimate
from upgrade_plans.reportpage import page
from upgrade_plans.reportrows import Report, report, ticks
from upgrade_plans.versionmatrix import Cell, matrix


def made(plan: Upgrade) -> Report:
    return report(plan, estimate(plan.steps, runs=20))


def step_with(plan: Upgrade, name: str, **fields: object) -> Upgrade:
    def changed(step: Step) -> Step:
        return step.model_copy(update=fields) if step.id == name else step

    phases = (phase.model_copy(update={"steps": tuple(map(changed, phase.steps))}) for phase in plan.phases)
    return plan.model_copy(update={"phases": tuple(phases)})


def test_phases_follow_each_other_on_the_timeline_and_their_spans_fill_them() -> None:
    plan = mission()
    rows = made(plan)
    assert [bar.phase.id for bar in rows.bars] == [phase.id for phase in plan.phases]
    assert all(before.end == after.begin for before, after in pairwise(rows.bars))
    for bar in rows.bars:
        assert (bar.spans[0].begin, bar.spans[-1].end) == (bar.begin, bar.end)
        assert all(before.end == after.begin and before.sort != after.sort for before, after in pairwise(bar.spans))
        assert bar.begin <= bar.end <= bar.latest <= rows.span
        assert [name for name, _ in bar.returns] == [step.id for step in bar.phase.steps if step.blocks]


def test_an_outage_lasts_up_to_the_step_that_ends_it() -> None:
    plan = mission()
    rows = made(plan)
    step = next(step for step in plan.steps if step.outage)
    assert step.outage
    ends = {row.step.id: (row.begin, row.end) for row in rows.steps}
    stops = [span for bar in rows.bars for span in bar.spans if span.sort == "outage"]
    assert (stops[0].begin, stops[0].end) == (ends[step.id][0], ends[step.outage.until][1])
    assert len(stops) == sum(step.outage is not None for step in plan.steps)


def test_soaks_and_work_by_hand_are_told_apart() -> None:
    plan = step_with(mission(), "pass-1-canary", kind=StepKind.SOAK)
    plan = step_with(plan, "pass-1", kind=StepKind.CHECK)
    bar = next(bar for bar in made(plan).bars if bar.phase.id == "workers-1.9")
    assert [span.sort for span in bar.spans] == ["soak", "people"]


def test_rows_keep_all_but_those_in_hand() -> None:
    plan = step_with(mission(), "pass-1", window=2, per_row=None)
    plan = step_with(plan, "pass-2", window=5, per_row=1)
    found = made(plan).capacity
    assert found.rows == {"a": 4, "b": 4}
    stays = {dip.step: (dip.stays, dip.emptied) for dip in found.dips}
    assert stays["pass-1-canary"] == ({"a": 3, "b": 4}, True)
    assert stays["pass-1"] == ({"a": 2, "b": 2}, True)
    assert stays["pass-2"] == ({"a": 3, "b": 3}, True)
    assert not stays["calico-2.6"][1]


def test_workers_that_are_down_are_nobodys_capacity() -> None:
    plan = mission()
    down = plan.workers[0].model_copy(update={"down": True})
    assert made(plan.model_copy(update={"workers": (down, *plan.workers[1:])})).capacity.rows == {"a": 0, "b": 4}


def test_the_versions_over_time_begin_with_what_was_found_and_end_with_the_target() -> None:
    plan = mission()
    found = matrix(plan)
    start = dict(zip(found.components, found.rows[0][1], strict=True))
    end = dict(zip(found.components, found.rows[-1][1], strict=True))
    assert (found.rows[0][0], start["etcd"].text, start["kubelet"].text) == ("", "2.2.1", "1.7.16")
    assert start["kubelet"].versions == (("1.7.16", 8),)
    assert (end["etcd"].text, end["kubelet"].text, end["kube-proxy"].text) == ("3.1.12", "1.10.13", "1.10.13")
    assert (start["data of kubernetes"].text, end["data of kubernetes"].text) == ("v2", "v3")
    assert (start["data of calico"].text, end["data of calico"].text) == ("v2", "v3")
    moved = [name for name, _ in found.rows[1:]]
    assert moved == [phase.id for phase in plan.phases if phase.id in moved]
    assert "ready" not in moved
    for before, after in pairwise(found.rows):
        assert [cell.new for cell in after[1]] == [
            old.versions != new.versions for old, new in zip(before[1], after[1], strict=True)
        ]


def test_a_part_of_a_group_moves_alone() -> None:
    plan = mission()
    phases = tuple(
        phase.model_copy(update={"steps": phase.steps[:1]}) if phase.id == "workers-1.9" else phase for phase in plan.phases
    )
    found = matrix(plan.model_copy(update={"phases": phases[: 1 + [phase.id for phase in phases].index("workers-1.9")]}))
    cell = dict(zip(found.components, found.rows[-1][1], strict=True))["kubelet"]
    assert Counter(dict(cell.versions)).total() == 8
    assert cell.text.startswith("7 × 1.7.16, 1 × 1.9.")


def test_a_cell_of_one_version_is_that_version() -> None:
    assert Cell((("1.9.11", 3),), new=False).text == "1.9.11"


@pytest.mark.parametrize(
    ("span", "last"), [(1.0, (0, "0 min")), (3_600.0, (60 * 60, "60 min")), (10 * 3_600.0, (36_000, "10 h")),
                       (9.3 * 86_400, (9 * 86_400, "9 d")), (100 * 86_400.0, (98 * 86_400, "98 d"))]
)  # fmt: skip
def test_an_axis_has_few_marks_in_a_unit_that_fits(span: float, last: tuple[int, str]) -> None:
    marks = list(ticks(span))
    assert marks[0][0] == 0
    assert marks[-1] == last
    assert len(marks) <= 16


def test_what_a_plan_says_is_escaped_and_nothing_is_loaded() -> None:
    evil = "<script>alert(1)</script>\"'&"
    plan = mission().model_copy(update={"findings": (Finding(severity="warn", what=evil, remedy=evil),)})
    text = page(made(step_with(plan, "pass-1", reason=evil, title=evil)))
    assert "<script>alert" not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 4
    assert not re.search(r'(?:src|href)="(?!#)', text)
    assert not re.search(r"url\(|@import|https?://", re.sub(r"<td>.*", "", text))


def test_the_same_plan_gives_the_same_page_with_its_digest() -> None:
    plan = mission()
    assert page(made(plan)) == page(made(plan))
    assert f'<code id="digest">{digest(plan)}</code>' in page(made(plan))


def test_a_plan_that_has_nothing_to_do_has_a_page_too() -> None:
    assert "everything runs the target" in page(made(mission().model_copy(update={"phases": ()})))


def stated(plan_digest: str, *exposures: tuple[str, str]) -> dict[str, object]:
    return {
        "format": 2, "model": "stack-sequence/1", "proven": True, "sha256": {"plan": plan_digest, "knowledge": "0" * 64},
        "states": 7, "exposures": [{"step": step, "fault": fault, "states": 1} for step, fault in exposures],
        "not_claimed": ["two faults at once"], "evidence": {"places": {}},
    }  # fmt: skip


def test_exposures_stand_in_the_plans_order_each_step_once() -> None:
    plan = mission()
    proof = Summary.model_validate(stated(digest(plan), ("hop-3.0", "node"), ("hop-2.3", "node"), ("hop-3.0", "host")))
    rows = report(plan, estimate(plan.steps, runs=20), proof)
    assert [(one.step, one.faults, one.seconds) for one in rows.exposures] == [
        ("hop-2.3", ("node",), 60), ("hop-3.0", ("node", "host"), 60),
    ]  # fmt: skip
    text = page(rows)
    assert "<b>Proven</b> in the model stack-sequence/1" in text
    assert "a fault of a node, a host" in text
    assert "Not claimed: two faults at once" in text
    assert "No certificate was given" in page(made(plan))


def test_a_certificate_of_another_plan_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    upgradefile.save(tmp_path / "plan.json", mission())
    argv = [
        "plan",
        "report",
        str(tmp_path / "plan.json"),
        "-o",
        str(tmp_path / "r.html"),
        "--certificate",
        str(tmp_path / "c.json"),
    ]
    (tmp_path / "c.json").write_text(json.dumps(stated("0" * 64)))
    assert run(argv) == ExitCode.PLAN
    assert "is the certificate of another plan" in capsys.readouterr().err
    (tmp_path / "c.json").write_text(json.dumps(stated(digest(mission()))))
    assert run(argv) == ExitCode.DONE
    assert "each service is left in every state" in (tmp_path / "r.html").read_text()


def test_the_command_writes_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    upgradefile.save(tmp_path / "plan.json", mission())
    target = tmp_path / "report.html"
    assert run(["plan", "report", str(tmp_path / "plan.json"), "-o", str(target)]) == ExitCode.DONE
    assert capsys.readouterr().out.startswith(f"written to {target}: the plan {digest(mission())[:12]}, ")
    assert target.read_text().startswith("<!doctype html>")
    assert run(["plan", "report", str(tmp_path / "plan.json"), "-o", str(target / "report.html")]) == ExitCode.PLAN
    assert "the report" in capsys.readouterr().err
