"""The file of a whole stack's plan: read back as written, refused where it says more than it may."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from kubedeb.errors import ExitCode, KubedebError
from upgrade_plans import upgradefile
from upgrade_plans.models.plan import Duration
from upgrade_plans.models.upgrade import Host, Inputs, Phase, Step, Upgrade, Workers
from upgrade_plans.models.upgradekinds import Check, StepKind


def small() -> Upgrade:
    step = Step(
        id="pass-1-canary", kind=StepKind.WORKERS, title="the first node", component="kubelet", takes={"wa": 1},
        **{"from": "1.8.15"}, to="1.9.11", moves=("kubelet", "kube-proxy"), drains=True, reason="one node shows what happens",
        pre=(Check.FLOOR,), post=(Check.NODES_READY,), duration=Duration(p50=300, p95=900),
    )  # fmt: skip
    phase = Phase(id="workers-1.9", title="workers to 1.9", reason="skew", group="workers", steps=(step,))
    return Upgrade(
        cluster="dc", target={"kubernetes": "1.9.11"}, inputs=Inputs(facts="", cluster_file="", knowledge="", procedures=""),
        hosts=(Host(node="m1", row="a"),), workers=(Workers(id="wa", nodes="w[1-9]", count=9, row="a"),), phases=(phase,),
    )  # fmt: skip


def test_a_plan_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    upgradefile.save(path, small())
    assert upgradefile.load(path) == small()
    assert upgradefile.is_whole(path)
    jsonschema.Draft202012Validator(upgradefile.schema()).validate(json.loads(path.read_text()))


@pytest.mark.parametrize("content", ['{"format": 1}', "[]", "{", '"text"'])
def test_other_files_are_not_a_whole_stacks(tmp_path: Path, content: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(content)
    assert not upgradefile.is_whole(path)
    assert not upgradefile.is_whole(tmp_path / "missing.json")


BROKEN: list[tuple[str, Any, str]] = [
    ("kind", "reinstall", "(in pass-1-canary): Input should be 'approve'"),
    ("windw", 3, "did you mean 'window'?"),
    ("max_backup_age", 90_000, "less than or equal to 86400"),
    ("window", 0, "greater than or equal to 1"),
]


@pytest.mark.parametrize(("key", "value", "said"), BROKEN)
def test_what_a_step_cannot_say_is_refused(tmp_path: Path, key: str, value: object, said: str) -> None:
    path = tmp_path / "plan.json"
    upgradefile.save(path, small())
    tree = json.loads(path.read_text())
    tree["phases"][0]["steps"][0][key] = value
    path.write_text(json.dumps(tree))
    with pytest.raises(KubedebError) as error:
        upgradefile.load(path)
    assert error.value.code is ExitCode.PLAN
    assert said in error.value.brief
