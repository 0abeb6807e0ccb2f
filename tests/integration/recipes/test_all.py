"""Everything at once: every version of every recipe, what compiles too, for each architecture: timed, and in one suite.

It is the first in this folder, so that a run that begins with an empty store builds all of it here; later tests find what it
built. Upstream's releases are stand-ins.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import releases

import copiedrecipe
import onesuite
import stacks
from kubedeb.cli import run
from kubedeb.deb import read_deb
from kubedeb.errors import ExitCode
from kubedeb.versions import DebianVersion
from pkgbuild import library
from pkgbuild.recipe import Row, Suite
from pkgbuild.store import Store

pytestmark = [pytest.mark.docker, pytest.mark.long]
TOP = Path(__file__).parents[3]
COLD_SECONDS, WARM_SECONDS = 60 * 60, 15 * 60
OTHERS = ("etcd", "etcd-source", "kubernetes-source")
"""What Debian has the bytes of."""
ELSEWHERE = "etcd-source@3.5.16"
"""What is for another suite: its sources build with the Go and the libraries of trixie."""
KUBERNETES = (
    "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl", "kubernetes-kubemark",
)  # fmt: skip
COMPILED = {
    KUBERNETES: ("1.19.99-1~deb12u1", "1.20.2-1~deb12u1"),
    ("etcd-server", "etcd-client"): ("3.4.23-2~deb12u1", "3.5.16-2~deb13u1"),
}  # fmt: skip
"""What is compiled and installed together, and its two versions."""
Build = Mapping[str, Any]


@dataclass(frozen=True)
class Whole:
    """The recipes; whether nothing was compiled before; what each of two runs took in seconds and said of its builds."""

    recipes: Path
    cold: bool
    seconds: tuple[float, float]
    builds: tuple[list[Build], list[Build]]

    def changes(self) -> list[Path]:
        """Return the .changes of every build."""
        return [Path(build["changes"]) for build in self.builds[1]]

    def stanzas(self) -> dict[tuple[str, str], Mapping[str, str]]:
        """Return the control fields of each package for this machine by name and version."""
        files = [
            package["file"] for build in self.builds[1] if build["architecture"] == "amd64" for package in build["packages"]
        ]
        each = [read_deb(Path(file)).control for file in files]
        return {(stanza["Package"], stanza["Version"]): stanza for stanza in each}


def lay_out(folder: Path, cache: Path) -> None:
    """Write every recipe to `folder`/recipes: upstream's pinned to stand-ins, kubedeb's to the wheel of this checkout."""
    subprocess.run([sys.executable, TOP / "script/lib/package.py", folder], check=True, cwd=TOP, capture_output=True)
    releases.stand_in((*stacks.NAMES, *stacks.NODES), releases.program(folder), folder / "recipes", cache)
    for name in OTHERS:
        copiedrecipe.copy(folder / "recipes", name)


def build_everything(folder: Path, where: list[str]) -> list[Build]:
    """Lock what is to be locked, bring the wheels, and build for each architecture and suite."""
    builds = []
    for suite in ("bookworm", "trixie"):
        assert run(["base", "update", "--missing", "--suite", suite, *where]) == ExitCode.DONE
    for architecture in releases.ARCHITECTURES:
        wheels = ["--arch", architecture, "--from", str(folder / "wheel")]
        assert run(["recipe", "fetch", "kubedeb", *wheels, *where]) == ExitCode.DONE
        builds += stacks.run_build("--all", "--arch", architecture, *where)["builds"]
    return builds + list(stacks.run_build(ELSEWHERE, "--suite", "trixie", *where)["builds"])


@pytest.fixture(scope="module")
def whole(with_base: Store, kept: Path, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """Build it twice: a run over whatever the kept store has, and one over all that the first has left."""
    folder = tmp_path_factory.mktemp("everything")
    compiled = list((with_base.folder / "compile").glob("*"))
    where = ["--recipes", str(folder / "recipes"), "--store", str(with_base.folder), "--cache", str(kept / "sources")]
    lay_out(folder, kept / "sources")
    times, builds = [time.monotonic()], []
    for _ in range(2):
        builds.append(build_everything(folder, where))
        times.append(time.monotonic())
    first, second = times[1] - times[0], times[2] - times[1]
    return Whole(folder / "recipes", not compiled, (first, second), (builds[0], builds[1]))


def test_it_is_built_in_time(whole: Whole) -> None:
    """Cold with an empty store; warm is a second run, for which everything is there."""
    print(f"{'cold' if whole.cold else 'warm'} {whole.seconds[0]:.0f} s, again {whole.seconds[1]:.0f} s")  # noqa: T201
    assert whole.seconds[0] <= (COLD_SECONDS if whole.cold else WARM_SECONDS)
    assert whole.seconds[1] <= WARM_SECONDS
    assert {build["action"] for build in whole.builds[1]} == {"skip"}


def suite_of(row: Row) -> Suite:
    """Return the suite that a version is built for here: bookworm where it can be."""
    return Suite.BOOKWORM if Suite.BOOKWORM in row.suites else row.suites[-1]


def test_nothing_is_left_out(whole: Whole) -> None:
    recipes = [library.load(folder).recipe for folder in library.find([whole.recipes]).values()]
    wanted = {
        (recipe.name, row.package_version(suite_of(row)), architecture.value)
        for recipe in recipes for row in recipe.versions for architecture in row.sources
    }  # fmt: skip
    built = [(build["recipe"], build["package_version"], build["architecture"]) for build in whole.builds[0]]
    assert sorted(built) == sorted(wanted)
    assert {recipe for recipe, _, _ in wanted} == {path.parent.name for path in copiedrecipe.SHIPPED.glob("*/recipe.yaml")}
    compiled = [build for build in whole.builds[0] if build["recipe"] == "kubernetes-source"]
    assert all(set(KUBERNETES) < {package["name"] for package in build["packages"]} for build in compiled)


def test_all_of_it_stands_in_one_suite_and_what_is_compiled_moves_alone(whole: Whole, tmp_path: Path) -> None:
    published, stanzas = onesuite.publish(tmp_path, whole.changes()), whole.stanzas()
    wanted: defaultdict[str, set[str]] = defaultdict(set)
    for name, version in stanzas:
        wanted[name].add(version)
    apt = onesuite.client(published, tmp_path / "none", [], sorted(wanted))
    assert {name: apt.versions(name) for name in wanted} == {
        name: sorted(every, key=DebianVersion, reverse=True) for name, every in wanted.items()
    }
    said = apt.run("apt-cache", "policy", *wanted).text
    assert all(said.count(f" {version} 50\n") for every in wanted.values() for version in every)
    for names, versions in COMPILED.items():
        for before, after in permutations(versions):
            installed = [stanzas[name, before] for name in names]
            apt = onesuite.client(published, tmp_path / before, installed, sorted(wanted))
            assert [name for name in names if not onesuite.moves_alone(apt, name, after)] == []
            assert onesuite.moves_by_itself(apt) == []
