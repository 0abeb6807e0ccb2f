"""The rows: each has a source, each range and hop reads back, and a bad row is refused with its line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedeb.cli import run
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.knowledge import Confidence, RuleKind, Severity, load
from kubedeb.knowledge.ranges import Range
from kubedeb.knowledge.schema import DetectMode
from kubedeb.versions import Version

ROW = """rules:
  - id: a-rule
    component: etcd
    kind: {kind}
    from: "{before}"
    to: "{to}"
    what: something
    detect: {{mode: auto, how: look}}
    remedy: something else
    severity: {severity}
    confidence: {confidence}
    source: {source}
"""
FINE = {
    "kind": "hop",
    "before": "3.3.x",
    "to": "3.4.x",
    "severity": "forbid",
    "confidence": "verbatim",
    "source": "https://x.y/z",
}


def rows(folder: Path, **changes: str) -> Path:
    (folder / "rows.yaml").write_text(ROW.format(**{**FINE, **changes}))
    return folder


def test_each_row_has_a_source_and_each_forbid_is_verbatim() -> None:
    knowledge = load()
    assert len(knowledge.rules) >= 300
    assert all(rule.source for rule in knowledge.rules)
    assert all(flag.source for flag in knowledge.flags)
    assert all(rule.confidence is Confidence.VERBATIM for rule in knowledge.rules if rule.severity is Severity.FORBID)


def test_at_most_one_rule_in_ten_is_left_to_a_person() -> None:
    rules = load().rules
    manual = [rule.id for rule in rules if rule.detect.mode is DetectMode.MANUAL]
    assert len(manual) <= len(rules) / 10, manual


def test_what_is_left_to_a_person_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rules", "list", "--detect", "manual"]) == ExitCode.DONE
    lines = capsys.readouterr().out.splitlines()[1:]
    assert {line.split()[0] for line in lines} == {rule.id for rule in load().rules if rule.detect.mode is DetectMode.MANUAL}


def test_the_remedy_of_a_hop_sends_nobody_to_the_line_that_he_stands_on() -> None:
    """`cluster findings` names the hops that are ahead, so the remedy is read by one who may stand on `from` already."""
    hops = [rule for rule in load().rules if rule.kind is RuleKind.HOP]
    assert len(hops) > 50
    wrong = [rule.id for rule in hops if re.search(r"^(Go|Bring|Move|Upgrade)\b.* to \S+ first", rule.remedy)]
    assert wrong == []


def test_the_hops_make_one_way_up() -> None:
    knowledge = load()
    line: tuple[int, int] | None = (2, 2)
    way = []
    while line:
        way.append(f"{line[0]}.{line[1]}")
        line = knowledge.next_line("etcd", line)
    assert way == ["2.2", "2.3", "3.0", "3.1", "3.2", "3.3", "3.4", "3.5", "3.6", "3.7"]


@pytest.mark.parametrize(
    ("version", "rule"),
    [("3.5.0", "etcd-blocked-3.5.0-2"), ("3.5.2", "etcd-blocked-3.5.0-2"), ("3.5.3", "etcd-blocked-3.5.3-5"), ("3.5.6", None),
     ("3.0.0", "etcd-blocked-3.0.0"), ("3.0.1", None), ("3.4.19", None), ("3.4.21", "etcd-blocked-3.4.20-21"),
     ("3.4.22", None)],
)  # fmt: skip
def test_blocked_versions(version: str, rule: str | None) -> None:
    found = load().blocked("etcd", Version.parse(version))
    assert (found[0].id if found else None) == rule


@pytest.mark.parametrize(("version", "able"), [("3.2.32", False), ("3.3.0", True), ("3.5.16", True)])
def test_leadership_can_be_moved_since_3_3(version: str, able: bool) -> None:
    assert (load().capability("etcd", "move-leader", Version.parse(version)) is not None) == able


def test_traps_on_the_way() -> None:
    found = {rule.id for rule in load().between("etcd", Version.parse("3.1.20"), Version.parse("3.2.32"))}
    assert "etcd-9480-gate" in found
    assert "etcd-auth-3.5" not in found


@pytest.mark.parametrize(
    ("flag", "version", "accepted"),
    [("--debug", "3.4.23", True), ("--debug", "3.5.16", False), ("--logger", "3.3.25", False), ("--logger", "3.4.23", True),
     ("--socket-reuse-port", "3.4.23", False), ("--enable-v2", "3.5.16", True)],
)  # fmt: skip
def test_flags(flag: str, version: str, accepted: bool) -> None:
    row = next(row for row in load().flags if row.flag == flag)
    assert row.accepted_by(Version.parse(version)) == accepted


@pytest.mark.parametrize(
    ("old", "new", "lost"),
    [("3.3.25", "3.4.23", set()), ("3.4.23", "3.5.16", {"--debug", "--log-output", "--log-package-levels"}),
     ("3.4.23", "3.4.23", set()),
     # Nobody looked at 3.6, so nothing is said of it.
     ("3.5.16", "3.6.0", set())],
)  # fmt: skip
def test_flags_that_a_hop_loses(old: str, new: str, lost: set[str]) -> None:
    found = load().flags_lost("etcd", Version.parse(old), Version.parse(new))
    assert {row.flag for row in found} == lost
    assert all(row.remedy for row in found)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"confidence": "inferred"}, "a-rule forbids, so its source must say it verbatim"),
        ({"source": "somewhere"}, "a source is a URL"),
        ({"to": ">=3.4.0"}, "from and to are lines"),
        ({"to": "3.4"}, "is not a range"),
        ({"severity": "deny"}, "severity"),
        ({"kind": "capability"}, "capability"),
        ({"kind": "skew"}, "skew is there for a rule of kind skew"),
        ({"kind": "window"}, "window is there for a rule of kind window"),
    ],
)
def test_refuses_a_bad_row_with_its_line(tmp_path: Path, changes: dict[str, str], says: str) -> None:
    with pytest.raises(KubedebError) as caught:
        load(rows(tmp_path, **changes))
    assert caught.value.code is ExitCode.KNOWLEDGE
    assert str(caught.value).startswith(f"{tmp_path}/rows.yaml:")
    assert says in caught.value.render()


def test_refuses_an_id_that_is_there_twice(tmp_path: Path) -> None:
    rows(tmp_path)
    (tmp_path / "rows2.yaml").write_text((tmp_path / "rows.yaml").read_text())
    with pytest.raises(KubedebError, match=r"rows2.yaml:2: rule a-rule is there twice") as caught:
        load(tmp_path)
    assert "rows.yaml:2" in caught.value.details


def test_the_digest_changes_with_a_row(tmp_path: Path) -> None:
    first = load(rows(tmp_path)).digest
    load.cache_clear()
    assert load(rows(tmp_path, severity="note")).digest != first


versions = st.builds(Version, st.integers(0, 4), st.integers(0, 12), st.integers(0, 40))


@given(versions, versions, versions)
def test_a_range_holds_what_lies_between(low: Version, high: Version, version: Version) -> None:
    assert (version in Range.parse(f">={low} <{high}")) == (low <= version < high)
    assert (version in Range.parse(f"{low.major}.{low.minor}.x")) == (version.line == low.line)
    assert version in Range.parse("any")


@pytest.mark.parametrize("text", ["", "3.4", ">=3", "~3.4", "3.x", ">= 3.4.0"])
def test_refuses_what_is_no_range(text: str) -> None:
    with pytest.raises(ValueError, match=r"range|version"):
        Range.parse(text)


def test_lists_and_shows_rules(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rules", "list", "--component", "etcd"]) == ExitCode.DONE
    assert "etcd-hop-3.3-3.4" in capsys.readouterr().out
    assert run(["rules", "show", "etcd-hop-3.3-3.4"]) == ExitCode.DONE
    assert "upgrade_3_4.md@" in capsys.readouterr().out
    assert run(["rules", "show", "etcd-hop-3.3-3.4", "--json"]) == ExitCode.DONE
    assert '"place": "etcd.yaml:' in capsys.readouterr().out


def test_names_a_near_rule_and_the_known_components(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rules", "show", "etcd-hop-3.3-3.5"]) == ExitCode.USAGE
    assert "Did you mean 'etcd-hop-3." in capsys.readouterr().err
    assert run(["rules", "list", "--component", "etc"]) == ExitCode.USAGE
    assert "Known: calico, " in capsys.readouterr().err


def test_every_kind_is_used() -> None:
    assert {rule.kind for rule in load().rules} == set(RuleKind)
