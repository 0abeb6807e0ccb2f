"""`script/bench build`: warm builds of one small source package, ours in both sandboxes beside the peers, in one run."""

from __future__ import annotations

import io
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from kindsamples import DSC, fill_cache, lay_out
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.process import run
from kubedeb.progress import progress
from pkgbuild.backends import backend
from pkgbuild.sandbox import SandboxKind
from pkgbuild.store import Store
from script.lib import peers

RUNS = 5
RECIPE = "hello-daemon"
KINDS = (SandboxKind.UNSHARE, SandboxKind.DOCKER)
ROOT_SECONDS = {SandboxKind.UNSHARE: 0.05, SandboxKind.DOCKER: 0.4}
# At most this many times slower than ours, by the peer's name; the host's bare build is a difference in seconds.
FASTER = {"sbuild, schroot overlay": 1.5, "cowbuilder": 1.5, "sbuild, its default": 6.0, "pbuilder, its default": 4.0}
MORE_THAN_BARE = 1.2


def small_build(kubedeb: Path, with_base: Path, *, with_peers: bool = False) -> list[dict[str, Any]]:
    """Return the figures of the small build: roots alone, against the bare build on the host, and against each peer."""
    with tempfile.TemporaryDirectory(prefix="kubedeb-bench-", dir="/var/tmp") as name:
        work = Path(name)
        work.chmod(0o755)
        recipes = lay_out(work / "recipes", RECIPE)
        store = work / "store"
        shutil.copytree(with_base / "bases", store / "bases")
        ours = {kind: _ours(kubedeb, kind, recipes, store) for kind in KINDS}
        roots = {kind: _root(kind, Store(store)) for kind in KINDS}
        with peers.bench(work / "peers", recipes / "sources" / DSC) as on:
            bare = peers.time_builds(on, peers.BARE)
            others = [peers.time_builds(on, peer) for peer in peers.PEERS] if with_peers else []
    figures = [_figure(f"an empty clean root, {kind}, s", roots[kind], ROOT_SECONDS[kind]) for kind in KINDS]
    best = min(ours.values())
    for kind, seconds in ours.items():
        figures.append(_figure(f"small build, {kind}, s", seconds, round(bare["seconds"] + MORE_THAN_BARE, 3), bare))
    for other in others:
        goal = round(other["seconds"] / FASTER[other["peer"]], 3) if "seconds" in other else None
        figures.append(_figure("small build, the faster of ours, s", best, goal, other))
    return figures


def _figure(what: str, ours: float, goal: float | None, peer: dict[str, Any] | None = None) -> dict[str, Any]:
    about = {name: value for name, value in (peer or {}).items() if name != "seconds"}
    if peer:
        about["ours_skips"] = peers.SKIPPED_BY_OURS
    theirs = (peer or {}).get("seconds")
    ratio = round(ours / theirs, 3) if theirs else None
    return {"what": what, "ours": round(ours, 3), "peer": theirs, "ratio": ratio, "goal": goal,
            "holds": goal is None or ours <= goal, **({"about": about} if about else {})}  # fmt: skip


def _ours(kubedeb: Path, kind: SandboxKind, recipes: Path, store: Path) -> float:
    """Return the median seconds from command to packages, warm: base, layer and sources are there, the result is not."""
    cache = fill_cache(recipes, store.parent / "cache")
    where: list[str | Path] = ["--recipes", recipes, "--store", store, "--cache", cache, "--sandbox", kind.value]
    build = [kubedeb, "build", RECIPE, *where, "--no-lintian", "--no-root-tests"]
    forget = partial(shutil.rmtree, store / "builds", ignore_errors=True)
    return _median(lambda: run(build, code=ExitCode.BUG, timeout=900), forget)


def _root(kind: SandboxKind, store: Store) -> float:
    """Return the median seconds of a sandbox that is opened, runs `true` and is gone."""
    lock = store.base("bookworm", "amd64")
    if lock is None:
        raise KubedebError("the bench has no base", code=ExitCode.BUG)
    run_file = store.folder / "locks/bench"
    run_file.touch()
    with backend(kind, store, progress(io.StringIO()), run_file) as sandboxes:
        opened = sandboxes.prepare(lock)

        def once() -> None:
            with opened() as sandbox:
                sandbox.run(["true"], cwd="/", env={}, log=io.BytesIO())

        return _median(once, lambda: None)


def _median(action: Callable[[], object], before: Callable[[], object]) -> float:
    times = []
    for _ in range(RUNS + 1):
        before()
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])
