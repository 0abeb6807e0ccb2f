"""`script/bench build`: what building costs, and what it costs to find that there is nothing to build."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import samplerecipe
import stacks
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.process import Result, run
from script.lib.bench_fetch import throttled
from script.lib.bench_pack import COMPRESSIONS, packing
from script.lib.bench_peers import small_build
from script.lib.measure import KUBEDEB, Figure, figure, median

TOP = Path(__file__).parents[2]
KEPT = TOP / "build/bench"
"""Base and fetched sources, kept between runs."""
LARGE = 256 * 1024 * 1024
# VmHWM begins anew with exec; getrusage's ru_maxrss would begin with what this process had when it forked.
PEAK = """\
import re, sys
from pathlib import Path
from kubedeb.cli import run
assert run(sys.argv[1:]) == 0
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1], file=sys.stderr)
"""


def build(wanted: Sequence[str] = ()) -> list[Figure]:
    """Return every figure of building, the peers' beside ours, or those of some parts; a part that fails is a figure that
    does not hold.

    Takes about twelve minutes, half of it for the peers and their roots.
    """
    parts: dict[str, Callable[[], list[Figure]]] = {
        "version": version,
        "nothing": nothing_to_do,
        "show": recipe_show,
        "memory": memory,
        "throttled": lambda: throttled(KEPT / "store/bases"),
        **{f"packing-{kind}": partial(packing, kind, KEPT / "store/bases") for kind in COMPRESSIONS},
        "small": lambda: small_build(KUBEDEB, KEPT / "store"),
        "peers": lambda: small_build(KUBEDEB, KEPT / "store", with_peers=True),
    }
    if unknown := [name for name in wanted if name not in parts]:
        raise KubedebError(f"build has no part {unknown[0]!r}", hint=f"Its parts: {', '.join(parts)}.", code=ExitCode.USAGE)
    kubedeb("base", "update")
    chosen = [name for name in parts if name in wanted or (not wanted and name != "small")]  # it is in what the peers are in
    return [figure for name in chosen for figure in _done(name, parts[name])]


def _done(name: str, part: Callable[[], list[Figure]]) -> list[Figure]:
    """Return the figures of one part, or why there are none: a bench that stops halfway has measured nothing."""
    began = time.monotonic()
    try:
        figures = part()
    except Exception as error:
        why = f"{error.brief}: {error.details}" if isinstance(error, KubedebError) else f"{type(error).__name__}: {error}"
        figures = [{"what": name, "not_run": why[:2000], "holds": False}]
    print(f"bench build: {name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    return figures


def version() -> list[Figure]:
    """Measure how long the command takes to start."""
    return [figure("kubedeb --version, s", median(lambda: kubedeb("--version")), 0.15)]


def kubedeb(*argv: str | Path, cwd: Path | None = None) -> Result:
    """Run the command with the kept store and cache."""
    env = {"KUBEDEB_STORE": str(KEPT / "store"), "KUBEDEB_CACHE": str(KEPT / "sources")}
    return run([KUBEDEB, *argv], code=ExitCode.BUG, env=env, timeout=1800, cwd=cwd)


def nothing_to_do() -> list[Figure]:
    """Measure a build whose results the store holds, of every version that upstream releases, from stand-ins.

    Upstream's own files are not asked for: the machines that measure need not reach them, and some have no known checksum.
    """
    with tempfile.TemporaryDirectory() as name:
        made = stacks.build(Path(name), KEPT / "store")
        asked = ["build", *made.names, *made.where(), "--jobs", "2"]
        what = f"kubedeb build, nothing to do for all {len(made.packages())} packages of upstream's releases, s"
        return [figure(what, median(lambda: kubedeb(*asked)), 0.5)]


def recipe_show() -> list[Figure]:
    """Measure how long it takes to show one BuildSpec."""
    return [figure("kubedeb recipe show, s", median(lambda: kubedeb("recipe", "show", "etcd@3.4.23")), 0.3)]


def memory() -> list[Figure]:
    """Measure kubedeb's own peak memory while it builds a package around one large program."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = b"#!/bin/sh\necho hello 1.10\nexit\n" + bytes(LARGE)
        samplerecipe.write_recipe(folder / "recipes", source=samplerecipe.source_deb(program))
        del program
        (folder / "store/bases").mkdir(parents=True)
        for lock in (KEPT / "store/bases").glob("*.json"):
            (folder / "store/bases" / lock.name).write_bytes(lock.read_bytes())
        where: list[str | Path] = ["--recipes", folder / "recipes", "--cache", folder / "cache"]
        fetched = peak("recipe", "fetch", "hello", "--from", folder / "recipes/sources", *where)
        built = peak("build", "hello", *where, "--store", folder / "store", "--no-lintian", "--no-root-tests")
    size = LARGE // 1024 // 1024
    return [
        figure(f"peak memory of kubedeb recipe fetch, a source of {size} MiB, MB", fetched, 150),
        figure(f"peak memory of kubedeb build, a program of {size} MiB, MB", built, 150),
    ]


def peak(*argv: str | Path) -> float:
    """Return the peak resident memory of one kubedeb command, in MB."""
    done = run([sys.executable, "-c", PEAK, *argv], code=ExitCode.BUG, timeout=1800)
    return int(done.stderr.decode().split()[-1]) * 1024 / 1e6
