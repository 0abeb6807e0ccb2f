"""The whole way in one command, as the README tells a new user to go it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from demoruns import COLD_SECONDS, TOP, Ran, check, demo
from kubedeb.errors import ExitCode
from kubedeb.process import run
from lab import nodes

pytestmark = pytest.mark.docker


def test_cold(cold: Ran) -> None:
    check(cold)
    assert cold.seconds < COLD_SECONDS


def test_what_it_tells(cold: Ran) -> None:
    for sign in ("sha256", "the repository is at http://", "NO WAY BACK", "PROVEN", "exposures", "longest gap", "clean up"):
        assert sign in cold.output, sign
    assert {path.name for path in cold.folder.iterdir()} >= {
        "plan.json",
        "facts.json",
        "certificate.json",
        "report.json",
        "state",
    }


def test_the_nodes_are_gone(cold: Ran) -> None:
    assert cold.seconds > 0
    assert "kubedeb-demo" not in nodes.labs()


def test_clean(cold: Ran, tmp_path: Path) -> None:
    copy = tmp_path / "demo"
    copy.mkdir()
    (copy / "mine").touch()
    argv, env = [TOP / "script/demo", "--clean"], {"KUBEDEB_DEMO": str(copy)}
    refused = run(argv, code=ExitCode.BUG, env=env, ok=(ExitCode.USAGE,))
    assert "is not a folder that the demo made" in refused.stderr.decode()
    shutil.copy(cold.folder / ".kubedeb-demo", copy)
    run(argv, code=ExitCode.BUG, env=env)
    assert not copy.exists()


@pytest.mark.long
def test_the_oldest_source_is_gone(cold: Ran, tmp_path: Path) -> None:
    recipes = tmp_path / "recipes"
    shutil.copytree(TOP / "recipes/etcd", recipes / "etcd")
    recipe = recipes / "etcd/recipe.yaml"
    text = recipe.read_text()
    recipe.write_text(re.sub(r"3\.3\.25\+dfsg-6\+b6|26ebaf2c5482", lambda found: found[0][:-1] + "0", text))
    shared = {name: str(cold.folder / name.lower()) for name in ("STORE", "CACHE")}
    ran = demo(tmp_path / "demo", KUBEDEB_RECIPES=str(recipes), **{f"KUBEDEB_{name}": path for name, path in shared.items()})
    assert "NOT RUN: source gone: etcd 3.3.25" in ran.output
    check(ran)
