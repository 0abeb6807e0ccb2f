"""What the adapters make of what nodes and members answer."""

# ruff: noqa: ARG002 - the signatures are the Protocols'

from __future__ import annotations

import base64
import io
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NoReturn

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from upgrade_plans.adapters.backups import SnapshotBackups, as_argument
from upgrade_plans.adapters.etcd import GatewayEtcd, entry
from upgrade_plans.adapters.hosts import DockerHosts, must
from upgrade_plans.adapters.packages import AptPackages
from upgrade_plans.adapters.probes import NodeProbes
from upgrade_plans.adapters.protocols import Available, Outcome, RefusedError, UnreachableError
from upgrade_plans.models.cluster import Cluster
from upgrade_plans.models.plan import PackagePin

CLUSTER = Cluster.model_validate(
    {"name": "c", "transport": {"kind": "docker"}, "roles": {"etcd": "n1"}, "rows": {"r": {"k": "n1"}}}
)


class Script:
    """A node that answers as it was told to: (status, stdout), or a function of the command."""

    def __init__(self, *answers: tuple[int, str]) -> None:
        self.answers = list(answers)
        self.ran: list[tuple[str, ...]] = []

    def run(self, node: str, argv: Sequence[str], *, timeout: float, env: dict[str, str] | None = None) -> Outcome:
        self.ran.append(tuple(argv))
        status, text = self.answers.pop(0)
        return Outcome(tuple(argv), status, text.encode(), b"E: a reason" if status else b"")

    def get(self, node: str, path: str, target: Path) -> NoReturn:
        raise AssertionError


def test_installed_means_wholly_installed() -> None:
    hosts = Script((1, "ii \tetcd-server\t3.4.23-1\niU \tetcd-client\t3.4.23-1\n"))
    found = AptPackages(hosts).installed("n", ("etcd-client", "etcd-server", "other"))
    assert found == {"etcd-client": None, "etcd-server": "3.4.23-1", "other": None}


POLICY = """\
etcd-server:
  Installed: 3.4.23-1
  Candidate: 3.4.23-1
  Version table:
     3.5.16-1 50
         50 http://ours bookworm/main amd64 Packages
     3.4.23-4+b4 -1
        500 http://debian bookworm/main amd64 Packages
 *** 3.4.23-1 100
        100 /var/lib/dpkg/status
"""


def test_available_is_what_an_index_offers_and_the_preferences_do_not_refuse() -> None:
    offered = (
        "Package: etcd-server\nVersion: 3.5.16-1\nSize: 10\nSHA256: abc\n\n"
        "Package: etcd-server\nVersion: 3.4.23-4+b4\nSize: 10\nSHA256: abd\n\n"
        "Package: etcd-server\nVersion: 3.4.23-1\nStatus: install ok installed\n"
    )
    found = AptPackages(Script((0, POLICY), (0, offered))).available("n", ("etcd-server", "etcd-client"))
    assert found == {"etcd-server": (Available("3.5.16-1", "abc", 10),), "etcd-client": ()}


@pytest.mark.parametrize("text", ["nonsense", "Package: etcd-server\nVersion: 1\nSize: x\nSHA256: abc\n"])
def test_what_apt_prints_is_not_trusted(text: str) -> None:
    with pytest.raises(RefusedError, match="asking apt failed"):
        AptPackages(Script((0, ""), (0, text))).available("n", ("etcd-server",))


AA = "a" * 64
LISTING = (
    f"{AA}  /var/lib/kubedeb/packages/etcd-server_1%3a3.4.23-1~deb12u1_amd64.deb\n"
    "bb  /var/lib/kubedeb/packages/other_1_all.deb\ncc  /var/lib/kubedeb/packages/odd.deb\n"
)
PINS = {"etcd-server": PackagePin(version="1:3.4.23-1~deb12u1", sha256=AA)}


def test_the_folder_by_package_and_version() -> None:
    assert AptPackages(Script((0, LISTING))).cached("n", ("etcd-server",)) == {"etcd-server": {"1:3.4.23-1~deb12u1": AA}}
    assert AptPackages(Script((1, ""))).cached("n", ("etcd-server",)) == {"etcd-server": {}}


def test_downloads_go_to_a_folder_of_our_own() -> None:
    hosts = Script((0, ""), (0, ""))
    AptPackages(hosts).download("n", {"etcd-server": "3.4.23-1"})
    assert hosts.ran[0][2:] == ("install", "-d", "-m", "0755", "/var/lib/kubedeb/packages")
    assert "Dir::Cache::Archives=/var/lib/kubedeb/packages" in hosts.ran[1]


HALF = "The following packages are only half configured:\n etcd-server\n"


