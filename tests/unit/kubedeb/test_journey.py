"""What bites between two versions: rules by the line they are met in, flags, skew and windows; expected outcome as data."""

from __future__ import annotations

import json

import pytest

from kubedeb.cli import run
from kubedeb.errors import ExitCode
from kubedeb.knowledge import load
from kubedeb.knowledge.journey import Journey, journey
from kubedeb.knowledge.schema import RuleKind
from kubedeb.versions import Version


def walk(component: str, old: str, new: str) -> Journey:
    return journey(load(), component, Version.parse(old), Version.parse(new))


# The way, a rule, and the line in which it is met: None when it is not.
MET = [
    ("kubernetes", "1.7.16", "1.10.13", "kubelet-1.8-swap", (1, 8)),
    ("kubernetes", "1.8.15", "1.10.13", "kubelet-1.8-swap", None),
    ("kubernetes", "1.7.16", "1.10.13", "kubelet-1.10-require-kubeconfig", (1, 10)),
    ("kubernetes", "1.7.16", "1.9.11", "kubelet-1.10-require-kubeconfig", None),
    # Only who stands on 1.9.4 is hit; who passes through 1.9 on its newest patch is not.
    ("kubernetes", "1.9.4", "1.10.13", "kubelet-1.10-subpath-drain-from-1.9.4", (1, 10)),
    ("kubernetes", "1.7.14", "1.10.13", "kubelet-1.10-subpath-drain-from-1.7.14", (1, 8)),
    ("kubernetes", "1.7.16", "1.10.13", "kubelet-1.10-subpath-drain-from-1.9.4", None),
    ("kubernetes", "1.7.16", "1.9.4", "kube-scheduler-scheduler-leader-1.9", (1, 9)),
    ("kubernetes", "1.7.16", "1.9.11", "kube-scheduler-scheduler-leader-1.9", None),
    ("kubernetes", "1.12.10", "1.13.12", "kube-apiserver-etcd2-refused", (1, 13)),
    ("kubernetes", "1.7.16", "1.10.13", "kube-apiserver-etcd2-refused", None),
    ("calico", "2.2.0", "3.1.7", "calico-policy-v1", (2, 6)),
    ("calico", "2.6.12", "3.1.7", "calico-policy-v1", None),
    # A way that stops at 2.6 takes its newest patch.
    ("calico", "2.2.0", "3.1.7", "calico-2.6.5-first", None),
    ("calico", "2.6.2", "3.1.7", "calico-2.6.5-first", (3, 1)),
    # Lines that are passed through count as lines that are entered.
    ("etcd", "3.3.25", "3.5.16", "etcd-v2-api-3.4", (3, 4)),
    ("etcd", "3.4.23", "3.5.16", "etcd-v2-api-3.4", None),
]


@pytest.mark.parametrize(("component", "old", "new", "rule", "line"), MET)
def test_a_rule_is_met_where_it_bites(component: str, old: str, new: str, rule: str, line: tuple[int, int] | None) -> None:
    assert rule in load().by_id
    met = {row.id: entered for entered, row in walk(component, old, new).met}
    assert met.get(rule) == line


@pytest.mark.parametrize(
    ("old", "new", "flag", "line"),
    [("1.7.16", "1.10.13", "--api-servers", (1, 8)), ("1.8.15", "1.10.13", "--api-servers", None),
     ("1.7.16", "1.10.13", "--require-kubeconfig", (1, 10)), ("1.7.16", "1.9.11", "--require-kubeconfig", None),
     ("1.12.10", "1.13.12", "--etcd-quorum-read", (1, 13)), ("1.7.16", "1.12.10", "--etcd-quorum-read", None),
     ("1.7.16", "1.10.13", "--request-timeout", None)],
)  # fmt: skip
def test_a_flag_is_lost_where_it_was_taken_away(old: str, new: str, flag: str, line: tuple[int, int] | None) -> None:
    assert {row.flag: entered for entered, row in walk("kubernetes", old, new).flags}.get(flag) == line


@pytest.mark.parametrize(
    ("rule", "version", "against", "allowed"),
    [("kubelet-skew-old", "1.7.16", "1.9.11", True), ("kubelet-skew-old", "1.7.16", "1.10.13", False),
     ("kubelet-skew-old", "1.9.11", "1.8.15", False), ("kubelet-skew", "1.25.0", "1.28.0", True),
     ("kube-scheduler-skew", "1.8.15", "1.9.11", True), ("kube-scheduler-skew", "1.9.11", "1.8.15", False),
     ("kube-apiserver-skew", "1.9.11", "1.8.15", True), ("kube-apiserver-skew", "1.10.13", "1.8.15", False)],
)  # fmt: skip
def test_skew(rule: str, version: str, against: str, allowed: bool) -> None:
    row = load().by_id[rule]
    assert row.skew is not None
    assert Version.parse(version) in row.from_
    assert row.skew.allows(Version.parse(version), Version.parse(against)) == allowed


