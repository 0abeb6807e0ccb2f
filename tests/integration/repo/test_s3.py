"""A repository in an object store (moto, in a process of its own): two publishers, faults, headers, and apt as the judge."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from aptclient import AptClient
from debs import write_deb
from faultproxy import Fault, FaultProxy
from kubedeb.errors import ExitCode, KubedebError
from objectstore import ACCESS, object_store
from repo.fsck import fsck
from repo.gc import Collected, gc
from repo.s3 import S3Store, s3_store
from repo.store import Raced
from repositories import Made

BUCKET = "packages"
MONTH = 30 * 24 * 3600


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    with object_store() as url:
        yield url


@pytest.fixture
def proxy(moto: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    for name, value in ACCESS.items():
        monkeypatch.setenv(name, value)
    with FaultProxy(moto) as opened:
        s3_store(f"s3://{BUCKET}", opened.url).client.create_bucket(Bucket=BUCKET)
        yield opened


@pytest.fixture
def remote(proxy: FaultProxy, tmp_path: Path) -> Made:
    """A repository in the object store with one package published."""
    made = Made(tmp_path / "repository", [], tmp_path)
    storage = f"s3://{BUCKET}/{tmp_path.name}"
    assert made.repo("init", "--origin", "kubedeb", "--storage", storage, "--endpoint-url", proxy.url) == 0
    assert publish(made, "first") == 0
    return made


def publish(made: Made, name: str, version: str = "1") -> int:
    return made.repo("add", "--suite", "bookworm", "--publish", write_deb(made.folder / "in", name, version))


def store(made: Made) -> S3Store:
    found = made.opened.layout.store
    assert isinstance(found, S3Store)
    return found


def client(made: Made) -> AptClient:
    """Return a client of the bucket's content, copied to where apt can read it."""
    mirror = made.folder / "mirror"
    shutil.rmtree(mirror, ignore_errors=True)
    for folder in ("dists", "pool"):
        for name in store(made).names(folder):
            path = mirror / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(store(made).read(name) or b"")
    return AptClient(made.folder / "client", f"file:{mirror}", made.root / "keyring.gpg")


def seen(made: Made, *names: str) -> list[str]:
    apt = client(made)
    assert apt.update().clean
    return [name for name in names if apt.versions(name)]


def test_a_repository_in_an_object_store(remote: Made, proxy: FaultProxy) -> None:
    assert publish(remote, "second") == 0
    assert seen(remote, "first", "second") == ["first", "second"]
    proxy.log.clear()
    assert remote.repo("publish", "bookworm") == 0
    assert {method for method, _ in proxy.log} <= {"GET", "HEAD"}
    assert not any("list-type" in path for _, path in proxy.log)
    proxy.log.clear()
    assert publish(remote, "third") == 0
    assert not any("list-type" in path for _, path in proxy.log)
    uploads = [path for method, path in proxy.log if method == "PUT"]
    assert len([path for path in uploads if "/pool/" in path]) == 1
    assert len([path for path in uploads if "/snapshots/chunks/" in path]) == 1


def test_damage_in_an_object_store_is_named_and_mended(remote: Made, capsys: pytest.CaptureFixture[str]) -> None:
    assert remote.repo("verify") == 0
    assert remote.repo("fsck") == 0
    (chunk,) = store(remote).names("snapshots/chunks")
    store(remote).delete([chunk])
    (pooled,) = (name for name in store(remote).names("pool") if name.endswith(".deb"))
    store(remote).put(pooled, (store(remote).read(pooled) or b"")[:-1] + b"!")
    capsys.readouterr()
    assert remote.repo("verify") == ExitCode.VERIFY
    printed = capsys.readouterr().out
    assert chunk in printed
    assert pooled in printed
    assert remote.repo("fsck", "--repair") == ExitCode.VERIFY
    capsys.readouterr()
    assert remote.repo("verify") == ExitCode.VERIFY
    printed = capsys.readouterr().out
    assert chunk not in printed
    assert pooled in printed


def test_headers_for_a_cdn(remote: Made) -> None:
    found = {}
    for name in [*store(remote).names("dists"), *store(remote).names("pool")]:
        answer = store(remote).client.head_object(Bucket=BUCKET, Key=store(remote).prefix + name)
        found[name] = answer["CacheControl"]
    assert all(("immutable" in value) == ("/by-hash/" in name or name.startswith("pool/")) for name, value in found.items())
    assert found["dists/bookworm/InRelease"] == "public, max-age=60, must-revalidate"


