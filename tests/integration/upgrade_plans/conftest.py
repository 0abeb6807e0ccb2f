"""Real packages in a real repository, three real nodes, and clusters that begin where a test wants them to."""

from __future__ import annotations

import os
import queue
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kubedeb.cli import run
from kubedeb.errors import ExitCode
from kubedeb.process import background
from lab import Lab
from lab.etcd import install_client_files, start_etcd
from livecluster import Live, Published

TOP = Path(__file__).parents[3]
VERSIONS = ("3.3.25", "3.4.23", "3.5.16")
SUITE = "bookworm"
CLUSTER = """\
name: lab
transport: {{kind: docker, container: "{prefix}-{{node}}"}}
roles: {{etcd: "etcd[1-3]"}}
rows:
  row-a: {{rack-1: etcd1}}
  row-b: {{rack-1: etcd2}}
  row-c: {{rack-1: etcd3}}
addresses: {{{addresses}}}
"""


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    kept = Path(os.environ.get("KUBEDEB_TEST_STORE") or TOP / "build/test-store")
    folder = tmp_path_factory.mktemp("repository")
    there = []
    for version in VERSIONS:
        where = ["--store", str(kept), "--cache", str(kept / "sources"), "-o", str(folder / "packages")]
        status = run(["build", f"etcd@{version}", "--no-lintian", "--no-root-tests", *where])
        assert status == ExitCode.DONE or (status == ExitCode.SOURCE_GONE and version == VERSIONS[0])
        there += [version] if status == ExitCode.DONE else []
    at = ["--repository", str(folder / "repository")]
    assert run(["repo", "init", *at, "--origin", "kubedeb-lab", "--suite", SUITE]) == ExitCode.DONE
    files = [str(path) for path in sorted((folder / "packages").glob("*.changes"))]
    assert run(["repo", "add", *at, "--suite", SUITE, "--publish", *files]) == ExitCode.DONE
    return Published(folder / "repository/public", tuple(there))


@pytest.fixture(scope="session")
def lab(published: Published) -> Iterator[Lab]:
    said: queue.Queue[str] = queue.Queue()
    kubedeb = [Path(sys.executable).parent / "kubedeb", "repo", "serve", "--repository", published.public.parent]
    with Lab(["etcd1", "etcd2", "etcd3"]) as nodes:
        serve = [*kubedeb, "--bind", nodes.gateway, "--port", "0"]
        with background(serve, code=ExitCode.REPOSITORY, on_line=said.put):
            found = None
            while found is None:
                found = re.search(r"http://\S+", said.get(timeout=30))
            install_client_files(nodes, published.public, found[0])
            yield nodes


@pytest.fixture
def cluster(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Live]:
    """Return a maker of clusters that run an upstream version; what an earlier test left on the nodes is removed."""
    monkeypatch.setenv("KUBEDEB_STATE", str(tmp_path / "state"))

    def make(version: str) -> Live:
        for node in lab.nodes:
            lab.run(node, "apt-get", "purge", "-y", "-qq", "etcd-server", "etcd-client", check=False)
            lab.run(node, "rm", "-rf", "/var/lib/etcd/default", "/var/lib/kubedeb-backups", "/var/lib/kubedeb")
            lab.run(node, "apt-get", "clean")
        urls = start_etcd(lab, f"{version}-1~deb12u1")
        addresses = ", ".join(f"{node.name}: {node.address}" for node in lab.nodes.values())
        path = tmp_path / "cluster.yaml"
        path.write_text(CLUSTER.format(prefix=lab.prefix, addresses=addresses))
        return Live(lab, path, urls)

    return make
