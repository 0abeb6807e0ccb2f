"""`kubedeb rebuild`: what was built is built again in the recorded root, and whatever was changed is told."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import kindsamples
from kubedeb.cli import run
from kubedeb.errors import ExitCode
from pkgbuild import diffoscope, rebuild
from pkgbuild.dsse import payload
from pkgbuild.store import Store

pytestmark = pytest.mark.docker
QUICK = ("--no-lintian", "--no-root-tests")
NAME = "hello-daemon_1.0-1~deb12u1_all"


@pytest.fixture
def built(store_with_root: Callable[[str], Path], kept: Path, tmp_path: Path) -> list[str]:
    """Build a sample into `out` and return the options of its rebuild."""
    recipes = kindsamples.lay_out(tmp_path / "recipes", "hello-daemon")
    cache = kindsamples.fill_cache(recipes, kept / "sources")
    where = ["--recipes", str(recipes), "--store", str(store_with_root("store")), "--cache", str(cache), "--sandbox", "unshare"]
    assert run(["build", "hello-daemon", *where, *QUICK, "-o", str(tmp_path / "out")]) == ExitCode.DONE
    return where


def buildinfo(folder: Path) -> Path:
    return next(folder.glob("*.buildinfo"))


@pytest.mark.turn("builds that take long")
def test_a_build_is_reproduced_and_what_was_changed_is_told(
    built: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, again = tmp_path / "out", tmp_path / "again"
    capsys.readouterr()
    assert run(["rebuild", str(buildinfo(out)), *built, "-o", str(again), "--attest", "--json"]) == ExitCode.DONE
    said = json.loads(capsys.readouterr().out)
    recorded = set(re.findall(r"^ (\S+) \(= (\S+)\),?$", buildinfo(out).read_text(), re.MULTILINE))
    assert {(one["name"], one["version"]) for one in said["root"]["packages"]} == recorded
    assert len(recorded) > 100
    assert (again / f"{NAME}.deb").read_bytes() == (out / f"{NAME}.deb").read_bytes()
    # dpkg wrote down what it found in the remade root: the very same packages.
    assert set(re.findall(r"^ (\S+) \(= (\S+)\),?$", buildinfo(again).read_text(), re.MULTILINE)) == recorded
    lines = [payload(json.loads(line)) for line in (out / f"{NAME}.intoto.jsonl").read_text().splitlines()]
    (verdict,) = [line["predicate"] for line in lines if line["predicateType"].endswith("reproduced/v1")]
    assert (verdict["verdict"], verdict["against"]) == ("pass", "buildinfo")
    store = Path(built[built.index("--store") + 1])
    assert sorted(path.name for path in (store / "bases").glob("*.zst")) == [
        Store(store).root_file(base).name for base in Store(store).bases()
    ]
    assert len(list(store.glob("roots-*/*"))) == 1  # that of the base alone

    # A package that is nowhere is told before anything is made.
    monkeypatch.setattr(rebuild, "make_root", lambda *_: pytest.fail("a root is made although a package is gone"))
    lost = tmp_path / "lost"
    shutil.copytree(out, lost)
    text = buildinfo(out).read_text()
    buildinfo(lost).write_text(re.sub(r"^ make \(= .*\)", " make (= 0.1-1)", text, flags=re.MULTILINE))
    assert run(["rebuild", str(buildinfo(lost)), *built]) == ExitCode.SOURCE_GONE
    assert "make 0.1-1" in capsys.readouterr().err


@pytest.mark.turn("builds that take long")
@pytest.mark.parametrize("what", ["record", "artifact"])
def test_a_changed_record_or_artifact_is_told_as_different(
    what: str, built: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    deb = out / f"{NAME}.deb"
    digest = kindsamples.digest(deb)
    if what == "record":
        buildinfo(out).write_text(buildinfo(out).read_text().replace(digest, "0" * 64))
    else:
        deb.write_bytes(deb.read_bytes() + b"\n")
    monkeypatch.setattr(diffoscope, "run", not_installed)
    capsys.readouterr()
    assert run(["rebuild", str(buildinfo(out)), *built]) == ExitCode.NOT_REPRODUCED
    shown = capsys.readouterr()
    assert f"{NAME}.deb  {digest}  DIFFERS" in shown.out
    assert "error: hello-daemon 1.0-1~deb12u1 is not reproduced" in shown.err
    if what == "record":
        assert f"{NAME}.deb: recorded {'0' * 64}" in shown.err
        assert "is not the recorded file, but the rebuilt one" in shown.err
    else:
        assert "is not the recorded file, nor the rebuilt one" in shown.err
        assert diffoscope.NOT_INSTALLED in shown.err


def not_installed(argv: list[object], **how: object) -> None:
    """Run a program that no machine has, as `diffoscope` is on some."""
    from kubedeb.process import run as run_process

    run_process(["no-such-program", *argv[1:]], **how)  # type: ignore[arg-type,list-item]


def test_diffoscope_says_what_differs(tmp_path: Path) -> None:
    (tmp_path / "before").write_text("one\n")
    (tmp_path / "after").write_text("two\n")
    said = diffoscope.summary(tmp_path / "before", tmp_path / "after", tmp_path / "report.txt")
    assert "-one" in said
    assert "+two" in said
    assert said.endswith(f"The whole report: {tmp_path}/report.txt")


def test_no_buildinfo_and_no_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.buildinfo").write_text("Source: a\n")
    assert run(["rebuild", str(tmp_path / "a.buildinfo")]) == ExitCode.PACKAGE
    assert run(["rebuild", str(tmp_path / "none.buildinfo")]) == ExitCode.PACKAGE
    text = "Source: a\nVersion: 1-1~deb12u1\nBuild-Architecture: amd64\nChecksums-Sha256:\n 00 1 a_1_all.deb\n"
    (tmp_path / "a.buildinfo").write_text(f"{text}Installed-Build-Depends:\n dash (= 1)\n")
    assert run(["rebuild", str(tmp_path / "a.buildinfo")]) == ExitCode.RECIPE
    assert "there is no recipe 'a'" in capsys.readouterr().err
