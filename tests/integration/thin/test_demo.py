"""The whole way in one command, cold and warm, as the README tells a new user to go it."""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from kubedeb.errors import ExitCode
from kubedeb.process import run
from lab import nodes

TOP = Path(__file__).parents[3]
COLD_SECONDS, WARM_SECONDS = 600, 180
MEMBER = re.compile(r"^(etcd[123]) +(3\.\d+\.\d+) +3\.5\.16 +\d+\.\d s$", re.M)

pytestmark = pytest.mark.docker


@dataclass(frozen=True)
class Ran:
    folder: Path
    output: str
    seconds: float
    report: dict[str, object]


def demo(folder: Path, **environment: str) -> Ran:
    began = time.monotonic()
    result = run(
        [TOP / "script/demo"], code=ExitCode.BUG, env={"KUBEDEB_DEMO": str(folder), **environment}, timeout=COLD_SECONDS
    )
    return Ran(folder, result.text, time.monotonic() - began, json.loads((folder / "report.json").read_text()))


@pytest.fixture(scope="module")
def cold(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Run the demo with nothing built: base, packages, repository."""
    return demo(tmp_path_factory.mktemp("cold") / "demo")


@pytest.fixture(scope="module")
def warm(cold: Ran) -> Ran:
    """Run it a second time."""
    return demo(cold.folder)


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
    assert warm.output.count("  skip: the store holds this build") == len(warm.report["packages"]) // 3  # type: ignore[arg-type]
    assert warm.report["packages"] == cold.report["packages"]


def test_two_empty_stores_give_the_same_bytes(cold: Ran, tmp_path: Path) -> None:
    store, cache = tmp_path / "store", cold.folder / "cache"
    kubedeb = Path(sys.executable).parent / "kubedeb"
    # The demo has judged them already; here are only the bytes.
    bytes_alone = ["--no-lintian", "--no-root-tests"]
    argv = [kubedeb, "build", "etcd@3.4.23", *bytes_alone, "--store", store, "--cache", cache, "-o", tmp_path / "packages"]
    run(argv, code=ExitCode.BUG, timeout=COLD_SECONDS)
    again = sorted((tmp_path / "packages").glob("*.deb"))
    assert len(again) == 3
    for package in again:
        assert package.read_bytes() == (cold.folder / "packages" / package.name).read_bytes()


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
