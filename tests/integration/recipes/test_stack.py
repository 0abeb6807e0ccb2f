"""What the recipes of upstream's releases become: upstream's bytes, nothing unlisted, the same for each architecture."""

from __future__ import annotations

import hashlib
import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import releases

from kubedeb.cli import run
from kubedeb.errors import ExitCode
from pkgbuild.finding import ROOTS
from pkgbuild.judging import read_verdict
from pkgbuild.library import choose, find
from pkgbuild.lintian import ask
from stacks import ARM64, Stack, files, scripts, unlike
from testseed import seed

pytestmark = pytest.mark.docker
BUILT = {"amd64": 4 * 9 + 5 + 2 + 6 * 3 + 3 * 4 + 1 + 2, "arm64": 4 * 9 + 5 + 2 + 2 * 3 + 2}
"""Packages: Kubernetes, helm, tiller, etcd, Calico, calico-upgrade, CNI's plugins."""


@pytest.mark.parametrize("architecture", releases.ARCHITECTURES)
def test_every_binary_is_upstreams_bit_for_bit(stack: Stack, architecture: str) -> None:
    expected, packages = stack.expected(architecture), stack.packages(architecture)
    assert (packages.keys(), len(packages)) == (expected.keys(), BUILT[architecture])
    for key, wanted in expected.items():
        own = files(packages[key])
        digests = {path: origin.sha256 for path, origin in wanted.origins().items()}
        assert {path: own[path] for path in digests} == digests, key


def test_the_programs_of_a_line_are_those_of_server_and_client_and_nothing_else(stack: Stack) -> None:
    packages = stack.packages()
    lines = [key for key in packages if key[0].startswith("etcd-") and key[0][5].isdigit()]
    for name, version in lines:
        server, client = files(packages["etcd-server", version]), files(packages["etcd-client", version])
        place = f"/usr/lib/etcd/{name.removeprefix('etcd-')}"
        held = {path: digest for path, digest in files(packages[name, version]).items() if not path.startswith("/usr/share/")}
        assert held == {f"{place}/etcd": server["/usr/bin/etcd"], f"{place}/etcdctl": client["/usr/bin/etcdctl"]}
    assert len(lines) == 6


def test_the_statements_name_upstreams_archive_and_the_binary_in_the_package(stack: Stack) -> None:
    archives = {hashlib.sha256(data).hexdigest() for data in stack.files.values()}
    for (name, version), wanted in stack.expected().items():
        if name not in ("kubelet", "calico-cni", "etcd-server", "containernetworking-plugins"):
            continue
        text = (stack.out / f"amd64/{name}_{version}-1~deb12u1_amd64.intoto.jsonl").read_text()
        said = [json.loads(line)["predicate"] for line in text.splitlines()]
        named = {one["digest"].get("sha256") for about in said for one in dependencies(about)}
        assert archives & named == {path.name for path in wanted.sources.values()}, name


