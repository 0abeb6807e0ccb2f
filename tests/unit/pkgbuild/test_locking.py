"""Builds take what `base.update` locked, and nothing else locks: a lock is a decision, and a build decides nothing."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

import basesample
import kindsamples
import pkgbuild
from kubedeb.cli import run
from kubedeb.errors import ExitCode
from kubedeb.progress import progress
from pkgbuild import base
from pkgbuild.baselock import INCLUDE, BaseLock
from pkgbuild.cache import Cache
from pkgbuild.indexentry import IndexEntry
from pkgbuild.library import choose, find
from pkgbuild.locking import needing_them
from pkgbuild.recipe import Architecture, Suite
from pkgbuild.store import Store
from pkgbuild.target import Target

LOCK = BaseLock("bookworm", "amd64", INCLUDE, (IndexEntry("dpkg", "1", "amd64", "d" * 64),))
GO = ("golang-1.19-go",)


def where(tmp_path: Path) -> list[str]:
    folder = kindsamples.lay_out(tmp_path / "recipes", "hello-module", "hello-archive")
    return ["--recipes", str(folder), "--store", str(tmp_path / "store"), "--cache", str(tmp_path / "cache")]


@pytest.mark.parametrize("more", [(), ("--dry-run",), ("--offline",)])
def test_what_was_never_locked_is_not_built_and_the_command_is_named(
    more: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Store(tmp_path / "store").keep_base(LOCK)
    options = where(tmp_path)
    assert run(["build", "hello-module@1.10", *options, *more, "--json"]) == ExitCode.SANDBOX
    shown = capsys.readouterr()
    assert (
        "error: NOT RUN: hello-module 1.10-1~deb12u1 (amd64) build-depends on what was never locked: golang-1.19-go"
        in shown.err
    )
    assert shown.err.splitlines()[-1].strip() == f"kubedeb base update --missing {' '.join(options)}"
    [one] = json.loads(shown.out)["builds"]
    assert (one["action"], one["exit_status"]) == ("not-run", ExitCode.SANDBOX)
    assert not (tmp_path / "store/layers").exists()


def test_what_another_recipe_makes_is_built_with_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Store(tmp_path / "store").keep_base(LOCK)
    options = where(tmp_path)
    recipe = tmp_path / "recipes/hello-module/recipe.yaml"
    recipe.write_text(recipe.read_text().replace("[golang-1.19-go]", "[golang-1.19-go, hello-archive]"))
    (tmp_path / "recipes/broken").mkdir()
    (tmp_path / "recipes/broken/recipe.yaml").write_text("name: [\n")
    assert run(["build", "hello-module@1.10", *options]) == ExitCode.SANDBOX
    said = [line.strip() for line in capsys.readouterr().err.splitlines()]
    assert said[-4:] == [
        "hint: In one run with hello-archive it has their packages:",
        f"kubedeb build hello-module@1.10 hello-archive {' '.join(options)}",
        "This locks them, where bookworm has them, and leaves what is locked as it is:",
        f"kubedeb base update --missing {' '.join(options)}",
    ]


@pytest.mark.parametrize(("option", "code"), [("--offline", ExitCode.FETCH), ("--dry-run", ExitCode.SANDBOX)])
def test_a_run_that_must_not_make_a_base_says_so(
    option: str, code: ExitCode, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["build", "hello-archive", *where(tmp_path), option]) == code
    assert "there is no base for bookworm amd64 yet, and this run is to make none" in capsys.readouterr().err


class Newer(basesample.Apt):
    """An archive in which everything has a newer version by now."""

    def show(self, words: Sequence[str]) -> list[IndexEntry]:
        return [IndexEntry(word.partition("=")[0], "2", "amd64", "e" * 64) for word in words]

    def simulate(self, wants: Sequence[str]) -> str:
        return "".join(f"Inst {name} (2 Debian:12 [amd64])\n" for name in wants)


def test_missing_locks_what_never_was_and_leaves_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = Target(Suite.BOOKWORM, Architecture.AMD64, Store(tmp_path / "store"), Cache(tmp_path / "cache"))
    monkeypatch.setattr(base, "suite_apt", basesample.suite_apt)
    monkeypatch.setattr(base, "mmdebstrap", basesample.mmdebstrap)
    first = base.update(target, lambda _: {("jq",)}, progress(io.StringIO()), missing=True)
    assert first.reason == "there was none"
    monkeypatch.setattr(base, "suite_apt", lambda *_: basesample.given(Newer()))
    then = base.update(target, lambda _: {("jq",), ("make",)}, progress(io.StringIO()), missing=True)
    assert (then.lock, then.reason, [one.wants for one in then.layers]) == (first.lock, "", [("make",)])
    assert target.store.layer(first.lock.digest, ("jq",)) == first.layers[0].layer
    renewed = base.update(target, lambda _: {("jq",)}, progress(io.StringIO()))
    assert renewed.lock != first.lock


def test_who_needs_what_cannot_be_had_is_named(tmp_path: Path) -> None:
    folder = kindsamples.lay_out(tmp_path / "recipes", "hello-module", "hello-gopath", "hello-archive")
    chosen = choose(find([folder]), ["hello-module", "hello-gopath", "hello-archive"])
    assert needing_them(GO, chosen, Architecture.AMD64, {}) == ["hello-gopath", "hello-module"]
    assert needing_them(("jq",), chosen, Architecture.AMD64, {}) == []


CALLERS = {r"\.simulate\(": {"layers.py"}, r"(?<!def )\bresolve\(lock": {"layering.py"}, r"(?<!def )\brenew\(": {"base.py"}}
"""{a step on the way to apt's solver: the modules that take it}."""


@pytest.mark.parametrize("step", CALLERS)
def test_nothing_else_asks_the_solver(step: str) -> None:
    folder = Path(pkgbuild.__file__).parent
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*.py") if re.search(step, path.read_text())}
    assert found == CALLERS[step]
