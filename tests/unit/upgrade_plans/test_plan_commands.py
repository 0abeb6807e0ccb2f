"""`kubedeb cluster`, `kubedeb plan`, `kubedeb prove`: what people see, and the exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import etcdcases
from kubedeb.cli import run
from kubedeb.errors import ExitCode
from upgrade_plans import factsfile, planfile
from upgrade_plans.commands.makeplan import refusal
from upgrade_plans.planner.reasons import NoPlan, Reason

ROOT = Path(__file__).parents[3]
CLUSTER = """\
name: test
transport: {kind: docker}
roles: {etcd: "etcd[1-3]"}
rows: {a: {a1: etcd1}, b: {b1: etcd2}, c: {c1: etcd3}}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text(CLUSTER)
    factsfile.save(Path("f.json"), etcdcases.facts())
    return tmp_path


def make(target: str = "etcd=3.5.16", *more: str) -> int:
    return run(["plan", "make", "c.yaml", "--facts", "f.json", "--to", target, "-o", "p.json", *more])


def edited(**changes: Any) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads(Path("p.json").read_text())
    tree.update(changes)
    return tree


def test_makes_shows_and_proves_a_plan(capsys: pytest.CaptureFixture[str]) -> None:
    assert make() == ExitCode.DONE
    made = capsys.readouterr().out
    assert "no way back after: 3.4-change-etcd1, 3.5-change-etcd3" in made
    assert "next: kubedeb prove p.json --facts f.json" in made
    assert run(["plan", "show", "p.json"]) == ExitCode.DONE
    shown = capsys.readouterr().out
    assert "└─ 3.5-await  await-version on etcd1, etcd2, etcd3" in shown
    assert "[undo: back to 3.3.25]" in shown
    assert "[NO WAY BACK]  (backup at most 10 min old)" in shown
    assert run(["prove", "p.json", "--facts", "f.json", "--certificate", "cert.json"]) == ExitCode.DONE
    proof = capsys.readouterr().out
    assert "PROVEN" in proof
    assert "states: 16625" in proof
    assert "3.4-change-etcd2: about 6 s, 36 states; a fault of process, node, row, link" in proof
    assert json.loads(Path("cert.json").read_text())["proven"]


def test_explains_a_step_with_the_sources_of_its_rules(capsys: pytest.CaptureFixture[str]) -> None:
    make()
    capsys.readouterr()
    assert run(["plan", "explain", "p.json", "3.4-change-etcd1"]) == ExitCode.DONE
    told = capsys.readouterr().out
    assert "blocks: every member on 3.3" in told
    assert "age of the proven backup when it begins: at most 10 min" in told
    assert "loss: everything written after 3.4-backup, which is at most 10 minutes old" in told
    assert "upgrade_3_4.md@" in told
    assert run(["plan", "explain", "p.json", "3.4-change-etcd"]) == ExitCode.USAGE
    assert "did you mean '3.4-change-etcd" in capsys.readouterr().err


def test_every_command_speaks_json(capsys: pytest.CaptureFixture[str]) -> None:
    for argv, key in (
        (["cluster", "lint", "c.yaml"], "valid"),
        (["cluster", "show", "c.yaml"], "rows"),
        (["plan", "make", "c.yaml", "--facts", "f.json", "--to", "etcd=3.5.16", "-o", "p.json"], "findings"),
        (["plan", "show", "p.json"], "blocking"),
        (["plan", "explain", "p.json", "3.4-await"], "rules"),
        (["prove", "p.json"], "states"),
    ):
        assert run([*argv, "--json"]) == ExitCode.DONE
        assert key in json.loads(capsys.readouterr().out)


def test_shows_a_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cluster", "lint", "c.yaml"]) == ExitCode.DONE
    assert run(["cluster", "show", "c.yaml"]) == ExitCode.DONE
    assert "etcd2  etcd   b    b1" in capsys.readouterr().out


def test_no_legal_plan_says_why_and_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert make("etcd=3.2.0") == ExitCode.NO_PLAN
    said = capsys.readouterr().err
    assert "below what is there" in said
    assert "kubedeb rules show etcd-no-downgrade" in said
    assert not Path("p.json").exists()