def dependencies(predicate: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a statement says that the package was made from, none where it is about something else."""
    return predicate.get("buildDefinition", {}).get("resolvedDependencies", [])


def test_arm64_is_amd64_but_for_its_programs(stack: Stack) -> None:
    ours, theirs, expected = stack.packages("amd64"), stack.packages("arm64"), stack.expected("arm64")
    for key, path in theirs.items():
        assert unlike(ours[key], path) <= {"Architecture", "Installed-Size"}, key
        assert scripts(ours[key]) == scripts(path), key
        mine, foreign, programs = files(ours[key]), files(path), expected[key].origins()
        assert mine.keys() == foreign.keys(), key
        differing = {place for place in mine if mine[place] != foreign[place]}
        assert differing - {f"/usr/share/doc/{key[0]}/changelog.Debian.gz"} == programs.keys(), key
        assert {origin.machine for origin in programs.values()} <= {ARM64}, key


@pytest.mark.turn("stack again")  # every day but those on which Kubernetes is compiled, as lintian below
def test_a_version_is_the_same_again_with_everything_varied(stack: Stack) -> None:
    """One version of each recipe in turn; the whole of it is the long test's."""
    rows = [choose(find([stack.recipes]), [name]) for name in stack.names]
    today = [same[seed() % len(same)] for same in rows]
    assert checked(stack, *(f"{one.loaded.recipe.name}@{one.row.version}" for one in today)) == ExitCode.DONE


@pytest.mark.long
@pytest.mark.parametrize("architecture", releases.ARCHITECTURES)
def test_every_version_is_the_same_again_with_everything_varied(stack: Stack, architecture: str) -> None:
    assert checked(stack, *stack.wanted(architecture), architecture=architecture) == ExitCode.DONE


def checked(stack: Stack, *wanted: str, architecture: str = "amd64") -> int:
    """Run `kubedeb build --check`."""
    return run(["build", *wanted, *stack.where(architecture), "--no-lintian", "--check", "--jobs", "2", "--offline"])


BEFORE = {
    "kubernetes": ("1.7.16", "1.8.15", "1.9.11", "1.10.13"),
    "helm": ("2.7.2", "2.8.2", "2.9.1", "2.11.0", "2.12.3"),
    "etcd-upstream": ("2.2.1", "2.3.8", "3.0.17", "3.1.12", "3.2.24", "3.3.17"),
    "calico": ("2.2.0", "2.6.12", "3.1.7"),
    "calico-upgrade": ("1.0.5",),
    "containernetworking-plugins-0799f573": ("0.5.1+git0799f573",),
}
"""The versions of each recipe in their order. One has the packages of another: the plugins."""
PLUGINS = ("containernetworking-plugins", "0.6.0")


def test_each_version_was_upgraded_from_the_one_before_in_a_clean_root(stack: Stack) -> None:
    """The root tests, which install, downgrade, upgrade, remove and purge, say from which version they went."""
    wanted = {(name, new): f"{old}-1~deb12u1" for name, every in BEFORE.items() for old, new in pairwise(every)}
    wanted |= {(name, every[0]): "" for name, every in BEFORE.items()} | {PLUGINS: "0.5.1+git0799f573-1~deb12u1"}
    said = {}
    for build in stack.builds["amd64"]:
        verdict = read_verdict(Path(build["changes"]).parent)
        assert verdict is not None
        (roots,) = [judge for judge in verdict.judges if judge.name == ROOTS]
        assert (roots.skipped, verdict.findings) == ("", ()), build["recipe"]
        said[build["recipe"], build["version"]] = roots.against
    assert said == wanted


@pytest.mark.turn("lintian of upstream's releases", "lintian")
def test_lintian_finds_nothing_in_any_version(stack: Stack) -> None:
    """Half of the builds in each of two calls, side by side, each build's packages together: they are one group to lintian."""
    builds = [[Path(package["file"]) for package in build["packages"]] for build in stack.builds["amd64"]]
    halves = [[file for files in builds[number::2] for file in files] for number in range(2)]
    with ThreadPoolExecutor(2) as pool:
        found = [said.findings for said in pool.map(ask, halves)]
    assert found == [(), ()]
    assert sum(map(len, halves)) == BUILT["amd64"]


@pytest.mark.turn("lintian of upstream's releases", "lintian")
def test_lintian_finds_nothing_in_a_version_for_arm64(stack: Stack) -> None:
    """One in turn; every one is the long test's."""
    wanted = stack.wanted("arm64")
    assert lintian(stack, wanted[seed() % len(wanted)]) == ExitCode.DONE


@pytest.mark.long
def test_lintian_finds_nothing_in_any_version_for_arm64(stack: Stack) -> None:
    assert lintian(stack, *stack.wanted("arm64")) == ExitCode.DONE


def lintian(stack: Stack, *wanted: str) -> int:
    """Have stored builds for arm64 judged, which lintian has not judged yet."""
    return run(["build", *wanted, *stack.where("arm64"), "--jobs", "2", "--offline"])


def test_ours_and_debians_kubectl_take_turns(stack: Stack, tmp_path: Path) -> None:
    """Dpkg itself unpacks both in turn: Debian's package, laid out with its version and file, and ours."""
    tree = tmp_path / "debians"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "usr/bin").mkdir(parents=True)
    (tree / "usr/bin/kubectl").write_text("Debian's\n")
    (tree / "DEBIAN/control").write_text(
        "Package: kubernetes-client\nVersion: 1.20.5+really1.20.2-1.1+deb12u1\nArchitecture: amd64\n"
        "Maintainer: nobody <nobody@localhost>\nDescription: Debian's\n"
    )
    debians = tmp_path / "debians.deb"
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", str(tree), str(debians)], check=True, capture_output=True)
    ours, meta = (stack.packages()[name, "1.10.13"] for name in ("kubectl", "kubernetes-client"))
    root = tmp_path / "root"
    (root / "var/lib/dpkg/info").mkdir(parents=True)
    (root / "var/lib/dpkg/updates").mkdir()
    (root / "var/lib/dpkg/status").touch()

    def dpkg(*words: str) -> int:
        argv = ["dpkg", f"--root={root}", "--force-script-chrootless", "--log=/dev/null", *words]
        return subprocess.run(argv, check=False, capture_output=True).returncode

    assert dpkg("--install", str(debians)) == 0
    assert dpkg("--install", str(ours)) == 0, (
        "dpkg takes Debian's away in favour of ours, which conflicts with it and replaces it"
    )
    assert (root / "usr/bin/kubectl").read_bytes()[:4] == b"\x7fELF"
    assert dpkg("--install", str(meta)) == 0, "the name is free for ours"
    assert dpkg("--install", str(debians)) != 0, "it replaces nothing: apt takes ours away first"
    assert dpkg("--remove", "kubectl", "kubernetes-client") == 0
    assert dpkg("--install", str(debians)) == 0
    assert (root / "usr/bin/kubectl").read_text() == "Debian's\n"
