"""The shipped recipes, read: every flag in an example is one that its version takes."""

from __future__ import annotations

import re

import pytest

from kubedeb.knowledge.loader import load as load_rows
from kubedeb.versions import Version
from pkgbuild.library import choose, find, load, shipped_folder
from pkgbuild.lint import lint
from pkgbuild.recipe import Architecture, Suite
from pkgbuild.spec import expand

FOUND = find([shipped_folder()])
FLAG = re.compile(r"--[a-z0-9-]+")
ROWS = load_rows().flags
VERSIONS = [row.version for row in load(FOUND["kubernetes"]).recipe.versions]
DAEMONS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")


@pytest.mark.parametrize("name", sorted(FOUND))
def test_no_shipped_recipe_has_a_finding(name: str) -> None:
    assert lint(load(FOUND[name])) == []


def examples(version: str) -> dict[str, set[str]]:
    """Return the flags in the example of each daemon's settings."""
    tree = expand(choose(FOUND, [f"kubernetes@{version}"])[0], Suite.BOOKWORM, Architecture.AMD64).tree
    return {daemon: set(FLAG.findall(tree[f"debian/examples/{daemon}.default"].data.decode())) for daemon in DAEMONS}


def refused(component: str, flag: str, version: str) -> bool:
    return any(row.component == component and row.flag == flag and not row.accepted_by(Version.parse(version)) for row in ROWS)


@pytest.mark.parametrize("version", VERSIONS)
def test_no_example_has_a_flag_that_its_version_refuses(version: str) -> None:
    given = examples(version)
    assert all(given.values())
    assert [(daemon, flag) for daemon, flags in given.items() for flag in flags if refused(daemon, flag, version)] == []


def test_a_refused_flag_would_be_found() -> None:
    assert refused("kubelet", "--require-kubeconfig", "1.10.13")
    assert "--require-kubeconfig" in examples("1.7.16")["kubelet"]
    assert "--admission-control" not in examples("1.10.13")["kube-apiserver"]


def test_every_row_waits_for_its_leader() -> None:
    for version in VERSIONS:
        for manager in ("kube-controller-manager", "kube-scheduler"):
            assert "--leader-elect" in examples(version)[manager]