@pytest.mark.parametrize(
    ("audits", "mended"), [([""], []), ([HALF, ""], ["--configure"]), ([HALF, HALF], ["--configure", "--install"])]
)
def test_a_cut_off_dpkg_is_finished_first(audits: list[str], mended: list[str]) -> None:
    answers = [(0, text) for audit in audits for text in ((audit, "") if audit else (audit,))]
    hosts = Script((0, LISTING), *answers, *[(0, "")] * 2)
    AptPackages(hosts).install("n", PINS)
    changes = [argv for argv in hosts.ran if argv[0] == "flock"]
    assert [argv[3] for argv in changes[:-1]] == mended
    assert changes[-1][-1] == "/var/lib/kubedeb/packages/etcd-server_1%3a3.4.23-1~deb12u1_amd64.deb"
    assert {"--no-remove", "--allow-downgrades", "Dir::Etc::SourceList=/dev/null"} <= set(changes[-1])
    assert changes[-1][:2] == ("flock", "/run/kubedeb.lock")


@pytest.mark.parametrize("listing", ["", LISTING.replace("aaa", "aab")])
def test_another_file_than_the_plans_is_not_installed(listing: str) -> None:
    hosts = Script((0, listing))
    with pytest.raises(RefusedError, match=r"installing etcd-server 1:3\.4\.23-1~deb12u1 failed"):
        AptPackages(hosts).install("n", PINS)
    assert len(hosts.ran) == 1


@pytest.mark.parametrize(
    ("simulated", "found"),
    [
        ("Inst etcd-server [3] (1:3.4.23-1~deb12u1 local-deb [amd64])\nConf etcd-server (1:3.4.23-1~deb12u1 o [amd64])", ()),
        ("Remv dependent [1]\nInst etcd-server [3] (1:3.4.23-1~deb12u1 o:s, local-deb [amd64])", ("remove dependent",)),
        ("Purg dependent [1] [etcd-server ]", ("remove dependent",)),
        ("Inst adduser (3.134 Debian:12.1/stable [all])\nConf adduser (3.134 x [all])", ("install adduser 3.134",)),
        ("Inst etcd-server [3] (1:3.5.16-1 o [amd64]) []", ("install etcd-server 1:3.5.16-1",)),
        ("Conf other (1 o [all])", ("configure other 1",)),
        ("Reading package lists...", ()),
    ],
)
def test_what_a_transaction_does_besides(simulated: str, found: tuple[str, ...]) -> None:
    hosts = Script((0, ""), (0, simulated))
    assert AptPackages(hosts).besides("n", PINS) == found
    assert hosts.ran[-1][-1] == "etcd-server=1:3.4.23-1~deb12u1"
    hosts = Script((0, LISTING), (0, simulated))
    assert AptPackages(hosts).besides("n", PINS) == found
    assert hosts.ran[-1][-1].endswith(".deb")
    assert "flock" not in hosts.ran[-1]


def test_held_packages() -> None:
    assert AptPackages(Script((0, "etcd-server:amd64\n"))).held("n", ("etcd-client", "etcd-server")) == ("etcd-server",)


@pytest.mark.parametrize(
    ("answer", "word"), [((0, "enabled\n"), "enabled"), ((1, "masked\n"), "masked"), ((4, ""), "E: a reason")]
)
def test_whether_a_unit_starts_with_the_node(answer: tuple[int, str], word: str) -> None:
    assert NodeProbes(Script(answer)).enabled("n", "etcd") == word


def test_a_failed_command_shows_what_ran_and_what_it_said() -> None:
    with pytest.raises(RefusedError) as error:
        must(Outcome(("apt-get", "install", "a b"), 100, b"", b"E: a reason"), "n1", "installing")
    assert error.value.render().splitlines()[:4] == [
        "error: node n1: installing failed", "  $ apt-get install 'a b'", "  E: a reason", "  exit status 100",
    ]  # fmt: skip


def test_free_space_of_a_folder_that_is_not_there_yet() -> None:
    hosts = Script((1, ""), (0, "Avail\n  12345\n"))
    assert NodeProbes(hosts).free("n", "/var/lib/backups") == 12345
    assert [argv[-1] for argv in hosts.ran] == ["/var/lib/backups", "/var/lib"]


def test_programs_that_are_missing() -> None:
    assert NodeProbes(Script((1, "/usr/bin/etcd\n"))).missing("n", ("etcd", "etcdctl")) == ("etcdctl",)


@given(st.binary(min_size=1))
def test_a_key_is_an_argument_or_none(key: bytes) -> None:
    word = as_argument(key)
    assert word is None or (word.encode() == key and "\0" not in word)


class Store(Script):
    """A scratch member that holds `keys` and answers etcdctl get --from-key --limit."""

    def __init__(self, keys: list[bytes]) -> None:
        super().__init__()
        self.keys = sorted(keys)

    def run(self, node: str, argv: Sequence[str], *, timeout: float, env: dict[str, str] | None = None) -> Outcome:
        if "get" not in argv:
            return Outcome(tuple(argv), 0, b"", b"")
        limit = int(next(word for word in argv if word.startswith("--limit=")).partition("=")[2])
        found = [key for key in self.keys if key >= argv[-1].encode()]
        kvs = [{"key": base64.b64encode(key).decode(), "mod_revision": 5} for key in found[:limit]]
        return Outcome(tuple(argv), 0, json.dumps({"kvs": kvs, "more": len(found) > limit}).encode(), b"")


