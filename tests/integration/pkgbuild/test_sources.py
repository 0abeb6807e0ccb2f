"""Sources from a server, from Debian and from pip: whole and checked, whatever the network, the mirror or the disk does."""

from __future__ import annotations

import hashlib
import io
import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from upstream import Behaviour, Upstream, serving

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.process import run
from kubedeb.progress import progress
from pkgbuild.apt import host_entries, private_apt
from pkgbuild.cache import Cache
from pkgbuild.checksum import Algorithm, Checksum
from pkgbuild.download import BLOCK, Downloads, Patience
from pkgbuild.fetch import Network, apt_archive, fetch, held
from pkgbuild.mirrors import Mirror
from pkgbuild.requestlog import LOG_NAME, RequestLog
from pkgbuild.sharedcache import SharedCache
from pkgbuild.spec import SignaturePin, SourcePin

PATH = "/etcd/v3.5.17/etcd-v3.5.17-linux-amd64.tar.gz"
DATA = b"".join(hashlib.sha256(number.to_bytes(4)).digest() for number in range(300_000 // 32))
SHA256 = Checksum.sha256(hashlib.sha256(DATA).hexdigest())
QUICK = Patience(attempts=3, pause=0.01, silence=3)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with serving() as server:
        server.add(PATH, DATA)
        yield server


def pin(upstream: Upstream, path: str = PATH, checksum: Checksum = SHA256, signature: SignaturePin | None = None) -> SourcePin:
    name = path.rpartition("/")[2]
    return SourcePin("archive", name[:8], "3.5.17", checksum, "amd64", file=name, url=upstream.url + path, signature=signature)


def net(cache: Cache, *mirrors: Mirror, offline: bool = False, said: list[str] | None = None) -> Network:
    log = RequestLog(cache.folder, (said if said is not None else []).append)
    return Network(apt_archive(""), Downloads(log, mirrors, QUICK), log, offline)


def bring(cache: Cache, *pins: SourcePin, using: Network | None = None) -> dict[SourcePin, KubedebError]:
    return fetch(pins, cache, using or net(cache), progress(io.StringIO()))


def whole_files(folder: Path) -> dict[str, str]:
    """Return {name: sha256 or sha512 of its bytes} of everything that the cache calls by a digest."""
    return {
        path.name: hashlib.new(path.parent.name, path.read_bytes()).hexdigest()
        for path in folder.glob("sha*/*") if not path.name.startswith(".")
    }  # fmt: skip


def test_an_archive_comes_into_the_cache_and_is_logged(upstream: Upstream, tmp_path: Path) -> None:
    said: list[str] = []
    cache = Cache(tmp_path)
    assert bring(cache, pin(upstream), using=net(cache, said=said)) == {}
    assert cache.path(SHA256).read_bytes() == DATA
    assert said == [f"{upstream.url}{PATH} 200 300,000 bytes {SHA256}"]
    logged = [json.loads(line) for line in (tmp_path / LOG_NAME).read_text().splitlines()]
    assert [(one["asked"], one["status"], one["size"], one["digest"]) for one in logged] == [
        (upstream.url + PATH, "200", 300_000, str(SHA256))
    ]
    bring(cache, pin(upstream))
    assert len(upstream.asked(PATH)) == 1


def test_a_proxy_is_asked_where_one_is_set(upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    far = "http://release.invalid/etcd.tar.gz"  # what a proxy is asked for is the whole URL
    upstream.files[far] = DATA
    monkeypatch.setenv("http_proxy", upstream.url)
    cache, one = Cache(tmp_path), SourcePin("archive", "etcd", "3.5.17", SHA256, "amd64", file="etcd.tar.gz", url=far)
    assert bring(cache, one) == {}
    assert cache.path(SHA256).read_bytes() == DATA
    assert [(seen.path, seen.status) for seen in upstream.seen] == [(far, 200)]


def test_sha512_is_as_good(upstream: Upstream, tmp_path: Path) -> None:
    sha512 = Checksum(Algorithm.SHA512, hashlib.sha512(DATA).hexdigest())
    bring(Cache(tmp_path), pin(upstream, checksum=sha512))
    assert Cache(tmp_path).path(sha512).read_bytes() == DATA


TROUBLE = {
    "cut": (Behaviour(cut_after=100_000, cuts=1), [("", 200), ("bytes=", 206)]),
    "cut twice": (Behaviour(cut_after=100_000, cuts=2), [("", 200), ("bytes=", 206), ("bytes=", 206)]),
    "500 once": (Behaviour(statuses=(500,)), [("", 500), ("", 200)]),
    "503 twice": (Behaviour(statuses=(503, 503)), [("", 503), ("", 503), ("", 200)]),
    "no ranges": (Behaviour(cut_after=100_000, cuts=1, ranges=False), [("", 200), ("bytes=", 200)]),
}


@pytest.mark.parametrize("what", TROUBLE)
def test_trouble_is_outlasted(what: str, upstream: Upstream, tmp_path: Path) -> None:
    behaviour, requests = TROUBLE[what]
    upstream.behave(PATH, behaviour)
    bring(Cache(tmp_path), pin(upstream))
    assert [(seen.range[:6], seen.status) for seen in upstream.asked(PATH)] == requests
    assert whole_files(tmp_path) == {SHA256.value: SHA256.value}
    logged = [json.loads(line) for line in (tmp_path / LOG_NAME).read_text().splitlines()]
    assert len(logged) == len(requests)
    assert sum(one["size"] for one in logged) == len(DATA) + (
        behaviour.cut_after // BLOCK * BLOCK if not behaviour.ranges else 0
    )
    assert [path.suffix for path in (tmp_path / "parts").iterdir()] in ([], [".lock"])


def test_a_part_of_before_is_gone_on_with(upstream: Upstream, tmp_path: Path) -> None:
    part = tmp_path / "parts" / f"sha256-{SHA256.value}"
    part.parent.mkdir()
    part.write_bytes(DATA[:250_000])
    bring(Cache(tmp_path), pin(upstream))
    assert [seen.range for seen in upstream.asked(PATH)] == ["bytes=250000-"]


@pytest.mark.parametrize("old", [b"x" * 250_000, b"x" * 400_000])
def test_a_part_of_another_file_is_thrown_away(old: bytes, upstream: Upstream, tmp_path: Path) -> None:
    part = tmp_path / "parts" / f"sha256-{SHA256.value}"
    part.parent.mkdir()
    part.write_bytes(old)
    bring(Cache(tmp_path), pin(upstream))
    assert whole_files(tmp_path) == {SHA256.value: SHA256.value}


def test_a_digest_changed_upstream_shows_both(upstream: Upstream, tmp_path: Path) -> None:
    upstream.add(PATH, b"other bytes")
    with pytest.raises(KubedebError) as raised:
        bring(Cache(tmp_path), pin(upstream))
    assert raised.value.code is ExitCode.SOURCE_MISMATCH
    assert raised.value.details == (
        f"pinned sha256: {SHA256.value}\nits sha256:    {hashlib.sha256(b'other bytes').hexdigest()}"
    )
    assert whole_files(tmp_path) == {}


def test_404_is_gone_at_once_and_the_rest_comes(upstream: Upstream, tmp_path: Path) -> None:
    lost = pin(upstream, "/none.tar.gz", Checksum.sha256("0" * 64))
    assert [error.brief for error in bring(Cache(tmp_path), lost, pin(upstream)).values()] == [f"NOT RUN: source gone: {lost}"]
    assert len(upstream.asked("/none.tar.gz")) == 1
    assert whole_files(tmp_path) == {SHA256.value: SHA256.value}


def test_a_server_that_only_fails_is_named(upstream: Upstream, tmp_path: Path) -> None:
    upstream.behave(PATH, Behaviour(statuses=(500,) * 10))
    with pytest.raises(KubedebError) as raised:
        bring(Cache(tmp_path), pin(upstream))
    assert raised.value.code is ExitCode.FETCH
    assert raised.value.details == f"{upstream.url}{PATH}: HTTP status 500, 3 times"


def test_all_that_cannot_be_taken_is_named_other_bytes_first(upstream: Upstream, tmp_path: Path) -> None:
    changed = pin(upstream, "/z-changed.tar.gz", Checksum.sha256("0" * 64))
    upstream.add("/z-changed.tar.gz", b"other")
    upstream.behave(PATH, Behaviour(statuses=(500,) * 10))
    with pytest.raises(KubedebError) as raised:
        bring(Cache(tmp_path), pin(upstream), changed)
    assert raised.value.code is ExitCode.SOURCE_MISMATCH
    assert raised.value.brief == "2 sources cannot be taken"
    assert raised.value.details.splitlines()[:2] == [f"{changed} is not the pinned file", f"cannot fetch {upstream.url}{PATH}"]


def test_a_mirror_is_asked_first_and_upstream_when_it_is_gone(upstream: Upstream, tmp_path: Path) -> None:
    upstream.add("/mirror/etcd-v3.5.17-linux-amd64.tar.gz", DATA)
    official = "https://releases.invalid/v3.5.17"
    one = SourcePin("archive", "etcd", "3.5.17", SHA256, "amd64", file="a", url=f"{official}/etcd-v3.5.17-linux-amd64.tar.gz")
    cache = Cache(tmp_path / "a")
    bring(cache, one, using=net(cache, Mirror("https://releases.invalid/v3.5.17", f"{upstream.url}/mirror")))
    assert whole_files(tmp_path / "a") == {SHA256.value: SHA256.value}
    cache = Cache(tmp_path / "b")
    bring(cache, pin(upstream), using=net(cache, Mirror(upstream.url, f"{upstream.url}/nowhere")))
    assert [(seen.path, seen.status) for seen in upstream.seen[-2:]] == [("/nowhere" + PATH, 404), (PATH, 200)]


def test_a_mirror_that_sends_other_bytes_is_passed_over(upstream: Upstream, tmp_path: Path) -> None:
    upstream.add("/mirror" + PATH, b"other bytes")
    mirror = Mirror(f"{upstream.url}/etcd", f"{upstream.url}/mirror/etcd")
    cache = Cache(tmp_path)
    bring(cache, pin(upstream), using=net(cache, mirror))
    assert [seen.path for seen in upstream.seen] == ["/mirror" + PATH, PATH]
    assert whole_files(tmp_path) == {SHA256.value: SHA256.value}
    del upstream.files[PATH]
    cache = Cache(tmp_path / "b")
    with pytest.raises(KubedebError) as raised:
        bring(cache, pin(upstream), using=net(cache, mirror))
    assert raised.value.code is ExitCode.SOURCE_MISMATCH
    assert f"{upstream.url}/mirror{PATH}: other bytes, sha256 " in raised.value.details
    assert f"{upstream.url}{PATH}: HTTP status 404" in raised.value.details
    assert whole_files(cache.folder) == {}


def test_offline_names_all_that_is_missing_and_asks_nothing(upstream: Upstream, tmp_path: Path) -> None:
    cache, other = Cache(tmp_path), pin(upstream, "/none.tar.gz", Checksum.sha256("0" * 64))
    with pytest.raises(KubedebError) as raised:
        bring(cache, pin(upstream), other, using=net(cache, offline=True))
    assert raised.value.brief == "NOT RUN: the network is off, and the cache lacks 2 sources"
    assert sorted(raised.value.details.splitlines()) == sorted(f"{one} {one.checksum}" for one in (pin(upstream), other))
    assert upstream.seen == []
    bring(cache, pin(upstream))
    assert bring(cache, pin(upstream), using=net(cache, offline=True)) == {}


def test_slow_sources_come_side_by_side(upstream: Upstream, tmp_path: Path) -> None:
    """Two builds' sources, each throttled: together they take the time of one."""
    pins = []
    for number in range(2):
        data = DATA + bytes([number])
        path = f"/slow-{number}.tar.gz"
        upstream.add(path, data)
        upstream.behave(path, Behaviour(rate=100_000))
        pins.append(pin(upstream, path, Checksum.sha256(hashlib.sha256(data).hexdigest())))
    began = time.monotonic()
    bring(Cache(tmp_path), *pins)
    assert 2.9 < time.monotonic() - began < 4.5


def test_two_runs_at_once_ask_once(upstream: Upstream, tmp_path: Path) -> None:
    upstream.behave(PATH, Behaviour(rate=300_000))
    runs = [threading.Thread(target=bring, args=(Cache(tmp_path), pin(upstream))) for _ in range(3)]
    for one in runs:
        one.start()
    for one in runs:
        one.join(30)
    assert len(upstream.asked(PATH)) == 1
    assert whole_files(tmp_path) == {SHA256.value: SHA256.value}


FETCHER = """
import io, sys
sys.path[:0] = {path!r}
from pathlib import Path
from kubedeb.progress import progress
from pkgbuild.cache import Cache
from pkgbuild.checksum import Checksum
from pkgbuild.fetch import fetch, network
from pkgbuild.spec import SourcePin
cache = Cache(Path({folder!r}))
pin = SourcePin("archive", "etcd", "1", Checksum.sha256({sha256!r}), "amd64", file="a", url={url!r})
fetch([pin], cache, network(cache, "", ""), progress(io.StringIO()))
"""
CALLS = ["write", "rename", "fsync", "openat", "unlink", "fchmod", "mkdir"]


@pytest.mark.parametrize(
    ("call", "when"),
    [("fsync", 1), ("fsync", 2), ("rename", 1), ("unlink", 1),
     *(pytest.param(call, when, marks=pytest.mark.long) for call in CALLS for when in range(1, 9))],
)  # fmt: skip
def test_a_kill_leaves_whole_files_or_nothing(call: str, when: int, upstream: Upstream, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    script_killed = _killed(call, when, upstream, folder)
    held_now = whole_files(folder)
    assert held_now in ({}, {SHA256.value: SHA256.value})
    assert script_killed or held_now
    bring(Cache(folder), pin(upstream))
    assert whole_files(folder) == {SHA256.value: SHA256.value}


def _killed(call: str, when: int, upstream: Upstream, folder: Path) -> bool:
    script = FETCHER.format(
        path=[str(Path(__file__).parents[3])], folder=str(folder), sha256=SHA256.value, url=upstream.url + PATH
    )
    paths = [
        str(folder),
        *(str(folder / name) for name in ("sha256", "parts", f"sha256/{SHA256.value}", f"parts/sha256-{SHA256.value}")),
    ]
    named = [word for path in paths for word in ("-P", path)]
    command = [
        "strace",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        *named,
        "-e",
        f"trace={call}",
        "-e",
        f"inject={call}:signal=KILL:when={when}",
    ]
    return run([*command, sys.executable, "-c", script], code=ExitCode.BUG, ok=range(-64, 256), timeout=120).status != 0


def test_a_full_disk_is_told_and_leaves_nothing(upstream: Upstream, tmp_path: Path) -> None:
    mount = tmp_path / "small"
    mount.mkdir()
    run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", mount], code=ExitCode.BUG)
    try:
        with pytest.raises(KubedebError) as raised:
            bring(Cache(mount / "cache"), pin(upstream))
        assert raised.value.code is ExitCode.BUILD_STORAGE
        assert "No space left on device" in raised.value.details
        assert whole_files(mount / "cache") == {}
    finally:
        run(["umount", mount], code=ExitCode.BUG)


def test_a_shared_cache_is_written_and_read_through(upstream: Upstream, tmp_path: Path) -> None:
    shared = SharedCache((tmp_path / "shared").as_uri())
    bring(Cache(tmp_path / "a", shared), pin(upstream))
    bring(Cache(tmp_path / "b", shared), pin(upstream))
    assert len(upstream.asked(PATH)) == 1
    for folder in ("a", "b", "shared"):
        assert whole_files(tmp_path / folder) == {SHA256.value: SHA256.value}
    (tmp_path / "shared/sha256" / SHA256.value).write_bytes(b"changed")
    with pytest.raises(KubedebError) as raised:
        bring(Cache(tmp_path / "c", shared), pin(upstream))
    assert raised.value.code is ExitCode.SOURCE_MISMATCH
    assert whole_files(tmp_path / "c") == {}


def test_an_object_store_serves_as_shared_cache(upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3
    from moto.server import ThreadedMotoServer

    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        boto3.client("s3").create_bucket(Bucket="sources")
        bring(Cache(tmp_path / "a", SharedCache("s3://sources/kubedeb")), pin(upstream))
        bring(Cache(tmp_path / "b", SharedCache("s3://sources/kubedeb")), pin(upstream))
    finally:
        server.stop()
    assert len(upstream.asked(PATH)) == 1
    assert whole_files(tmp_path / "b") == {SHA256.value: SHA256.value}


def test_a_source_package_comes_with_every_file(tmp_path: Path) -> None:
    with private_apt(host_entries("bookworm", "", pockets=False), "source", tmp_path / "apt", sources=True) as apt:
        apt.update()
        newest = apt.show_sources("hello")[0]
    one = SourcePin("dsc", "hello", newest.version, Checksum.sha256(newest.sha256), "amd64", suite="bookworm")
    cache = Cache(tmp_path / "cache")
    assert bring(cache, one) == {}
    assert held(one, cache)
    assert len(whole_files(cache.folder)) >= 3
    other = SourcePin("dsc", "hello", newest.version, Checksum.sha256("0" * 64), "amd64", suite="bookworm")
    with pytest.raises(KubedebError, match="in the signed index is not the pinned file"):
        bring(cache, other)


def test_a_wheel_comes_through_the_machines_pip(tmp_path: Path) -> None:
    """The digest is learnt from a first download: which version the index has is not this test's business."""
    from pkgbuild.wheel import pip_environment

    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--dest",
        str(tmp_path / "first"),
        "idna",
    ]
    run(command, code=ExitCode.BUG, env=pip_environment())
    file = next((tmp_path / "first").iterdir())
    checksum = Checksum.sha256("").of(file)
    one = SourcePin("wheel", "idna", file.name.split("-")[1], checksum, "amd64", file=file.name)
    assert bring(Cache(tmp_path / "cache"), one) == {}
    assert whole_files(tmp_path / "cache") == {checksum.value: checksum.value}
    gone = SourcePin("wheel", "idna", "0.0.1.dev1", checksum, "amd64", file="idna-0.0.1.dev1-py3-none-any.whl")
    assert [error.code for error in bring(Cache(tmp_path / "other"), gone).values()] == [ExitCode.SOURCE_GONE]