def test_two_publishers_lose_nothing(remote: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one publishes while the client proves the first one's tree: the first must notice, and begin anew."""
    other = Made(tmp_path / "other" / "repository", [], tmp_path / "other")
    other.root.mkdir(parents=True)
    for name in ("repository.json", "keyring.gpg"):
        shutil.copy2(remote.root / name, other.root / name)
    shutil.copytree(remote.root / "gnupg", other.root / "gnupg", ignore=shutil.ignore_patterns("S.*"))
    from repo import proof as module

    real: Any = module.prove  # type: ignore[attr-defined]
    times: list[int] = []

    def slow(*arguments: Any) -> Any:
        times.append(1)
        if len(times) == 1:
            assert publish(other, "theirs") == 0
        return real(*arguments)

    monkeypatch.setattr(module, "prove", slow)
    assert publish(remote, "ours") == 0
    assert len(times) == 3
    assert seen(remote, "first", "ours", "theirs") == ["first", "ours", "theirs"]
    # What one published with other bytes, the other refuses: it asks the store, not its own catalog.
    second = write_deb(tmp_path / "salted", "ours", "1", salt="!")
    assert other.repo("add", "--suite", "bookworm", second) == ExitCode.PACKAGE


@pytest.mark.parametrize("fault", [Fault(500, times=2), Fault(0, times=3, delay=0.3)])
def test_a_store_that_stumbles_is_asked_again(remote: Made, proxy: FaultProxy, fault: Fault) -> None:
    proxy.fault = fault
    assert publish(remote, "second") == 0
    assert proxy.fault.times == 0
    assert seen(remote, "first", "second") == ["first", "second"]


def test_a_store_that_fails_publishes_nothing(
    remote: Made, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Between attempts it would wait for up to 20 s; that it asks again is shown above.
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
    proxy.fault = Fault(500, times=10_000, only="PUT")
    began = threading.active_count()
    assert publish(remote, "second") == ExitCode.REPOSITORY_STORAGE
    assert "hint: What clients see is the old or the new generation" in capsys.readouterr().err
    assert threading.active_count() <= began + 1
    proxy.fault = None
    assert seen(remote, "first", "second") == ["first"]
    assert publish(remote, "second") == 0
    assert seen(remote, "first", "second") == ["first", "second"]


def test_a_store_that_always_says_412_is_a_lost_race(remote: Made, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("repo.publish.RACES", 2)
    proxy.fault = Fault(412, times=10_000, only="PUT", where="/InRelease")
    assert publish(remote, "second") == ExitCode.REPOSITORY_BUSY
    proxy.fault = None
    assert remote.repo("publish", "bookworm") == 0
    assert seen(remote, "first", "second") == ["first", "second"]


def test_swap_notices_another(remote: Made) -> None:
    found = store(remote)
    name = "dists/bookworm/InRelease"
    data, tag = found.tagged(name) or (b"", "")
    found.swap(name, data + b"\n", tag, mtime=0)
    with pytest.raises(Raced):
        found.swap(name, data, tag, mtime=0)
    with pytest.raises(Raced):
        found.swap(name, data, None, mtime=0)
    # A repetition of an upload whose answer was lost is no lost race.
    found.swap(name, data + b"\n", tag, mtime=0)


def second_publisher(first: Made) -> Made:
    """Return another folder that publishes into the same bucket with the same key."""
    other = Made(first.folder / "other/repository", [], first.folder / "other")
    other.root.mkdir(parents=True)
    for name in ("repository.json", "keyring.gpg", "keys.json"):
        if (first.root / name).exists():
            shutil.copy2(first.root / name, other.root / name)
    for name in ("gnupg", "keys"):
        if (first.root / name).exists():
            shutil.copytree(first.root / name, other.root / name, ignore=shutil.ignore_patterns("S.*"))
    return other


def collect(made: Made, *, dry_run: bool = False) -> Collected:
    """Run gc as if a month had gone by."""
    return gc(made.opened, lambda _: None, dry_run=dry_run, now=time.time() + MONTH)


@pytest.fixture
def prunable(remote: Made) -> Made:
    """`first` was published and has left; only its generation's copy holds it, and not for long."""
    assert remote.repo("init", "--origin", "kubedeb", "--keep-generations", "2") == 0
    assert publish(remote, "second") == 0
    assert remote.repo("remove", "-s", "bookworm", "--publish", "first") == 0
    assert publish(remote, "third") == 0
    return remote


def pooled(made: Made) -> list[str]:
    return sorted(name.rpartition("/")[2].partition("_")[0] for name in store(made).names("pool"))


@pytest.mark.turn("gc in a bucket")
def test_gc_in_a_bucket(prunable: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    other = second_publisher(prunable)
    # What another publisher has uploaded and not published is not anybody's to delete.
    assert other.repo("add", "-s", "bookworm", write_deb(other.folder / "in", "theirs", "1")) == 0
    assert pooled(prunable) == ["first", "second", "theirs", "third"]
    total = len(collect(prunable, dry_run=True).objects)
    real = S3Store.delete

    def killed(self: S3Store, names: Iterable[str]) -> None:
        real(self, list(names)[:2])
        raise KeyboardInterrupt

    monkeypatch.setattr(S3Store, "delete", killed)
    with pytest.raises(KeyboardInterrupt):
        collect(prunable)
    monkeypatch.setattr(S3Store, "delete", real)
    assert len(collect(prunable, dry_run=True).objects) == total - 2
    assert prunable.repo("verify") == 0
    done = collect(prunable)
    assert [one.member.name for one in done.packages if not one.holders] == ["first"]
    assert pooled(prunable) == ["second", "theirs", "third"]
    assert prunable.repo("verify") == 0
    assert fsck(prunable.opened, lambda _: None, now=time.time() + MONTH).faults == []
    assert other.repo("publish", "bookworm") == 0
    assert seen(prunable, "second", "theirs", "third") == ["second", "theirs", "third"]
    assert collect(prunable).objects
    assert collect(prunable).objects == ()


@pytest.mark.turn("gc in a bucket")
def test_gc_and_a_second_publisher_step_back_from_each_other(prunable: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """It publishes again what gc is deleting; and gc runs while it publishes that."""
    from repo import fence
    from repo import proof as module

    other = second_publisher(prunable)
    first = next((prunable.folder / "in").glob("first_*.deb"))
    real_prove, real_delete, deleted = module.prove, S3Store.delete, list[str]()

    def meanwhile(*arguments: Any) -> Any:
        with pytest.raises(KubedebError) as raised:
            collect(prunable)
        assert raised.value.code is ExitCode.REPOSITORY_BUSY
        return real_prove(*arguments)

    def delete(self: S3Store, names: Iterable[str]) -> None:
        doomed = [name for name in names if not name.startswith(fence.FOLDER)]
        if doomed and not deleted:
            deleted.extend(doomed)
            assert other.repo("add", "-s", "bookworm", "--publish", first) == ExitCode.REPOSITORY_BUSY
        real_delete(self, doomed or names)

    before = set(store(prunable).names("pool"))
    monkeypatch.setattr(module, "prove", meanwhile)
    assert publish(other, "newest") == 0
    assert before < set(store(prunable).names("pool"))
    monkeypatch.setattr(module, "prove", real_prove)
    monkeypatch.setattr(S3Store, "delete", delete)
    collect(prunable)
    assert any("/first_" in name for name in deleted)
    monkeypatch.setattr(S3Store, "delete", real_delete)
    assert list(store(prunable).names(fence.FOLDER)) == []
    assert other.repo("add", "-s", "bookworm", "--publish", first) == 0
    assert other.repo("verify") == 0
    assert seen(prunable, "first", "newest", "second", "third") == ["first", "newest", "second", "third"]


@pytest.mark.turn("gc in a bucket")
def test_what_a_killed_run_says_does_not_count_for_ever(prunable: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    from repo import fence

    other = second_publisher(prunable)
    assert other.repo("list") == 0
    fence.enter(other.opened.layout)
    assert prunable.repo("gc") == ExitCode.REPOSITORY_BUSY
    # The folder that was killed has one writer: it knows that nobody is at work.
    assert other.repo("gc") == 0
    fence.enter(other.opened.layout)
    monkeypatch.setattr(fence, "LEASE", -1)
    assert prunable.repo("gc") == 0
    assert list(store(prunable).names(fence.FOLDER)) == []
    assert prunable.repo("verify") == 0


@pytest.mark.turn("gc in a bucket")
def test_what_gc_deleted_is_not_published_without_its_bytes(prunable: Made, capsys: pytest.CaptureFixture[str]) -> None:
    other = second_publisher(prunable)
    first = next((prunable.folder / "in").glob("first_*.deb"))
    assert other.repo("add", "-s", "bookworm", first) == 0
    collect(prunable)
    assert other.repo("publish", "bookworm") == ExitCode.REPOSITORY
    assert "the bytes of first 1 amd64 are missing" in capsys.readouterr().err
    assert prunable.repo("verify") == 0
    assert other.repo("add", "-s", "bookworm", "--publish", first) == 0
    assert seen(prunable, "first", "second", "third") == ["first", "second", "third"]
