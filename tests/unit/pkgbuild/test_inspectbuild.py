"""The verdict on a build: who judged, who did not and why, and that it holds nothing that varies."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

import debs
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import canonical_json
from pkgbuild import inspectbuild
from pkgbuild.finding import Finding, Judge, Level, LintVerdict
from pkgbuild.inspectbuild import NOBODY, Inspector, inspect_build, refuse
from pkgbuild.lintian import Said

SAID = Said("2.116.3", (Finding(Level.WARNING, "lintian:no-manual-page", "hello", "no-manual-page"),), ("hello: x",))


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    return debs.write_deb(tmp_path, "hello", "1-1")


def test_who_was_not_asked_is_said(hello: Path) -> None:
    found = inspect_build([hello], [], Inspector(lintian=False, why_no_root="--no-root-tests"))
    assert found.verdict.verdict == "incomplete"
    assert [(judge.name, judge.skipped) for judge in found.verdict.judges] == [
        ("kubedeb-lint", ""), ("lintian", "not asked for"), ("root-tests", "--no-root-tests"),
    ]  # fmt: skip
    assert list(found.seconds) == ["lint"]


def test_the_version_of_lintian_that_judged_is_recorded(hello: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Sequence[Path]] = []
    monkeypatch.setattr(inspectbuild.lintian, "ask", lambda packages, _: asked.append(packages) or SAID)
    found = inspect_build([hello], [], Inspector(lintian=True))
    assert asked == [[hello]]
    assert Judge("lintian", "2.116.3") in found.verdict.judges
    assert (found.verdict.verdict, found.verdict.overridden, found.verdict.findings) == ("failed", ("hello: x",), SAID.findings)
    with pytest.raises(KubedebError, match="hello 1-1 are not fit") as error:
        refuse("hello 1-1", found.verdict)
    assert error.value.code == ExitCode.LINT
    assert error.value.details == "hello: no-manual-page [lintian:no-manual-page]"


def test_the_upgrade_lint_is_asked_always(tmp_path: Path) -> None:
    found = inspect_build([debs.write_deb(tmp_path, "hello", "1:1-1")], [], NOBODY)
    assert [finding.rule for finding in found.verdict.findings] == ["epoch"]


VERDICTS: dict[str, tuple[LintVerdict, str]] = {
    "passed": (LintVerdict((Judge("a", "1"),), (), (), (Finding(Level.NOTE, "r", "p", "t"),)), "passed"),
    "incomplete": (LintVerdict((Judge("a", "", "why"),), (), (), ()), "incomplete"),
    "failed": (LintVerdict((Judge("a", "", "why"),), (), (), (Finding(Level.WARNING, "r", "p", "t"),)), "failed"),
}


@pytest.mark.parametrize("what", VERDICTS)
def test_verdicts(what: str) -> None:
    verdict, said = VERDICTS[what]
    assert verdict.verdict == said
    if said != "failed":
        refuse("x", verdict)


def test_a_verdict_is_the_same_each_time_and_names_no_place(hello: Path, tmp_path: Path) -> None:
    again = tmp_path / "elsewhere"
    again.mkdir()
    other = again / hello.name
    other.write_bytes(hello.read_bytes())
    texts = {canonical_json(inspect_build([path], [], NOBODY).verdict.as_dict()) for path in (hello, other)}
    assert len(texts) == 1
    text = texts.pop()
    assert str(tmp_path) not in text
    assert set(json.loads(text)) == {"verdict", "judges", "rules", "overridden", "findings"}
