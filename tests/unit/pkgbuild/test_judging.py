"""A stored build that lacks a verdict is judged where it lies, by those alone who have not judged it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

import debs
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import sha256_of, write_text
from pkgbuild import inspectbuild, statement
from pkgbuild.attest import STATEMENTS, read_lines
from pkgbuild.finding import LINTIAN, ROOTS, Finding, Judge, Level, LintVerdict, lacking
from pkgbuild.inspectbuild import Inspector, merged
from pkgbuild.judging import VERDICT, judge_stored, keep_verdict, read_verdict
from pkgbuild.lintian import Said
from pkgbuild.plan import Verb, plan
from pkgbuild.rootcheck import Tried
from pkgbuild.spec import BuildSpec
from pkgbuild.store import BuildResult, BuiltPackage, Store

SPEC = BuildSpec("hello", "1", "1-1", "bookworm", "amd64", "prebuilt", 0, "s/c", (), (), (), (), "", "", "")
OWN, NOTE = Judge("kubedeb-lint", "1"), Level.NOTE
UNASKED = LintVerdict((OWN, Judge(LINTIAN, "", "not asked for"), Judge(ROOTS, "", "--no-root-tests")), ("r",), (), ())
GOOD, BAD = Said("2.116", (), ("hello: a-tag",)), Said("2.116", (Finding(Level.WARNING, "lintian:x", "hello", "x"),), ())
BOTH = Inspector(lintian=True, open_root=lambda _: pytest.fail("the tests' roots are not opened"))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return who is asked; all are content."""
    names: list[str] = []
    monkeypatch.setattr(inspectbuild.lintian, "ask", lambda *_: names.append(LINTIAN) or GOOD)
    monkeypatch.setattr(inspectbuild, "try_out", lambda *_: names.append(ROOTS) or Tried((), "0-1"))
    return names


def stored(folder: Path, verdict: LintVerdict | None = UNASKED, judged: tuple[str, ...] = ("lint",)) -> Store:
    """Return a store that holds one build, judged by these."""
    store = Store(folder)
    with store.building(SPEC) as made:
        deb = debs.write_deb(made, "hello", "1-1")
        for name in ("x.changes", "x.buildinfo", deb.with_suffix(STATEMENTS).name):
            write_text(made / name, "")
        package = BuiltPackage("hello", "1-1", "amd64", deb.name, deb.stat().st_size, sha256_of(deb))
        names = (deb.with_suffix(STATEMENTS).name,)
        result = BuildResult((package,), "x.changes", "x.buildinfo", 1.0, dict.fromkeys(judged, 0.5), names)
        if verdict:
            keep_verdict(made, verdict)
        store.record(made, SPEC, result)
    return store


def judge(store: Store, inspector: Inspector = BOTH) -> BuildResult:
    result = judge_stored(SPEC, store, inspector, lambda: pytest.fail("nobody else is at it"), lambda: False)
    assert result is not None
    return result


LACKING: dict[str, tuple[LintVerdict | None, tuple[str, ...], list[str]]] = {
    "both": (UNASKED, ("lint",), [LINTIAN, ROOTS]),
    "lintian": (UNASKED, ("lint", ROOTS), [LINTIAN]),
    "the root tests": (UNASKED, ("lint", LINTIAN), [ROOTS]),
    "none": (UNASKED, ("lint", LINTIAN, ROOTS), []),
    "one, and the verdict is lost": (None, ("lint", LINTIAN), [LINTIAN, ROOTS]),
}


@pytest.mark.parametrize("what", LACKING)
def test_only_who_has_not_judged_is_asked(what: str, tmp_path: Path, asked: list[str]) -> None:
    verdict, judged, expected = LACKING[what]
    store = stored(tmp_path, verdict, judged)
    result = judge(store)
    assert sorted(asked) == expected
    assert set(result.inspection) == {"lint", LINTIAN, ROOTS}
    assert store.result(SPEC, verify=True) == result
    assert judge(store) == result
    assert sorted(asked) == expected


def test_the_verdict_of_all_is_stated(tmp_path: Path, asked: list[str]) -> None:
    store = stored(tmp_path)
    judge(store, BOTH.only([LINTIAN]))
    [statements] = store.build_folder(SPEC).glob(f"*{STATEMENTS}")
    assert read_lines(statements) == []  # the root tests have not run: nothing is stated yet
    judge(store)
    [line] = read_lines(statements)
    assert (line["predicateType"], line["predicate"]["verdict"]) == (statement.LINT, "pass")
    verdict = read_verdict(store.build_folder(SPEC))
    assert verdict is not None
    assert {one.name: one.version for one in verdict.judges if one.name != OWN.name}[LINTIAN] == "2.116"
    assert [one.against for one in verdict.judges if one.name == ROOTS] == ["0-1"]
    assert verdict.overridden == ("hello: a-tag",)
    assert "root-tests: " in store.log(SPEC).read_text()


