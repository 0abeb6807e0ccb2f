"""What a run says of each build, and what it ends with."""

from __future__ import annotations

import dataclasses

import pytest

from kubedeb.errors import ExitCode, KubedebError
from pkgbuild.baselock import BaseLock
from pkgbuild.indexentry import IndexEntry
from pkgbuild.outcome import Outcome, blocked, summary, trouble
from pkgbuild.plan import Action, Verb, earlier, stale
from pkgbuild.spec import BuildSpec
from pkgbuild.store import BuildResult

SPEC = BuildSpec("a", "1", "1-1", "bookworm", "amd64", "prebuilt", 0, "s/c", (), (), (), (), "old", "layer", "stage")
B, C = dataclasses.replace(SPEC, recipe="b"), dataclasses.replace(SPEC, recipe="c")
RESULT = BuildResult((), "x.changes", "x.buildinfo", 1.25)
BUILT = Outcome(Action(Verb.BUILD, SPEC, "new"), RESULT)
HELD = Outcome(Action(Verb.SKIP, SPEC, "held"), RESULT)
FAILED = Outcome(Action(Verb.BUILD, B, "new"), None, KubedebError("b broke", code=ExitCode.BUILD_CONTENTS, details="why"))
GONE = Outcome(Action(Verb.BUILD, C, "new"), None, KubedebError("c is gone", code=ExitCode.SOURCE_GONE), begun=False)


def test_the_summary_says_what_became_of_each() -> None:
    assert summary([BUILT, HELD, FAILED, GONE]) == [
        ("a 1-1 (amd64)", "built", "1.2", "new"),
        ("a 1-1 (amd64)", "nothing to do", "", "held"),
        ("b 1-1 (amd64)", "FAILED", "", "b broke"),
        ("c 1-1 (amd64)", "NOT RUN", "", "c is gone"),
    ]
    assert [row[1] for row in summary([BUILT, HELD], dry=True)] == ["would build", "nothing to do"]


def test_a_run_ends_with_the_first_failure() -> None:
    assert trouble([]) is None
    assert trouble([BUILT, HELD]) is None
    assert trouble([FAILED]) is FAILED.error
    error = trouble([BUILT, FAILED, GONE])
    assert error is not None
    assert error.code is ExitCode.BUILD_CONTENTS
    assert error.brief == "2 of 3 builds failed or did not run"
    assert error.details == "b broke\nwhy\nc is gone"
    other = trouble([GONE, FAILED])
    assert other is not None
    assert other.code is ExitCode.SOURCE_GONE


def test_what_is_blocked_says_by_whom_and_has_its_code() -> None:
    outcome = blocked(Action(Verb.BUILD, SPEC, ""), [FAILED])
    assert outcome.what == "not-run"
    assert outcome.error is not None
    assert outcome.error.brief == "NOT RUN: a 1-1 (amd64) needs b 1-1 (amd64)"
    assert outcome.error.details == "b broke"
    assert outcome.error.code is ExitCode.BUILD_CONTENTS


def lock(**versions: str) -> BaseLock:
    return BaseLock(
        "bookworm", "amd64", (), tuple(IndexEntry(name, version, "amd64", version) for name, version in versions.items())
    )


NEW = lock(a="1", b="3", c="2", d="2", e="2")
STALE = {
    "never built": (None, None, ""),
    "the recipe alone differs": ({**SPEC.as_dict(), "tree": [["debian/rules", "x"]]}, None, ""),
    "an unknown base": ({**SPEC.as_dict(), "base": "older"}, None, "the base root"),
    "a known base": ({**SPEC.as_dict(), "base": "older"}, lock(a="1", b="2"), "the base root: b 2 → 3"),
    "many news": (
        {**SPEC.as_dict(), "base": "older"}, lock(b="2", c="1", d="1", e="1"),
        "the base root: b 2 → 3, c 1 → 2, d 1 → 2 and 1 more",
    ),
    "only more packages": ({**SPEC.as_dict(), "base": "older"}, lock(a="1"), "the base root: other packages are in it"),
    "build dependencies and stage": (
        {**SPEC.as_dict(), "layer": "", "sandbox": ""}, None,
        "the build dependencies; the sandbox (the Dockerfile's first stage)"
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", STALE)
def test_why_a_build_is_stale(what: str) -> None:
    before, old, reason = STALE[what]
    assert stale(SPEC, before, old, NEW) == reason


def test_earlier_is_the_newest_other_build_of_the_same_package_version() -> None:
    one, two = (dataclasses.replace(SPEC, base=base).as_dict() for base in ("1", "2"))
    others = [dataclasses.replace(SPEC, package_version="1-2").as_dict(), B.as_dict(), {"digest": "x"}]
    assert earlier(SPEC, [one, two, *others, SPEC.as_dict()]) == two
    assert earlier(SPEC, [*others, SPEC.as_dict()]) is None
