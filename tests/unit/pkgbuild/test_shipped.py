"""The shipped recipes, read: every flag in an example is one that its version takes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import copiedrecipe
from kubedeb.knowledge.loader import load as load_rows
from kubedeb.versions import Version
from pkgbuild.library import Chosen, choose, find, load, shipped_folder
from pkgbuild.lint import lint
from pkgbuild.recipe import Architecture, Suite
from pkgbuild.spec import expand

FOUND = find([shipped_folder()])
FLAG = re.compile(r"--[a-z0-9-]+")
ROWS = load_rows().flags
VERSIONS = [
    f"{name}@{row.version}" for name in ("kubernetes", "kubernetes-source") for row in load(FOUND[name]).recipe.versions
]
DAEMONS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")


@pytest.mark.parametrize("name", sorted(FOUND))
def test_no_shipped_recipe_has_a_finding(name: str) -> None:
    assert lint(load(FOUND[name])) == []


def test_a_candidate_is_written_as_each_side_writes_it(tmp_path: Path) -> None:
    for name, newest, candidate in (("helm", "2.12.3", "2.13.0~rc.1"), ("etcd-upstream", "3.3.17", "3.4.0~rc.1")):
        recipe = copiedrecipe.copy(tmp_path, name) / "recipe.yaml"
        recipe.write_text(recipe.read_text().replace(f'"{newest}"', f'"{candidate}"'))
        loaded = load(recipe.parent)
        assert lint(loaded) == []
        spec = expand(Chosen(loaded, loaded.recipe.versions[-1]), Suite.BOOKWORM, Architecture.AMD64).spec
        upstreams = candidate.replace("~", "-")
        assert spec.package_version == f"{candidate}-1~deb12u1"
        assert f"-v{upstreams}-linux-amd64.tar.gz" in spec.sources[0].url
        assert any(package.says and upstreams in package.says.output for package in spec.packages)


def examples(version: str) -> dict[str, set[str]]:
    """Return the flags in the example of each daemon's settings."""
    tree = expand(choose(FOUND, [version])[0], Suite.BOOKWORM, Architecture.AMD64).tree
    return {daemon: set(FLAG.findall(tree[f"debian/examples/{daemon}.default"].data.decode())) for daemon in DAEMONS}


def refused(component: str, flag: str, version: str) -> bool:
    return any(row.component == component and row.flag == flag and not row.accepted_by(Version.parse(version)) for row in ROWS)


@pytest.mark.parametrize("version", VERSIONS)
def test_no_example_has_a_flag_that_its_version_refuses(version: str) -> None:
    given = examples(version)
    assert all(given.values())
    number = version.partition("@")[2]
    assert [(daemon, flag) for daemon, flags in given.items() for flag in flags if refused(daemon, flag, number)] == []


def test_a_refused_flag_would_be_found() -> None:
    assert refused("kubelet", "--require-kubeconfig", "1.10.13")
    assert "--require-kubeconfig" in examples("kubernetes@1.7.16")["kubelet"]
    assert "--admission-control" not in examples("kubernetes@1.10.13")["kube-apiserver"]


def test_every_row_waits_for_its_leader() -> None:
    for version in VERSIONS:
        for manager in ("kube-controller-manager", "kube-scheduler"):
            assert "--leader-elect" in examples(version)[manager]


def test_both_recipes_of_kubernetes_have_the_same_units_users_and_scripts() -> None:
    """Whoever moves from one to the other, or rehearses with one what the other will do, meets the same packages."""
    upstreams, debians = (
        expand(choose(FOUND, [version])[0], Suite.BOOKWORM, Architecture.AMD64).tree
        for version in ("kubernetes@1.10.13", "kubernetes-source@1.20.2")
    )
    alike = {
        path for path in upstreams if path.endswith((".service", ".in", ".postinst", ".prerm", ".conf", ".ferm", ".examples"))
    }
    assert len(alike) >= 19
    assert {path for path in alike if upstreams[path] != debians.get(path)} == set()