@settings(max_examples=500)
@example(
    {b"\x01", b"\x81", b"\x82", b"\x83", b"\0\0", b"\0\0\0", b"\x80", b"\0\x02", b"\x02", b"\0\x03", b"\0\x01", b"\0", b"\x03"}
)
@given(st.sets(st.binary(min_size=1, max_size=3), max_size=40))
def test_a_restored_store_is_read_whole_in_pages(keys: set[bytes]) -> None:
    backups = SnapshotBackups(Store(list(keys)), CLUSTER, page=3)
    assert [item.key for item in backups.restored("n1", "/b")] == sorted(keys)


def test_a_restored_store_is_served_on_no_port() -> None:
    class Watched(Store):
        def run(self, node: str, argv: Sequence[str], *, timeout: float, env: dict[str, str] | None = None) -> Outcome:
            self.ran.append(tuple(argv))
            return super().run(node, argv, timeout=timeout, env=env)

    hosts = Watched([b"a"])
    assert len(list(SnapshotBackups(hosts, CLUSTER).restored("n1", "/b"))) == 1
    made = next(argv for argv in hosts.ran if "install" in argv)
    assert made[-3:] == ("-m", "0700", f"{CLUSTER.etcd.backups}/scratch")
    started = next(argv for argv in hosts.ran if "systemd-run" in argv)
    assert all(word.partition("=")[2].startswith("unix://") for word in started if word.startswith("--listen-"))
    assert f"--property=WorkingDirectory={CLUSTER.etcd.backups}/scratch" in started


def test_entries_of_the_gateway_and_of_etcdctl_are_the_same() -> None:
    gateway = {"key": "YQ==", "create_revision": "2", "mod_revision": "3", "version": "2", "value": "eA==", "lease": "7"}
    assert entry(gateway) == entry({**gateway, "create_revision": 2, "mod_revision": 3, "version": 2, "lease": 7})
    assert entry({"key": "YQ=="}).lease == 0


def test_members_are_asked_directly_whatever_proxy_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    import requests

    asked: list[Mapping[str, str]] = []

    def send(self: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        asked.append(options["proxies"])
        answer = requests.Response()
        answer.status_code, answer._content = 200, b'{"etcdserver": "3.4.23", "etcdcluster": "3.4.0"}'
        return answer

    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setattr(requests.Session, "send", send)
    assert GatewayEtcd(CLUSTER).versions("n1") == ("3.4.23", "3.4.0")
    assert [dict(proxies) for proxies in asked] == [{}]


def archive(content: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        member = tarfile.TarInfo("b.db")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


class Docker:
    """A docker daemon with one file in one container."""

    def __init__(self, blocks: list[bytes]) -> None:
        self.blocks = blocks
        self.containers = self

    def get(self, name: str) -> Docker:
        return self

    def get_archive(self, path: str, chunk_size: int) -> tuple[Iterator[bytes], None]:
        return iter(self.blocks), None

    def close(self) -> None:
        pass


def blocks(data: bytes) -> list[bytes]:
    return [data[at : at + 700] for at in range(0, len(data), 700)]


@pytest.fixture
def content() -> bytes:
    return bytes(range(256)) * 100


def test_a_file_is_copied_as_it_comes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes) -> None:
    monkeypatch.setattr("docker.from_env", lambda **_: Docker(blocks(archive(content))))
    monkeypatch.setattr("tempfile.TemporaryFile", None)
    DockerHosts("{node}").get("n1", "/b.db", tmp_path / "b.db")
    assert (tmp_path / "b.db").read_bytes() == content


def test_a_copy_that_is_cut_off_is_the_nodes_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes) -> None:
    monkeypatch.setattr("docker.from_env", lambda **_: Docker(blocks(archive(content))[:9]))
    with pytest.raises(UnreachableError, match="node n1 does not answer"):
        DockerHosts("{node}").get("n1", "/b.db", tmp_path / "b.db")
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("where", ["full", "file"])
def test_our_own_full_disk_is_not_the_nodes_fault(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes, where: str
) -> None:
    @contextmanager
    def full(path: Path, **_: object) -> Iterator[IO[bytes]]:
        with Path("/dev/full").open("wb", buffering=0) as stream:
            yield stream

    monkeypatch.setattr("docker.from_env", lambda **_: Docker(blocks(archive(content))))
    if where == "full":
        monkeypatch.setattr("upgrade_plans.adapters.hosts.replacing", full)
    (tmp_path / "file").write_text("")
    with pytest.raises(RefusedError) as error:
        DockerHosts("{node}").get("n1", "/b.db", tmp_path / "file/b.db")
    assert error.value.brief == f"this machine: writing {tmp_path / 'file/b.db'} failed"
    assert error.value.details in ("No space left on device", "File exists", "Not a directory")
    assert error.value.hint.startswith("Make room")