@pytest.mark.parametrize(
    ("helm", "kubernetes", "allowed"),
    [
        ("2.7", "1.7.16", True),
        ("2.7", "1.8.15", True),
        ("2.7", "1.9.11", False),
        ("2.9", "1.10.13", True),
        ("2.9", "1.8.15", False),
    ],
)
def test_windows(helm: str, kubernetes: str, allowed: bool) -> None:
    window = load().by_id[f"helm-{helm}-window"].window
    assert window is not None
    assert window.allows(Version.parse(kubernetes)) == allowed


def test_what_rules_speak_of_is_known() -> None:
    knowledge = load()
    known = (
        {rule.component for rule in knowledge.rules}
        | set(knowledge.parts)
        | {part for parts in knowledge.parts.values() for part in parts}
    )
    named = {row.skew.against for row in knowledge.rules if row.skew} | {
        row.window.against for row in knowledge.rules if row.window
    }
    assert named <= known
    assert {flag.component for flag in knowledge.flags} <= known


def test_every_trap_of_a_product_is_met_on_some_way() -> None:
    """A range that no hop enters would be a rule that never speaks."""
    met = set()
    ways = [
        ("kubernetes", "1.6.13", "1.37.0"), ("kubernetes", "1.7.14", "1.8.0"), ("kubernetes", "1.8.9", "1.9.3"),
        ("kubernetes", "1.9.4", "1.10.0"), ("kubernetes", "1.9.0", "1.10.0"), ("kubernetes", "1.16.10", "1.16.11"),
        ("kubernetes", "1.8.5", "1.8.15"), ("kubernetes", "1.9.0", "1.9.11"), ("kubernetes", "1.10.2", "1.10.13"),
        ("kubernetes", "1.10.13", "1.11.0"),
        ("calico", "2.2.0", "3.1.7"), ("calico", "2.6.2", "3.1.7"), ("calico", "3.0.1", "3.1.7"),
    ]  # fmt: skip
    for component, old, new in ways:
        met |= {rule.id for _, rule in walk(component, old, new).met}
    silent = {
        rule.id for rule in load().rules
        if rule.kind is RuleKind.TRAP and rule.component.startswith(("kube", "calico")) and rule.id not in met
    }  # fmt: skip
    assert silent == NEVER_ON_THE_WAY_UP


NEVER_ON_THE_WAY_UP = {"kube-apiserver-rollback-1.9.6", "calico-orchestrators"}


def test_says_what_bites(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rules", "between", "kubernetes=1.7.16", "kubernetes=1.10.13", "--severity", "forbid"]) == ExitCode.DONE
    text = capsys.readouterr().out
    assert "kubernetes 1.7.16 to 1.10.13, by way of 1.7, 1.8, 1.9, 1.10" in text
    assert "CHANGELOG-1.8.md@" in text
    assert "  flag   kubelet --low-diskspace-threshold-mb: Use --eviction-hard." in text
    assert run(["rules", "between", "kubernetes=1.25.16", "kubernetes=1.26.15"]) == ExitCode.DONE
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  flag   kubelet")]
    assert line.startswith("  flag   kubelet --logtostderr, --alsologtostderr, --log-dir, ")
    assert run(["rules", "between", "kubernetes=1.7.16", "kubernetes=1.8.15", "--json"]) == ExitCode.DONE
    document = json.loads(capsys.readouterr().out)
    assert document["lines"] == ["1.7", "1.8"]
    assert {row["line"] for row in document["rules"]} == {"1.8"}
    assert run(["rules", "between", "etcd=3.5.16", "etcd=3.5.16"]) == ExitCode.DONE
    assert "nothing that is known bites" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "code", "says"),
    [("kubernetes=next", "kubernetes=1.8.0", ExitCode.USAGE, "is not COMPONENT=VERSION"),
     ("kubernetes", "kubernetes=1.8.0", ExitCode.USAGE, "is not COMPONENT=VERSION"),
     ("etcd=3.4.23", "calico=3.1.7", ExitCode.USAGE, "are not the same component"),
     ("flannel=1.0.0", "flannel=1.1.0", ExitCode.USAGE, "no rules are known about 'flannel'"),
     ("kubernetes=1.10.13", "kubernetes=1.7.16", ExitCode.NO_PLAN, "no hops of kubernetes lead from 1.10.13 to 1.7.16")],
)  # fmt: skip
def test_refuses_what_it_cannot_answer(
    old: str, new: str, code: ExitCode, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["rules", "between", old, new]) == code
    assert says in capsys.readouterr().err
