"""The stand-in program: it says what the original says, listens where its flags say, and refuses what its version refuses."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import releases

from loopback import free_port


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, releases.Program]:
    return releases.program(tmp_path_factory.mktemp("standin"))


def install(folder: Path, programs: dict[str, releases.Program], name: str, version: str) -> Path:
    path = folder / version / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(programs["amd64"].of(name, version))
    path.chmod(0o755)
    return path


def say(*argv: object, **environment: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [str(word) for word in argv], env={**os.environ, **environment}, check=False, capture_output=True, text=True, timeout=20
    )
    return done.returncode, done.stdout, done.stderr


SAYS = [
    ("kubelet", "1.10.13", ["--version"], "Kubernetes v1.10.13\n"),
    ("kube-apiserver", "1.7.16", ["--version"], "Kubernetes v1.7.16\n"),
    ("kubectl", "1.9.11", ["version", "--client"], 'GitVersion:"v1.9.11"'),
    ("etcd", "3.1.12", ["--version"], "etcd Version: 3.1.12\nGit SHA: "),
    ("etcdctl", "2.3.8", ["--version"], "etcdctl version 2.3.8\n"),
    ("etcdctl", "3.1.12", ["--version"], "etcdctl version: 3.1.12\nAPI version: 2\n"),
    ("helm", "2.9.1", ["version", "--client"], 'Client: &version.Version{SemVer:"v2.9.1", '),
    ("calicoctl", "1.2.0", ["version"], "Version:      v1.2.0\n"),
    ("calico", "1.11.6", ["-v"], "v1.11.6\n"),
    ("calico-ipam", "3.1.7", ["-v"], "v3.1.7\n"),
    ("calico-upgrade", "1.0.5", ["version"], "v1.0.5\n"),
]


@pytest.mark.parametrize(("name", "version", "words", "said"), SAYS)
def test_it_says_its_version(
    tmp_path: Path, programs: dict[str, releases.Program], name: str, version: str, words: list[str], said: str
) -> None:
    status, out, _ = say(install(tmp_path, programs, name, version), *words)
    assert (status, said in out) == (0, True), out


def test_calicoctl_asks_for_a_store_from_1_4_on(tmp_path: Path, programs: dict[str, releases.Program]) -> None:
    status, out, _ = say(install(tmp_path, programs, "calicoctl", "1.6.5"), "version")
    assert (status, out.splitlines()[0]) == (1, "Client Version:    v1.6.5")
    assert "Unable to retrieve Cluster Version" in out


@pytest.mark.parametrize(("version", "newest"), [("0.5.1+git0799f573", "0.3.0"), ("0.6.0", "0.3.1")])
def test_a_plugin_says_which_protocols_it_speaks_and_refuses_anything_else(
    tmp_path: Path, programs: dict[str, releases.Program], version: str, newest: str
) -> None:
    loopback = install(tmp_path, programs, "loopback", version)
    assert json.loads(say(loopback, CNI_COMMAND="VERSION")[1])["supportedVersions"][-1] == newest
    status, out, _ = say(loopback, CNI_COMMAND="ADD")
    assert (status, json.loads(out)["code"]) == (1, 4)


USAGE = "Usage of kube-apiserver:\n"
REFUSALS = [
    ("kubelet", "1.7.16", "--require-kubeconfig", None),
    ("kubelet", "1.10.13", "--require-kubeconfig", (1, "Error: unknown flag: --require-kubeconfig\n")),
    ("kubelet", "1.8.15", "--api-servers=x", (2, "unknown flag: --api-servers\nUsage of kubelet:\n")),
    ("kube-apiserver", "1.9.11", "--enable-admission-plugins=x", (2, f"unknown flag: --enable-admission-plugins\n{USAGE}")),
    ("kube-apiserver", "1.10.13", "--enable-admission-plugins=x", None),
    ("kube-apiserver", "1.8.15", "--endpoint-reconciler-type=lease", (2, f"unknown flag: --endpoint-reconciler-type\n{USAGE}")),
    ("etcd", "3.3.25", "--logger=zap", (2, "flag provided but not defined: -logger\nusage: etcd [flags]\n")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "version", "flag", "expected"), REFUSALS)
def test_it_refuses_what_its_version_refuses(
    tmp_path: Path, programs: dict[str, releases.Program], name: str, version: str, flag: str, expected: tuple[int, str] | None
) -> None:
    status, _, said = say(install(tmp_path, programs, name, version), flag, "--version")
    assert (status, said) == (expected or (0, ""))


@contextmanager
def running(*argv: object) -> Iterator[None]:
    process = subprocess.Popen([str(word) for word in argv])
    try:
        yield
    finally:
        process.terminate()
        assert process.wait(10) == 0


def fetch(url: str) -> str:
    unchecked = ssl._create_unverified_context()  # noqa: S323 its certificate is its own
    for _ in range(100):
        try:
            with urllib.request.urlopen(url, timeout=5, context=unchecked) as answer:
                return str(answer.read().decode())
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{url} does not answer")


def test_an_api_server_answers_on_both_ports(tmp_path: Path, programs: dict[str, releases.Program]) -> None:
    server = install(tmp_path, programs, "kube-apiserver", "1.9.11")
    plain, secure = free_port(), free_port()
    with running(server, f"--insecure-port={plain}", f"--secure-port={secure}", "--bind-address=127.0.0.1"):
        for url in (f"http://127.0.0.1:{plain}", f"https://127.0.0.1:{secure}"):
            assert fetch(f"{url}/healthz") == "ok"
            about = json.loads(fetch(f"{url}/version"))
            assert (about["major"], about["minor"], about["gitVersion"]) == ("1", "9", "v1.9.11")
            assert "kubernetes_build_info{" in fetch(f"{url}/metrics")
            assert 'gitVersion="v1.9.11"' in fetch(f"{url}/metrics")


def test_etcd_answers_where_its_flags_say(tmp_path: Path, programs: dict[str, releases.Program]) -> None:
    port = free_port()
    with running(install(tmp_path, programs, "etcd", "3.1.12"), "--listen-client-urls", f"http://127.0.0.1:{port}"):
        assert json.loads(fetch(f"http://127.0.0.1:{port}/version")) == {"etcdserver": "3.1.12", "etcdcluster": "3.1.0"}
        assert json.loads(fetch(f"http://127.0.0.1:{port}/health")) == {"health": "true"}