def test_an_invariant_is_no_rule_to_show() -> None:
    said = refusal(NoPlan((Reason("what", "remedy", "lb-threshold"),)), {}).render()
    assert "[lb-threshold]" in said
    assert "rules show" not in said


@pytest.mark.parametrize("target", ["etcd", "=3.5.16", "etcd="])
def test_a_target_that_is_none(target: str) -> None:
    assert make(target) == ExitCode.USAGE


def test_a_target_twice(capsys: pytest.CaptureFixture[str]) -> None:
    assert make("etcd=3.5.16", "--to", "etcd=3.4.23") == ExitCode.USAGE
    assert "etcd is there twice" in capsys.readouterr().err


def test_nothing_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    factsfile.save(Path("f.json"), etcdcases.facts(["3.5.16"] * 3))
    assert make() == ExitCode.DONE
    assert "nothing to do" in capsys.readouterr().out
    assert run(["prove", "p.json"]) == ExitCode.DONE


def test_a_plan_by_hand_that_skips_a_minor_is_refused_with_a_story(capsys: pytest.CaptureFixture[str]) -> None:
    make()
    tree = edited()
    tree["phases"] = [tree["phases"][0], tree["phases"][2]]
    for step in tree["phases"][1]["steps"]:
        step["from"] = "3.3.25"
        step["requires"] = [needed for needed in step["requires"] if needed != "3.4-await"]
        if step["undo"]:
            step["undo"]["to"] = "3.3.25"
    Path("p.json").write_text(json.dumps(tree))
    capsys.readouterr()
    assert run(["prove", "p.json", "--certificate", "cert.json"]) == ExitCode.REFUSED
    said = capsys.readouterr().err
    assert "etcd-hop (beyond): a member starts a version that skips a line" in said
    assert "rule etcd-one-minor" in said
    assert "https://etcd.io/docs/v3.6/upgrades/upgrading-etcd" in said
    document = json.loads(Path("cert.json").read_text())
    assert not document["proven"]
    assert document["counterexample"]["violates"] == "etcd-hop"
    assert run(["prove", "p.json", "--json"]) == ExitCode.REFUSED
    assert json.loads(capsys.readouterr().out)["violations"]


def test_a_plan_is_not_proven_from_a_start_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    make()
    factsfile.save(Path("f.json"), etcdcases.facts(["3.4.23", "3.3.25", "3.3.25"]))
    assert run(["prove", "p.json", "--facts", "f.json"]) == ExitCode.FACTS
    assert "etcd1 runs 3.4.23, the plan says 3.3.25" in capsys.readouterr().err


def test_a_full_disk_leaves_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "p.json")

    monkeypatch.setattr("os.replace", full)
    monkeypatch.setattr("pathlib.Path.replace", full)
    assert make() == ExitCode.PLAN
    assert "No space left on device" in capsys.readouterr().err
    assert not [path for path in Path().iterdir() if "p.json" in path.name]


def walk(tree: Any, where: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in inner:
        yield (*where, key)
        yield from walk(value, (*where, key))


JUNK: list[Any] = [
    None,
    "",
    "3.4",
    "9.9.9",
    "etcd2",
    -1,
    0,
    True,
    [],
    {},
    ["etcd1", "etcd2"],
    ["cluster-version"],
    {"to": "3.3.25"},
]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_plan_with_any_value_exchanged_is_judged_or_refused(here: Path, data: st.DataObject) -> None:
    if not Path("good.json").exists():
        make("etcd=3.4.23")
        Path("p.json").rename("good.json")
    tree = json.loads(Path("good.json").read_text())
    *above, key = data.draw(st.sampled_from(list(walk(tree))))
    inner = tree
    for part in above:
        inner = inner[part]
    if data.draw(st.booleans()) and isinstance(inner, dict):
        del inner[key]
    else:
        inner[key] = data.draw(st.sampled_from(JUNK))
    Path("p.json").write_text(json.dumps(tree))
    assert run(["prove", "p.json"]) in (ExitCode.DONE, ExitCode.PLAN, ExitCode.REFUSED)
    assert run(["plan", "show", "p.json"]) in (ExitCode.DONE, ExitCode.PLAN)


def test_the_published_schema_is_that_of_the_code() -> None:
    published = json.loads((ROOT / "docs/plan.schema.json").read_text())
    assert published == planfile.schema(), "docs/plan.schema.json: write planfile.schema() into it again"
