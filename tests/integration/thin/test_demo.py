"""The whole way in one command, cold and warm, as the README tells a new user to go it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from demoruns import COLD_SECONDS, TOP, WARM_SECONDS, Ran, demo
from kubedeb.errors import ExitCode
from kubedeb.process import run
from lab import nodes

MEMBER = re.compile(r"^(etcd[123]) +(3\.\d+\.\d+) +3\.5\.16 +\d+\.\d s$", re.M)

pytestmark = pytest.mark.docker


def check(ran: Ran) -> None:
    # Debian's oldest suite may leave the mirror: then the demo says so and starts at 3.4.
    oldest = "3.4.23" if "not_run" in ran.report else "3.3.25"
    assert MEMBER.findall(ran.output) == [(node, oldest) for node in ("etcd1", "etcd2", "etcd3")]
    assert re.search(r"^lost: 0 ", ran.output, re.M)
    load = ran.report["load"]
    assert isinstance(load, dict)
    assert set(load["lost"].values()) == {0}
    assert len(load["lost"]) == 3
    assert load["rate"] >= 50
    assert load["longest_gap"] <= 5
    assert load["acknowledged"] == len((ran.folder / "acknowledged.log").read_text().splitlines())


def test_cold(cold: Ran) -> None:
    check(cold)
    assert cold.seconds < COLD_SECONDS


def test_warm_reuses_what_is_built(cold: Ran, warm: Ran) -> None:
    check(warm)
    assert warm.seconds < WARM_SECONDS
    assert warm.output.count(": skip: the store holds this build") == len(warm.report["packages"]) // 3  # type: ignore[arg-type]
    assert warm.report["packages"] == cold.report["packages"]


def test_what_it_tells(warm: Ran) -> None:
    for sign in ("sha256", "the repository is at http://", "NO WAY BACK", "PROVEN", "exposures", "longest gap", "clean up"):
        assert sign in warm.output, sign
    assert {path.name for path in warm.folder.iterdir()} >= {
        "plan.json",
        "facts.json",
        "certificate.json",
        "report.json",
        "state",
    }


def test_the_nodes_are_gone(warm: Ran) -> None:
    assert warm.seconds > 0
    assert "kubedeb-demo" not in nodes.labs()


def test_clean(warm: Ran, tmp_path: Path) -> None:
    copy = tmp_path / "demo"
    copy.mkdir()
    (copy / "mine").touch()
    argv, env = [TOP / "script/demo", "--clean"], {"KUBEDEB_DEMO": str(copy)}
    refused = run(argv, code=ExitCode.BUG, env=env, ok=(ExitCode.USAGE,))
    assert "is not a folder that the demo made" in refused.stderr.decode()
    shutil.copy(warm.folder / ".kubedeb-demo", copy)
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
