"""`kubedeb build --check`: everything that it varies is caught when a package depends on it, and stated when none does."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import checkedrecipes
import kindsamples
import samplerecipe
from kubedeb.cli import run
from kubedeb.errors import ExitCode
from pkgbuild.check import LIBRARY
from pkgbuild.otherorder import MEMORY, PREFIX
from pkgbuild.variation import FAKETIME, VARIATIONS, environment, impossible

pytestmark = pytest.mark.docker
QUICK = ("--no-lintian", "--no-root-tests")
SHIPPED = [folder for folder, kind in checkedrecipes.shipped() if kind == "prebuilt"]
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
    "order of files": "mkdir order && cd order && touch h c f a d g b e && ls -U",
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

    assert CULPRITS.keys() == {one.name for one in VARIATIONS} - impossible(SandboxKind.DOCKER, 2).keys()


@pytest.mark.turn("rarer looks")
@pytest.mark.parametrize("sandbox", ["docker", "unshare"])
def test_each_culprit_is_caught(
    sandbox: str, store: Path, with_root: Callable[[Path], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_root(store)
    assert check(write(tmp_path / "recipes", CULPRITS), sandbox) == ExitCode.BUILD
    shown = capsys.readouterr().err
    assert "is not reproducible: two builds gave different packages" in shown
    differing = {line.split("_")[0].strip() for line in shown.splitlines() if "_amd64.deb: " in line and " then " in line}
    assert differing == {package(name) for name in CULPRITS.keys() - HIDDEN}
    stated = [json.loads(line) for line in next(store.glob("builds/*/hello_*.intoto.jsonl")).read_text().splitlines()]
    assert [one["predicate"]["verdict"] for one in stated if one["predicateType"].endswith("/reproduced/v1")] == ["fail"]


@pytest.mark.turn("rarer looks")
@pytest.mark.parametrize("sandbox", ["docker", "unshare"])
def test_a_good_package_passes_and_says_what_was_varied(
    sandbox: str, store: Path, with_root: Callable[[Path], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_root(store)
    folder = write(tmp_path / "recipes", {})
    assert check(folder, sandbox, tmp_path / "out") == ExitCode.DONE
    shown = capsys.readouterr().err
    assert "umask: 0022 → 0002" in shown
    assert "environment: none → i_capture_the_environment" in shown
    assert re.search(r"order of files: ([a-h ]+) → (?!\1$)[a-h ]+$", shown, re.MULTILINE)
    assert ("address space layout: 0 → 262144" in shown) == (sandbox == "unshare")
    assert list(MEMORY.glob(f"{PREFIX}*")) == []
    lines = (tmp_path / "out/hello_1.10-1~deb12u1_amd64.intoto.jsonl").read_text().splitlines()
    said = [json.loads(line) for line in lines]
    assert said[-1]["predicate"]["verdict"] == "pass"
    both = {"docker": set(), "unshare": {"address space layout"}}
    assert {one["name"] for one in said[-1]["predicate"]["varied"]} == set(CULPRITS) | both[sandbox]
    assert check(folder, sandbox) == ExitCode.DONE  # the amended build still counts as held
    assert "built again, the same bytes" in capsys.readouterr().err


def test_a_source_package_with_patches_is_unpacked(tmp_path: Path) -> None:
    """The last of what dpkg-source does is to touch its list of patches, at a time that libfaketime has got wrong."""
    tree = tmp_path / "patched-1"
    who = "A <a@localhost>"
    for name, text in {
        "said": "one\n",
        "debian/control": f"Source: patched\nMaintainer: {who}\n\nPackage: patched\nArchitecture: all\nDescription: a\n",
        "debian/changelog": f"patched (1-1) sid; urgency=low\n\n  * A.\n\n -- {who}  Mon, 23 Nov 2026 12:00:00 +0000\n",
        "debian/source/format": "3.0 (quilt)\n",
        "debian/patches/series": "two.patch\n",
        "debian/patches/two.patch": "--- a/said\n+++ b/said\n@@ -1 +1 @@\n-one\n+two\n",
    }.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    subprocess.run(["tar", "-czf", "patched_1.orig.tar.gz", "--exclude=debian", tree.name], cwd=tmp_path, check=True)
    subprocess.run(["dpkg-source", "--build", tree.name], cwd=tmp_path, check=True, capture_output=True)
    argv = ["dpkg-source", "--extract", "patched_1-1.dsc", "unpacked"]
    here = {name: value.replace(FAKETIME, str(LIBRARY)) for name, value in environment(argv).items()}
    subprocess.run(argv, cwd=tmp_path, check=True, capture_output=True, env={"PATH": os.environ["PATH"], **here})
    assert (tmp_path / "unpacked/said").read_text() == "two\n"


@pytest.mark.turn
def test_what_cannot_be_varied_fails_the_check(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pkgbuild.check.LIBRARY", tmp_path / "none")
    assert check(write(tmp_path / "recipes", {}), "docker") == ExitCode.SANDBOX
    assert "--check could not vary: time" in capsys.readouterr().err


@pytest.mark.parametrize("name", checkedrecipes.samples("prebuilt"))
def test_every_prebuilt_sample_is_reproducible(name: str, store: Path, tmp_path: Path, kept: Path) -> None:
    assert checked(name, "docker", tmp_path, kept) == ExitCode.DONE


# A go sample in the unshare sandbox takes most of a minute: too much for a day of CI.
SOURCE_SAMPLES = [
    *(
        pytest.param(name, "docker", marks=pytest.mark.turn("source recipes"))
        for name in checkedrecipes.samples("go", "debian")
    ),
    *(pytest.param(name, "unshare", marks=pytest.mark.turn("source recipes")) for name in checkedrecipes.samples("debian")),
    *(pytest.param(name, "unshare", marks=pytest.mark.long) for name in checkedrecipes.samples("go")),
]


@pytest.mark.parametrize(("name", "sandbox"), SOURCE_SAMPLES)
def test_a_source_sample_is_reproducible(
    name: str, sandbox: str, toolchain: Path, store: Path, with_root: Callable[[Path], Path], tmp_path: Path, kept: Path
) -> None:
    with_root(store)
    assert checked(name, sandbox, tmp_path, kept) == ExitCode.DONE


def checked(name: str, sandbox: str, tmp_path: Path, kept: Path) -> int:
    folder = kindsamples.lay_out(tmp_path / "recipes", name)
    cache = kindsamples.fill_cache(folder, kept / "sources")
    where = ["--recipes", str(folder), "--cache", str(cache)]
    return run(["build", name, *where, "--check", *QUICK, "--sandbox", sandbox])


@pytest.mark.turn("compiled", "etcd")
@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_prebuilt_recipe_is_reproducible(
    name: str, etcd: Any, kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every version that the shipped recipes' fixture built, built again in docker."""
    # In a copy: a check writes the build's log anew, and other tests read the one that tells of its inspection.
    shutil.copytree(etcd.out.parent / "store", tmp_path / "store")
    where = ["--store", str(tmp_path / "store"), "--cache", str(kept / "sources")]
    assert run(["build", name, "--check", "--jobs", "2", *QUICK, *where]) in (ExitCode.DONE, ExitCode.SOURCE_GONE)
    again = capsys.readouterr().err.count("built again, the same bytes")
    assert again == sum(build["recipe"] == name and bool(build["packages"]) for build in etcd.builds)


@pytest.mark.turn
def test_a_shipped_recipe_is_reproducible_in_the_unshare_sandbox(
    store: Path, with_root: Callable[[Path], Path], kept: Path
) -> None:
    with_root(store)
    argv = ["build", "etcd@3.4.23", "--check", "--sandbox", "unshare", *QUICK]
    assert run([*argv, "--cache", str(kept / "sources")]) == ExitCode.DONE


@pytest.mark.long
@pytest.mark.parametrize("name", [folder for folder, kind in checkedrecipes.shipped() if kind != "prebuilt"] or ["none"])
def test_every_shipped_source_recipe_is_reproducible(name: str, store: Path, kept: Path) -> None:
    if name != "none":
        assert run(["build", name, "--check", *QUICK, "--cache", str(kept / "sources")]) == ExitCode.DONE
