"""`script/bench build`: repacking a large prebuilt program, the packing step beside bare dpkg-deb on the host, and the rest.

The sample recipe's debian/rules says when dh_builddeb begins and ends; the whole is from command to packages. Ours and bare
take turns, because compression is what a machine's mood shows in most.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import samplerecipe
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.process import run
from script.lib.measure import KUBEDEB, Figure, figure

PROGRAM = Path("/usr/sbin/dockerd")
"""A program of a real Go project (docker.io of bookworm: 75,181,184 bytes)."""
RUNS = 3
SLOW = "xz-6"
DEFAULT = "xz-1"
COMPRESSIONS = ("gzip-6", "xz-0", DEFAULT, SLOW)
STEP_RATIO = 1.15
REST = 2.5
BOTH_CORES = 0.8
RULES = samplerecipe.RULES.replace("%:", ".NOTPARALLEL:\n%:") + (
    "override_dh_builddeb:\n\t@date +'packing begins %s.%N'\n\tdh_builddeb\n\t@date +'packing ends %s.%N'\n"
)
STAMP = re.compile(r"^packing (?:begins|ends) ([0-9.]+)$", re.MULTILINE)


@dataclass(frozen=True)
class Packed:
    """One build: seconds of its packing step and of the whole command, and bytes of the package."""

    step: float
    whole: float
    size: int


def packing(compression: str, bases: Path) -> list[Figure]:
    """Return the figures of packing with a compression; `bases` holds the base root's lock and root."""
    runs = 1 if compression == SLOW else RUNS
    with _place(compression, bases) as place:
        place.build("unshare")
        ours, bare = zip(*[(place.build("unshare"), place.bare(compression)) for _ in range(runs)], strict=True)
        figures = _figures(compression, "unshare", ours, statistics.median(bare))
        if compression == DEFAULT:
            place.build("docker")
            figures += _figures(compression, "docker", [place.build("docker") for _ in range(RUNS)], statistics.median(bare))
            figures.append(_cores(place, statistics.median(one.step for one in ours)))
    return figures


def _figures(compression: str, sandbox: str, ours: tuple[Packed, ...] | list[Packed], bare: float) -> list[Figure]:
    step = statistics.median(one.step for one in ours)
    rest = statistics.median(one.whole - one.step for one in ours)
    title = f"{PROGRAM.stat().st_size // 1_000_000} MB, {compression}, {sandbox}"
    about = {"peer": "dpkg-deb on the host", "package_bytes": ours[0].size, "runs": len(ours),
             "peer_skips": "debhelper's start of dpkg-deb (dh_builddeb), which is in our step"}  # fmt: skip
    return [
        figure(f"packing {title}: the packing step, s", step, round(bare * STEP_RATIO, 3), round(bare, 3)) | {"about": about},
        figure(f"packing {title}: the rest of the build, s", rest, REST),
    ]


def _cores(place: _Place, step: float) -> Figure:
    """Return how much of the time of one core the step takes; on a machine with one core there is nothing to show."""
    one = statistics.median(place.bare(DEFAULT, threads=1) for _ in range(RUNS))
    goal = one * BOTH_CORES if (os.cpu_count() or 1) > 1 else one * STEP_RATIO
    what = f"packing with the default {DEFAULT} on {os.cpu_count()} cores, beside dpkg-deb on one, s"
    return figure(what, step, round(goal, 3), round(one, 3))


@contextmanager
def _place(compression: str, bases: Path) -> Iterator[_Place]:
    """Give recipe, store and cache for one compression, the source fetched; all is removed afterwards."""
    if not PROGRAM.exists():
        raise KubedebError(f"no {PROGRAM} to pack", hint="apt-get install docker.io", code=ExitCode.BUG)
    with tempfile.TemporaryDirectory(prefix="kubedeb-bench-", dir="/var/tmp") as name:
        place = _Place(Path(name))
        shutil.copytree(bases, place.folder / "store/bases")
        text = samplerecipe.RECIPE.replace("kind: prebuilt\n", f"kind: prebuilt\ncompression: {compression}\n")
        text = re.sub(r"    says:\n(      .*\n)+", "", text)
        recipes = place.folder / "recipes"
        samplerecipe.write_recipe(recipes, text, rules=RULES, source=samplerecipe.source_deb(PROGRAM.read_bytes()))
        place.kubedeb("recipe", "fetch", "hello", "--from", recipes / "sources")
        yield place


@dataclass(frozen=True)
class _Place:
    folder: Path

    def kubedeb(self, *argv: str | Path) -> None:
        env = {"KUBEDEB_STORE": str(self.folder / "store"), "KUBEDEB_CACHE": str(self.folder / "cache")}
        run([KUBEDEB, *argv, "--recipes", self.folder / "recipes"], code=ExitCode.BUG, env=env, timeout=900)

    def build(self, sandbox: str) -> Packed:
        """Build anew, whatever the store holds; the package stays below `out`."""
        shutil.rmtree(self.folder / "store/builds", ignore_errors=True)
        shutil.rmtree(self.folder / "out", ignore_errors=True)
        wanted: list[str | Path] = ["--sandbox", sandbox, "--no-lintian", "--no-root-tests", "-o", self.folder / "out"]
        began = time.perf_counter()
        self.kubedeb("build", "hello", *wanted)
        whole = time.perf_counter() - began
        newest = max((self.folder / "store/logs").iterdir(), key=lambda path: path.stat().st_mtime_ns)
        begins, ends = (float(stamp) for stamp in STAMP.findall(newest.read_text(errors="replace")))
        return Packed(ends - begins, whole, self._deb().stat().st_size)

    def bare(self, compression: str, threads: int | None = None) -> float:
        """Return how long dpkg-deb takes for the same content on the host."""
        tree = self.folder / "tree"
        if not tree.exists():
            run(["dpkg-deb", "--raw-extract", self._deb(), tree], code=ExitCode.BUG)
        kind, _, level = compression.partition("-")
        env = {"SOURCE_DATE_EPOCH": "1793620800"} | ({"DPKG_DEB_THREADS_MAX": str(threads)} if threads else {})
        pack: list[str | Path] = ["dpkg-deb", "--root-owner-group", f"-Z{kind}", f"-z{level}", "--build", tree]
        began = time.perf_counter()
        run([*pack, self.folder / "bare.deb"], code=ExitCode.BUG, env=env, timeout=900)
        return time.perf_counter() - began

    def _deb(self) -> Path:
        return next((self.folder / "out").rglob("hello_*.deb"))
