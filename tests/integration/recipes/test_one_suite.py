"""`kubedeb build --all`, all of it in one suite: apt shows every version, one package moves alone, none by itself."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Mapping
from itertools import pairwise, permutations
from pathlib import Path

import pytest

import copiedrecipe
import onesuite
from kubedeb.cli import run
from kubedeb.deb import read_deb
from kubedeb.errors import ExitCode
from kubedeb.versions import DebianVersion
from pkgbuild import library
from stacks import Stack, key

pytestmark = pytest.mark.docker
SLOW = ("etcd-source", "kubernetes-source")
"""Recipes that compile: a test of their own builds them."""
LEFT_OUT = {"kubedeb"}
"""Made of the checkout by script/package."""
UNJUDGED = ("--no-lintian", "--no-root-tests")
"""What is built here for the first time is `etcd`, whose versions are all judged where the demo builds them."""
KUBERNETES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl")
METAPACKAGES = ("kubernetes-master", "kubernetes-node", "kubernetes-client")
CALICO = ("calicoctl", "calico-cni", "calico-node", "calico-kube-controllers")
SUITABLE = "-1~deb12u1"
LEGAL: dict[tuple[str, ...], tuple[str, ...]] = {
    (*KUBERNETES, *METAPACKAGES): ("1.7.16", "1.8.15", "1.9.11", "1.10.13"),
    ("etcd-server", "etcd-client"): (
        "2.2.1", "2.3.8", "3.0.17", "3.1.12", "3.2.24", "3.3.17", "3.3.25", "3.4.23", "3.5.16",
    ),
    CALICO: ("2.2.0", "2.6.12", "3.1.7"),
    ("containernetworking-plugins",): ("0.5.1+git0799f573", "0.6.0"),
    ("helm",): ("2.7.2", "2.8.2", "2.9.1", "2.11.0", "2.12.3"),
    ("helm", "tiller"): ("2.11.0", "2.12.3"),
}  # fmt: skip
"""What is installed together, and the versions on its way."""
HOPS = [(names, old, new) for names, versions in LEGAL.items() for old, new in pairwise(versions)]
PASSES = [((*KUBERNETES, *METAPACKAGES), old, new) for old, new in (("1.7.16", "1.9.11"), ("1.8.15", "1.10.13"))]
"""Hops of workers alone, which may be two minors behind."""
Stanzas = dict[tuple[str, str], Mapping[str, str]]


@pytest.fixture(scope="module")
def built(stack: Stack, kept: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build every version of every recipe but those that compile; return the folder of packages."""
    top = tmp_path_factory.mktemp("all")
    shipped = top / "recipes"
    for recipe in sorted(copiedrecipe.SHIPPED.glob("*/recipe.yaml")):
        if recipe.parent.name not in SLOW:
            copiedrecipe.copy(shipped, recipe.parent.name)
    for source in (kept / "sources/sha256").glob("*"):
        if not (stack.cache / "sha256" / source.name).exists():
            (stack.cache / "sha256" / source.name).symlink_to(source)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "shipped_folder", lambda: shipped)
        argv = ["build", "--all", *stack.where(), "--jobs", "2", *UNJUDGED, "-o", str(top / "out")]
        assert run(argv) == ExitCode.DONE
    return top / "out"


@pytest.fixture(scope="module")
def stanzas(built: Path) -> Stanzas:
    """Return every package's control fields by name and upstream version."""
    each = [read_deb(path).control for path in sorted(built.glob("*.deb"))]
    return {key(stanza): stanza for stanza in each}


@pytest.fixture(scope="module")
def published(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Publish all of it in one suite."""
    return onesuite.publish(tmp_path_factory.mktemp("published"), built.glob("*.changes"))


def test_apt_shows_every_version_of_every_recipe(published: Path, stanzas: Stanzas, tmp_path: Path) -> None:
    wanted: defaultdict[str, set[str]] = defaultdict(set)
    for folder in library.find([copiedrecipe.SHIPPED]).values():
        recipe = library.load(folder).recipe
        for row in recipe.versions if recipe.name not in {*SLOW, *LEFT_OUT} else ():
            for package in recipe.packages_of(row):
                wanted[package.name].add(f"{row.version}-{row.revision}~deb12u1")
    apt = onesuite.client(published, tmp_path / "apt", [], sorted(wanted))
    shown = {name: apt.versions(name) for name in wanted}
    assert shown == {name: sorted(every, key=DebianVersion, reverse=True) for name, every in wanted.items()}
    assert len(shown["etcd-server"]) == 9
    said = apt.run("apt-cache", "policy", *wanted).text
    assert all(said.count(f" {version} 50\n") for every in wanted.values() for version in every)


@pytest.mark.parametrize(("names", "old", "new"), [*HOPS, *PASSES])
def test_one_package_moves_alone_in_both_directions_and_none_by_itself(
    published: Path, stanzas: Stanzas, tmp_path: Path, names: tuple[str, ...], old: str, new: str
) -> None:
    every = sorted({name for name, _ in stanzas})
    for before, after in permutations((old, new)):
        apt = onesuite.client(published, tmp_path / before, [stanzas[name, before] for name in names], every)
        for name in set(names) - set(METAPACKAGES):
            assert onesuite.moves_alone(apt, name, f"{after}{SUITABLE}"), name
        assert onesuite.moves_by_itself(apt) == []
        shutil.rmtree(tmp_path / before)
