"""Facts read of the model cluster, and the preflight's findings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from bench import NODES, Bench
from kubedeb.errors import ExitCode, KubedebError
from modelworld import NAMES, debian
from upgrade_plans.adapters.protocols import RefusedError
from upgrade_plans.executor import operations, preflight
from upgrade_plans.executor.inspection import read_facts
from upgrade_plans.models.plan import PackagePin

Make = Callable[..., Bench]


def test_facts_say_what_is_installed_offered_cached_and_running(make: Make) -> None:
    bench = make()
    bench.model.nodes["etcd2"].cached["etcd-server"].add(debian("3.5.16"))
    facts, warnings = read_facts(bench.cluster, bench.model.world())
    assert warnings == ()
    server = facts.nodes["etcd2"].packages["etcd-server"]
    assert server.installed == debian("3.4.23")
    assert [item.version for item in server.available] == [debian(v) for v in ("3.3.25", "3.4.23", "3.5.16")]
    assert server.cached == (debian("3.5.16"),)
    assert [(m.node, m.running, m.cluster_version, m.leader) for m in facts.etcd] == [
        ("etcd1", "3.4.23", "3.4.0", True), ("etcd2", "3.4.23", "3.4.0", False), ("etcd3", "3.4.23", "3.4.0", False),
    ]  # fmt: skip


def test_what_does_not_answer_is_in_the_facts_as_such(make: Make) -> None:
    bench = make()
    bench.model.nodes["etcd2"].down = True
    bench.model.nodes["etcd3"].running = None
    facts, warnings = read_facts(bench.cluster, bench.model.world())
    assert [m.running for m in facts.etcd] == ["3.4.23", None, None]
    assert facts.nodes["etcd2"].packages == {}
    assert facts.nodes["etcd3"].packages["etcd-server"].installed == debian("3.4.23")
    assert len(warnings) == 3


def test_nothing_answers(make: Make) -> None:
    bench = make()
    for node in bench.model.nodes.values():
        node.running = None
    with pytest.raises(KubedebError) as error:
        read_facts(bench.cluster, bench.model.world())
    assert error.value.code is ExitCode.INSPECT


def test_an_answer_that_cannot_be_right_is_told(make: Make) -> None:
    bench = make()
    bench.model.installed = lambda _, names: dict.fromkeys(names, "no version; rm -rf /")  # type: ignore[method-assign]
    with pytest.raises(KubedebError, match="answers what cannot be right") as error:
        read_facts(bench.cluster, bench.model.world())
    assert error.value.code is ExitCode.INSPECT


def test_a_good_cluster_has_no_findings(make: Make) -> None:
    bench = make()
    assert operations.ask_first(bench.cluster, bench.plan, bench.model.world()) == ()


def test_preflight_lists_everything_at_once_and_changes_nothing(make: Make) -> None:
    bench = make()
    model = bench.model
    before = repr(model.nodes)
    model.missing = lambda node, _: ("etcdctl",) if node == "etcd1" else ()  # type: ignore[method-assign]
    model.free = lambda *_: 10  # type: ignore[method-assign]
    model.unfinished = lambda node: "etcd-server is half-installed\nmore" if node == "etcd2" else ""  # type: ignore[method-assign]
    model.available = lambda _, names: dict.fromkeys(names, ())  # type: ignore[method-assign]
    model.alarms = lambda _: ("NOSPACE",)  # type: ignore[method-assign]
    model.held = lambda *_: ("etcd-server",)  # type: ignore[method-assign]
    model.enabled = lambda node, _: "masked" if node == "etcd3" else "enabled"  # type: ignore[method-assign]
    found = preflight.ask(bench.cluster, bench.plan, model.world())
    assert {finding.id for finding in found} == {
        "programs", "backup-room", "packages-unfinished", "packages-offered", "no-alarm",
        "packages-held", "unit-enabled",
    }  # fmt: skip
    assert len([finding for finding in found if finding.id == "packages-offered"]) == len(NODES) * len(NAMES) * 2
    assert repr(model.nodes) == before


def test_a_transaction_that_touches_others_is_a_finding(make: Make) -> None:
    bench = make()

    def besides(node: str, packages: Mapping[str, PackagePin]) -> tuple[str, ...]:
        if node == "etcd2":
            raise RefusedError(f"node {node}", "simulating", "E: unmet dependencies")
        return ("remove other",) if packages["etcd-server"].version == debian("3.5.16") else ()

    bench.model.besides = besides  # type: ignore[method-assign]
    found = preflight.ask(bench.cluster, bench.plan, bench.model.world())
    assert [(finding.id, finding.text) for finding in found] == [
        ("packages-alone", "etcd1: to install 3.5.16 apt would also remove other"),
        ("packages-alone", "etcd2: apt would not install 3.4.23: E: unmet dependencies"),
        ("packages-alone", "etcd2: apt would not install 3.5.16: E: unmet dependencies"),
        ("packages-alone", "etcd3: to install 3.5.16 apt would also remove other"),
    ]


def test_a_node_that_does_not_answer_is_a_finding(make: Make) -> None:
    bench = make()
    bench.model.nodes["etcd3"].down = True
    found = operations.ask_first(bench.cluster, bench.plan, bench.model.world())
    assert {finding.id for finding in found} == {"members-healthy", "node-answers"}
    assert not any(finding.forceable for finding in found)


def test_runs_are_found_by_id_by_folder_and_the_newest(make: Make, tmp_path: Path) -> None:
    from upgrade_plans.executor import runs

    bench = make()
    first = bench.begin()
    bench.model.time += 1
    second = bench.begin()
    folder = bench.desk.places.runs
    assert runs.find(folder, None).id == second.id
    assert runs.find(folder, first.id).id == first.id
    assert runs.find(tmp_path, str(first.path)).id == first.id
    for where, name in ((tmp_path, None), (folder, "nonsense")):
        with pytest.raises(KubedebError) as error:
            runs.find(where, name)
        assert error.value.code is ExitCode.JOURNAL
