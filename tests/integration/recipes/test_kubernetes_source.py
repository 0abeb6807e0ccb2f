"""The API server and kubectl from Debian's sources: compiled once, restamped by linking, and started from their packages."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import partialrecipe
import realserver
from kubedeb.cli import run
from kubedeb.errors import ExitCode
from kubedeb.knowledge.loader import load as load_rows
from kubedeb.versions import Version
from lab.nodes import Lab
from pkgbuild.store import Store
from stacks import run_build

pytestmark = pytest.mark.docker
IN_CI = pytest.mark.turn("compiled", "kubernetes", alone=True)
"""Ten minutes of the area's, cold: nothing else of it that takes turns runs on that day."""
RECIPE = "kubernetes-source"
PACKAGES = ("kube-apiserver", "kubectl")
COMPILED, RESTAMPED = "1.20.2", "1.19.99"
RESTAMP_SECONDS = 90
FLAGS = [row for row in load_rows().flags if row.component == "kube-apiserver"]


@dataclass(frozen=True)
class Room:
    """Recipe, store and cache of the two versions, as options."""

    where: tuple[str, ...]

    @cache  # noqa: B019 there is one for the module
    def build(self, version: str) -> dict[str, Any]:
        """Build a version, once, inspected as every build is; return what `kubedeb build` says of it: its JSON."""
        (built,) = run_build(f"{RECIPE}@{version}", *self.where)["builds"]
        return dict(built)

    def debs(self, version: str) -> list[Path]:
        """Return the packages of a version."""
        return [Path(package["file"]) for package in self.build(version)["packages"]]


@pytest.fixture(scope="module")
def room(kept: Path, with_base: Store, tmp_path_factory: pytest.TempPathFactory) -> Room:
    """Lay the recipe out. Later runs find what was compiled, not the restamped packages: their cost is measured each time."""
    folder = tmp_path_factory.mktemp("kubernetes")
    recipes = partialrecipe.lay_out(folder / "recipes", RECIPE, PACKAGES)
    where = ("--recipes", str(recipes), "--store", str(with_base.folder), "--cache", str(kept / "sources"))
    assert run(["base", "update", "--missing", *where]) == ExitCode.DONE
    for spec in with_base.specs():
        here = {package["name"] for package in spec["packages"]} == set(PACKAGES)
        if here and (spec["recipe"], spec["version"]) == (RECIPE, RESTAMPED):
            shutil.rmtree(with_base.folder / "builds" / spec["digest"])
    return Room(where)


@pytest.mark.long
def test_each_program_says_exactly_its_stamp(room: Room, tmp_path: Path) -> None:
    said = {}
    for version in (COMPILED, RESTAMPED):
        for package in room.build(version)["packages"]:
            root = tmp_path / f"{version}-{package['name']}"
            subprocess.run(["dpkg-deb", "--extract", package["file"], root], check=True)
            asked = ["--version"] if package["name"] == "kube-apiserver" else ["version", "--client", "--short"]
            program = [root / "usr/bin" / package["name"], *asked]
            said[package["name"], version] = subprocess.run(program, check=True, capture_output=True, text=True).stdout
    assert said == {
        ("kube-apiserver", "1.19.99"): "Kubernetes v1.19.99\n",
        ("kube-apiserver", "1.20.2"): "Kubernetes v1.20.2\n",
        ("kubectl", "1.19.99"): "Client Version: v1.19.99\n",
        ("kubectl", "1.20.2"): "Client Version: v1.20.2\n",
    }


@pytest.mark.long
def test_a_restamp_costs_its_link(room: Room) -> None:
    room.build(COMPILED)
    log = Path(room.build(RESTAMPED)["log"]).read_text(errors="replace")
    assert "generated before from the same files: pkg/generated/openapi/zz_generated.openapi.go" in log
    assert room.build(RESTAMPED)["seconds"] <= RESTAMP_SECONDS


@pytest.mark.long
def test_what_the_cache_gave_is_what_is_made_without_it(room: Room, capsys: pytest.CaptureFixture[str]) -> None:
    room.build(RESTAMPED)
    assert run(["build", f"{RECIPE}@{RESTAMPED}", "--check", *room.where]) == ExitCode.DONE
    assert "built again, the same bytes" in capsys.readouterr().err


@IN_CI
def test_the_flag_table_holds_for_the_real_program(room: Room, tmp_path: Path) -> None:
    """Each row about the API server, of either kind: the real 1.20.2 does not know what is gone, and knows what came."""
    (deb,) = [path for path in room.debs(COMPILED) if path.name.startswith("kube-apiserver")]
    subprocess.run(["dpkg-deb", "--extract", deb, tmp_path], check=True)
    wrong = []
    for row in FLAGS:
        argv = [tmp_path / "usr/bin/kube-apiserver", f"{row.flag}=1", "--version"]
        said = subprocess.run(argv, check=False, capture_output=True, text=True)
        refused = said.returncode == 1 and f"unknown flag: {row.flag}" in said.stderr
        if refused == row.accepted_by(Version.parse(COMPILED)):
            wrong.append((row.flag, said.returncode, said.stderr.strip()[-200:]))
    assert wrong == []
    assert len(FLAGS) >= 10


@IN_CI
def test_it_starts_from_its_package_and_answers(room: Room, with_base: Store, tmp_path: Path) -> None:
    etcd = ["--store", str(with_base.folder), "--cache", str(with_base.folder / "sources"), "-o", str(tmp_path)]
    assert run(["build", "etcd@3.4.23", *etcd]) == ExitCode.DONE
    with Lab(["api"]) as lab:
        realserver.install(lab, "api", [*tmp_path.glob("etcd-server_*.deb"), *room.debs(COMPILED)])
        idle = lab.run("api", "systemctl", "is-active", "etcd", "kube-apiserver", check=False).output.split()
        assert idle == ["inactive", "inactive"], "an installation starts nothing"
        realserver.start(lab, "api")
        about = realserver.version(lab, "api")
        assert (about["gitVersion"], about["major"], about["minor"]) == (f"v{COMPILED}", "1", "20")
        assert about["buildDate"] == "2026-11-24T12:00:00Z"
        spaces = realserver.kubectl(lab, "api", "get", "namespaces", "--output=name")[1].split()
        assert {"namespace/default", "namespace/kube-system"} <= set(spaces)