def test_what_does_not_pass_leaves_the_store_as_it_was(
    tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = stored(tmp_path)
    monkeypatch.setattr(inspectbuild.lintian, "ask", lambda *_: BAD)
    before = store.result(SPEC)
    with pytest.raises(KubedebError, match="hello 1-1") as error:
        judge(store)
    assert error.value.code is ExitCode.LINT
    assert (store.result(SPEC), read_verdict(store.build_folder(SPEC))) == (before, UNASKED)
    assert "x [lintian:x]" in store.log(SPEC).read_text()


def test_a_build_that_is_gone(tmp_path: Path) -> None:
    assert judge_stored(SPEC, Store(tmp_path), BOTH, lambda: None, lambda: False) is None


def of(*findings: str, lintian: str = "", roots: str = "", overridden: tuple[str, ...] = ()) -> LintVerdict:
    judges = (OWN, Judge(LINTIAN, lintian, "" if lintian else "not asked for"), Judge(ROOTS, roots, "" if roots else "no"))
    found = tuple(Finding(NOTE, rule, "hello", "") for rule in sorted(findings))
    return LintVerdict(judges, ("r",), overridden, found)


MERGED: dict[str, tuple[LintVerdict, LintVerdict, LintVerdict]] = {
    "lintian after the root tests": (
        of("root-left", "epoch", roots="1"), of("lintian:a", "restart", lintian="2", overridden=("hello: b",)),
        of("root-left", "lintian:a", "restart", lintian="2", roots="1", overridden=("hello: b",)),
    ),
    "the root tests after lintian": (
        of("lintian:a", lintian="2", overridden=("hello: b",)), of("root-left", roots="1"),
        of("root-left", "lintian:a", lintian="2", roots="1", overridden=("hello: b",)),
    ),
    "both": (of(), of("lintian:a", lintian="2", roots="1"), of("lintian:a", lintian="2", roots="1")),
    "a verdict in the place of an older one": (
        of("lintian:a", "root-x", lintian="1", roots="1"), of("lintian:b", lintian="2"),
        of("lintian:b", "root-x", lintian="2", roots="1"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", MERGED)
def test_verdicts_are_merged(what: str) -> None:
    before, now, expected = MERGED[what]
    assert merged(before, now) == expected


def test_a_verdict_is_read_back() -> None:
    verdict = of("lintian:a", lintian="2", overridden=("hello: b",))
    assert LintVerdict.from_data(json.loads(json.dumps(verdict.as_dict()))) == verdict


BROKEN: dict[str, Callable[[Path], object]] = {
    "gone": lambda path: path.unlink(),
    "no JSON": lambda path: path.write_text("{"),
    "another form": lambda path: path.write_text('{"judges": [{"names": 1}], "rules": [], "overridden": [], "findings": []}'),
    "another level": lambda path: path.write_text(path.read_text().replace('"note"', '"fatal"')),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_verdict_that_cannot_be_read_counts_as_none(what: str, tmp_path: Path) -> None:
    keep_verdict(tmp_path, of("epoch"))
    assert read_verdict(tmp_path) == of("epoch")
    BROKEN[what](tmp_path / VERDICT)
    assert read_verdict(tmp_path) is None


PLANS = {
    "nothing lacks": ((), False, Verb.SKIP, ""),
    "a verdict lacks": ((LINTIAN,), False, Verb.INSPECT, ", not judged yet by lintian"),
    "two lack": ((LINTIAN, ROOTS), False, Verb.INSPECT, ", not judged yet by lintian and root-tests"),
    "a check asks too": ((ROOTS,), True, Verb.REBUILD, ", not judged yet by root-tests, --check compares"),
}


@pytest.mark.parametrize("what", PLANS)
def test_the_plan_for_what_is_stored(what: str) -> None:
    names, check, verb, said = PLANS[what]
    action = plan(SPEC, stored=True, earlier=None, check=check, lacking=names)
    assert (action.verb, action.reason) == (verb, f"the store holds this build ({SPEC.digest[:12]}){said}")
    assert plan(SPEC, stored=False, earlier=None, check=check, lacking=names).verb is Verb.BUILD


def test_who_lacks() -> None:
    assert lacking({"lint": 1.0}, lintian=True, root_tests=False) == (LINTIAN,)
    assert lacking({"lint": 1.0, ROOTS: 2.0}, lintian=True, root_tests=True) == (LINTIAN,)
    assert dataclasses.replace(BOTH, open_root=None).lacking(["lint", LINTIAN]) == ()
