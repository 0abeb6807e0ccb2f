"""A source package whose .dsc asks for more than the base has, with the real apt: locked once, installed, and known offline."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

import kindsamples
from kubedeb.cli import run
from kubedeb.errors import ExitCode
from kubedeb.process import run as run_process
from pkgbuild.store import Store

pytestmark = [pytest.mark.docker, pytest.mark.turn("builds that take long")]
ASKS = "Build-Depends: debhelper-compat (= 13), no-such-thing [armel] | time (>= 1), no-tests-here <!nocheck>"


def lay_out(folder: Path) -> list[str]:
    """Write the recipe of a source package that uses /usr/bin/time; return --recipes and fill the cache beside it."""
    tree, sources = folder / "sources/hello-daemon-1.0", folder / "recipes/sources"
    shutil.copytree(kindsamples.RECIPES / "sources/hello-daemon-1.0", tree)
    control, rules = tree / "debian/control", tree / "debian/rules"
    control.write_text(control.read_text().replace("Build-Depends: debhelper-compat (= 13)", ASKS))
    rules.write_text(rules.read_text() + "\nexecute_before_dh_auto_build:\n\t/usr/bin/time -V\n")
    command = ["dpkg-source", "--build", tree.name]
    run_process(command, code=ExitCode.BUG, cwd=tree.parent, env={"SOURCE_DATE_EPOCH": "1793620800"})
    shutil.copytree(tree.parent, sources, ignore=shutil.ignore_patterns("hello-daemon-1.0"))
    shutil.copytree(kindsamples.RECIPES / "hello-daemon", folder / "recipes/hello-daemon")
    recipe = folder / "recipes/hello-daemon/recipe.yaml"
    text = kindsamples.PIN.sub(lambda pin: f"sha256: {kindsamples.digest(sources / pin[1])}", recipe.read_text())
    recipe.write_text(text.replace("    sources:\n", "    build_profiles: [nocheck]\n    sources:\n"))
    kindsamples.fill_cache(folder / "recipes", folder / "cache")
    return ["hello-daemon", "--recipes", str(folder / "recipes"), "--no-lintian", "--no-root-tests"]


def test_what_the_dsc_asks_for_is_locked_and_there(
    store: Path, with_base: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for root in (with_base.folder / "bases").glob("*.tar.zst"):
        (store / "bases" / root.name).symlink_to(root)
    words = lay_out(tmp_path)

    def build(*more: str) -> dict[str, Any]:
        capsys.readouterr()
        assert run(["build", *words, "--json", *more]) == ExitCode.DONE, capsys.readouterr().err
        [built] = json.loads(capsys.readouterr().out)["builds"]
        return dict(built)

    assert run(["build", *words]) == ExitCode.SANDBOX
    command = capsys.readouterr().err.splitlines()[-1].split()
    assert command[:4] == ["kubedeb", "base", "update", "--missing"]
    assert run(command[1:]) == ExitCode.DONE
    first = build()
    assert "GNU" in Path(first["log"]).read_text()  # what `time -V` says
    layers = [json.loads(path.read_text()) for path in (store / "layers").glob("*.json")]
    [layer] = [one for one in layers if one["wants"] == ["time (>= 1)"]]
    assert "time" in {package["name"] for package in layer["packages"]}
    shutil.rmtree(tmp_path / "cache")
    held = build("--offline")
    assert (held["action"], held["digest"]) == ("skip", first["digest"])


def test_the_first_kit_holds_what_the_dsc_asks_for(
    store: Path, with_base: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for root in (with_base.folder / "bases").glob("*.tar.zst"):
        (store / "bases" / root.name).symlink_to(root)
    name, *where = lay_out(tmp_path)[:3]
    # The base's packages are at hand, the .dsc is not: it comes from the folder, in this very run.
    shutil.copytree(with_base.folder / "sources/sha256", tmp_path / "first/sha256", copy_function=os.link)
    come = ["--from", str(tmp_path / "recipes/sources"), "--cache", str(tmp_path / "first")]
    kit = ["recipe", "fetch", name, *where, *come, "-o", str(tmp_path / "kit")]
    assert run(kit) == ExitCode.SANDBOX
    assert "kubedeb base update --missing --suite SUITE" in capsys.readouterr().err
    assert run(["base", "update", "--missing", *where, "--cache", str(tmp_path / "first")]) == ExitCode.DONE
    assert run(kit) == ExitCode.DONE
    [base] = json.loads((tmp_path / "kit/manifest.json").read_text())["bases"]
    assert [layer["wants"] for layer in base["layers"]] == [["time (>= 1)"]]
