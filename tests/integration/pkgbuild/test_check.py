"""`kubedeb build --check`: everything that it varies is caught when a package depends on it, and stated when none does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import samplerecipe
from kubedeb.cli import run
from kubedeb.errors import ExitCode
from pkgbuild.variation import VARIATIONS, impossible

pytestmark = [pytest.mark.docker, pytest.mark.turn]
CULPRITS = {
    "build path": "pwd",
    "time": "date --utc +%F",
    "locale": 'echo "$$LC_ALL"',
    "time zone": "date +%Z",
    "umask": "umask",
    "host name": "uname -n",
    "domain": "uname -n | cut -s -d. -f2-",
    "user and group": "id -u",
    "home": 'echo "$$HOME"',
    "search path": 'echo "$$PATH"',
    "environment": "env | grep -c CAPTURE || true",
    "processors": "nproc",
    "kernel": "uname -r",
}
"""What a careless debian/rules writes into a package, for each variation."""
HIDDEN = {"umask"}
"""dh sets 0022 (Debian bug 944691), so what runs below it cannot see this one; what runs before it can."""


def package(name: str) -> str:
    return f"with-{name.replace(' ', '-')}"


def write(folder: Path, culprits: dict[str, str]) -> Path:
    """Write a recipe with the package `hello`, which depends on nothing, and one package for each culprit."""
    listed = "".join(f"  - name: {package(name)}\n    copies: {{}}\n    contents: [/usr/share/chance]\n" for name in culprits)
    lines = "".join(
        f"\tmkdir -p debian/{package(name)}/usr/share\n\t({what}) >debian/{package(name)}/usr/share/chance\n"
        for name, what in culprits.items()
    )
    rules = samplerecipe.RULES + (f"execute_after_dh_install:\n{lines}" if culprits else "")
    samplerecipe.write_recipe(folder, samplerecipe.RECIPE.replace("versions:\n", f"{listed}versions:\n", 1), rules=rules)
    control = samplerecipe.CONTROL + "".join(
        f"\nPackage: {package(name)}\nArchitecture: {{{{ architecture }}}}\nDepends: ${{misc:Depends}}\n"
        f"Description: depends on the {name}\n It should not.\n"
        for name in culprits
    )
    (folder / "hello/debian/control.j2").write_text(control)
    return folder


def check(folder: Path, sandbox: str, out: Path | None = None) -> int:
    where = ["--recipes", str(folder)]
    assert run(["recipe", "fetch", "hello", *where, "--from", str(folder / "sources")]) == ExitCode.DONE
    more = ["-o", str(out)] if out else []
    return run(["build", "hello", *where, "--check", "--no-lintian", "--no-root-tests", "--sandbox", sandbox, *more])


def test_every_variation_has_a_culprit() -> None:
    from pkgbuild.sandbox import SandboxKind

    assert CULPRITS.keys() == {one.name for one in VARIATIONS} - impossible(SandboxKind.DOCKER).keys()


def test_each_culprit_is_caught(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(write(tmp_path / "recipes", CULPRITS), "docker") == ExitCode.BUILD
    shown = capsys.readouterr().err
    assert "is not reproducible: two builds gave different packages" in shown
    differing = {line.split("_")[0].strip() for line in shown.splitlines() if "_amd64.deb: " in line and " then " in line}
    assert differing == {package(name) for name in CULPRITS.keys() - HIDDEN}
    stated = [json.loads(line) for line in next(store.glob("builds/*/hello_*.intoto.jsonl")).read_text().splitlines()]
    assert [one["predicate"]["verdict"] for one in stated if one["predicateType"].endswith("/reproduced/v1")] == ["fail"]


def test_a_good_package_passes_and_says_what_was_varied(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path / "recipes", {})
    assert check(folder, "docker", tmp_path / "out") == ExitCode.DONE
    shown = capsys.readouterr().err
    assert "umask: 0022 → 0002" in shown
    assert "order of files: not varied, disorderfs" in shown
    lines = (tmp_path / "out/hello_1.10-1~deb12u1_amd64.intoto.jsonl").read_text().splitlines()
    said = [json.loads(line) for line in lines]
    assert said[-1]["predicate"]["verdict"] == "pass"
    assert {one["name"] for one in said[-1]["predicate"]["varied"]} == set(CULPRITS)
    assert check(folder, "docker") == ExitCode.DONE  # the amended build still counts as held
    assert "built again, the same bytes" in capsys.readouterr().err


def test_what_cannot_be_varied_fails_the_check(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pkgbuild.check.LIBRARY", tmp_path / "none")
    assert check(write(tmp_path / "recipes", {}), "docker") == ExitCode.SANDBOX
    assert "--check could not vary: time" in capsys.readouterr().err
