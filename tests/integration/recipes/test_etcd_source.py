"""etcd compiled from Debian's sources, with the Go and the libraries of its suite: exactly that version, linked without C."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import permutations
from pathlib import Path

import pytest

import onesuite
from kubedeb.cli import run
from kubedeb.deb import read_deb
from kubedeb.errors import ExitCode
from loopback import free_port
from pkgbuild.store import Store
from stacks import files

SUITES = {"3.4.23": "bookworm", "3.5.16": "trixie"}
VERSIONS = [
    pytest.param("3.4.23", marks=pytest.mark.turn("compiled", "etcd")),
    pytest.param("3.5.16", marks=pytest.mark.long),  # another base, and its libraries
]
pytestmark = pytest.mark.docker
Compiled = Callable[[str], Path]


@pytest.fixture(scope="module")
def compiled(with_base: Store, kept: Path, tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    """Return what builds a version, once, and gives the folder of its packages."""
    where = ["--store", str(with_base.folder), "--cache", str(kept / "sources")]

    @cache
    def build(version: str) -> Path:
        out = tmp_path_factory.mktemp(f"etcd-{version}")
        suite = ["--suite", SUITES[version]]
        assert run(["base", "update", "--missing", *suite, *where]) == ExitCode.DONE
        assert run(["build", f"etcd-source@{version}", *suite, *where, "-o", str(out)]) == ExitCode.DONE
        return out

    return build


def packages(folder: Path) -> dict[str, Path]:
    """Return the packages in a folder by name."""
    return {read_deb(path).control["Package"]: path for path in folder.glob("*.deb")}


@pytest.mark.parametrize("version", VERSIONS)
def test_it_is_that_version_and_needs_no_library(compiled: Compiled, tmp_path: Path, version: str) -> None:
    built = packages(compiled(version))
    line = f"etcd-{version.rpartition('.')[0]}"
    assert built.keys() == {"etcd-server", "etcd-client", line}
    place = f"/usr/lib/etcd/{line.removeprefix('etcd-')}"
    held = files(built[line])
    assert held[f"{place}/etcd"] == files(built["etcd-server"])["/usr/bin/etcd"]
    assert held[f"{place}/etcdctl"] == files(built["etcd-client"])["/usr/bin/etcdctl"]
    subprocess.run(["dpkg-deb", "--extract", built[line], tmp_path / "root"], check=True)
    for name, words, said in (
        ("etcd", "--version", f"etcd Version: {version}\n"),
        ("etcdctl", "version", f"version: {version}\n"),
    ):
        program = f"{tmp_path}/root{place}/{name}"
        environment = {"ETCDCTL_API": "3", "PATH": "/usr/bin:/bin"}
        done = subprocess.run([program, words], check=True, capture_output=True, text=True, env=environment)
        assert said in done.stdout
        assert b"INTERP" not in subprocess.run(["readelf", "--segments", program], check=True, capture_output=True).stdout
    assert "libc6" not in read_deb(built["etcd-server"]).control.get("Depends", "")


@pytest.mark.long
def test_both_stand_in_one_suite_and_one_moves_alone(compiled: Compiled, tmp_path: Path) -> None:
    folders = {version: compiled(version) for version in SUITES}
    published = onesuite.publish(tmp_path, [path for folder in folders.values() for path in folder.glob("*.changes")])
    moving = ("etcd-server", "etcd-client")
    known = {version: [read_deb(packages(folder)[name]).control for name in moving] for version, folder in folders.items()}
    for before, after in permutations(SUITES):
        apt = onesuite.client(published, tmp_path / before, known[before], moving)
        assert all(onesuite.moves_alone(apt, stanza["Package"], stanza["Version"]) for stanza in known[after])
        assert onesuite.moves_by_itself(apt) == []


@pytest.mark.long
def test_the_newer_reads_what_the_older_wrote(compiled: Compiled, tmp_path: Path) -> None:
    places = {}
    for version in SUITES:
        line = version.rpartition(".")[0]
        subprocess.run(["dpkg-deb", "--extract", packages(compiled(version))[f"etcd-{line}"], tmp_path / version], check=True)
        places[version] = tmp_path / version / "usr/lib/etcd" / line
    for version, words in (("3.4.23", ["put", "kept", "through the hop"]), ("3.5.16", ["get", "kept", "--print-value-only"])):
        with serving(places[version], tmp_path / "data") as ask:
            assert ask(*words) == {"put": "OK\n", "get": "through the hop\n"}[words[0]]


@contextmanager
def serving(place: Path, data: Path) -> Iterator[Callable[..., str]]:
    """Run a single member over a folder of data; give what asks it something, and waits until it answers."""
    client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    urls = {"listen-client": client, "advertise-client": client, "listen-peer": peer, "initial-advertise-peer": peer}
    words = [*(f"--{name}-urls={url}" for name, url in urls.items()), f"--initial-cluster=default={peer}"]
    member = subprocess.Popen(
        [place / "etcd", f"--data-dir={data}", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

    def ask(*words: str) -> str:
        argv = [place / "etcdctl", f"--endpoints={client}", "--dial-timeout=20s", "--command-timeout=20s", *words]
        return subprocess.run(argv, check=True, capture_output=True, text=True, env={"ETCDCTL_API": "3"}).stdout

    try:
        yield ask
    finally:
        member.terminate()
        member.wait(20)
