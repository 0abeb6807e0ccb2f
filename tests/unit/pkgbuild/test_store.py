"""The store holds whole results or nothing."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import sha256_bytes
from pkgbuild.baselock import BaseLock, changed, installed
from pkgbuild.indexentry import IndexEntry
from pkgbuild.outcome import Outcome
from pkgbuild.plan import Action, Verb, earlier
from pkgbuild.run import export
from pkgbuild.spec import BuildSpec, PackageSpec
from pkgbuild.store import BuildResult, BuiltPackage, Store

SPEC = BuildSpec(
    "etcd", "3.4.23", "3.4.23-1", "bookworm", "amd64", "prebuilt", 0, "s/c", (), (), (("debian/rules", "a"),), (), "", "", ""
)
PACKAGE = BuiltPackage("x", "1", "amd64", "x.deb", 3, sha256_bytes(b"abc"))
RESULT = BuildResult((PACKAGE,), "x.changes", "x.buildinfo", 1.5)
LOCK = BaseLock(
    "bookworm", "amd64", ("debhelper",), (IndexEntry("apt", "2.6", "amd64", "a"), IndexEntry("bash", "5", "amd64", "b"))
)


def fill(store: Store, spec: BuildSpec = SPEC) -> None:
    with store.building(spec) as folder:
        for name in RESULT.files:
            (folder / name).write_text("abc")
        store.record(folder, spec, RESULT)


def test_what_was_recorded_is_read_back(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.result(SPEC) is None
    fill(store)
    assert store.result(SPEC) == RESULT


DAMAGE = {
    "a package is gone": lambda folder: (folder / "x.deb").unlink(),
    "a package is short": lambda folder: (folder / "x.deb").write_text("a"),
    "a package has other bytes": lambda folder: (folder / "x.deb").write_text("abd"),
    "the .changes has other bytes": lambda folder: (folder / "x.changes").write_text("abd"),
    "the .buildinfo has other bytes": lambda folder: (folder / "x.buildinfo").write_text("abd"),
    "the record is of another form": lambda folder: (folder / "result.json").write_text('{"packages": [], "more": 1}'),
    "the .changes is gone": lambda folder: (folder / "x.changes").unlink(),
    "the record is broken": lambda folder: (folder / "result.json").write_text("{"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_result_counts_as_none_and_is_replaced(what: str, tmp_path: Path) -> None:
    store = Store(tmp_path)
    fill(store)
    DAMAGE[what](store.build_folder(SPEC))
    assert store.result(SPEC) is None
    fill(store)
    assert store.result(SPEC) == RESULT


def test_what_is_done_to_exported_files_does_not_reach_the_store(tmp_path: Path) -> None:
    store, out = Store(tmp_path / "store"), tmp_path / "out"
    fill(store)
    outcome = Outcome(Action(Verb.SKIP, SPEC, ""), RESULT)
    out.mkdir()
    os.link(store.build_folder(SPEC) / "x.changes", out / "x.changes")  # as an earlier kubedeb left it
    for _ in range(2):
        placed = export([outcome], store, out)
        assert [path.read_text() for path in placed] == ["abc"] * 3
        for path in placed:
            with path.open("r+") as stream:  # in place, as a signer may write
                stream.write("signed")
        assert store.result(SPEC) == RESULT


def test_a_build_that_fails_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def fail() -> None:
        with store.building(SPEC) as folder:
            (folder / "half").write_text("x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list((tmp_path / "builds").iterdir()) == []


def test_a_full_disk_is_no_bug(tmp_path: Path) -> None:
    with pytest.raises(KubedebError) as raised, Store(tmp_path).building(SPEC):
        raise OSError(28, "No space left on device")
    assert raised.value.code is ExitCode.BUILD_STORAGE
    assert "No space left on device" in raised.value.details


def test_earlier_is_another_build_of_the_same_version(tmp_path: Path) -> None:
    store = Store(tmp_path)
    fill(store)
    fill(store, dataclasses.replace(SPEC, package_version="3.4.23-2"))
    assert earlier(SPEC, store.specs()) is None
    later = earlier(dataclasses.replace(SPEC, base="new"), store.specs())
    assert later is not None
    assert later["digest"] == SPEC.digest


def test_previous_is_the_newest_older_version_for_the_same_suite_and_architecture(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.previous(SPEC) == []
    for fields in (
        {"package_version": "3.10.2-1"}, {"package_version": "3.3.9-1"}, {"package_version": "3.3.10-1"}, {"recipe": "other"},
        {"package_version": "3.3.25-1", "suite": "trixie"}, {"package_version": "3.3.25-1", "architecture": "arm64"}, {},
    ):  # fmt: skip
        fill(store, dataclasses.replace(SPEC, **fields))  # type: ignore[arg-type]
    newest = dataclasses.replace(SPEC, package_version="3.3.10-1")
    assert store.previous(SPEC) == [store.build_folder(newest) / "x.deb"]
    fill(store, again := dataclasses.replace(newest, base="newer"))
    assert store.previous(SPEC) == [store.build_folder(again) / "x.deb"]


def test_previous_is_another_recipes_where_that_makes_the_same_package(tmp_path: Path) -> None:
    store = Store(tmp_path)
    server, client = (PackageSpec(name, (), (), (), None, None) for name in ("etcd-server", "etcd-client"))
    fill(store, dataclasses.replace(SPEC, recipe="other", packages=(client,), package_version="3.4.23~rc1-1"))
    fill(store, upstreams := dataclasses.replace(SPEC, recipe="etcd-upstream", packages=(server,), package_version="3.3.17-1"))
    debians = dataclasses.replace(SPEC, packages=(server,))
    assert store.previous(debians) == [store.build_folder(upstreams) / "x.deb"]


def test_locks_are_read_back_and_a_broken_one_is_told(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.base("bookworm", "amd64") is None
    store.keep_base(LOCK)
    assert store.base("bookworm", "amd64") == LOCK
    assert store.bases() == [LOCK]
    (tmp_path / "bases/bookworm-amd64.json").write_text('{"suite": "x"}')
    with pytest.raises(KubedebError, match="is not the lock of a base"):
        store.base("bookworm", "amd64")


def test_what_is_new_in_a_base() -> None:
    apt, bash = LOCK.packages
    assert changed(LOCK, LOCK.packages) == []
    assert changed(LOCK, [apt, dataclasses.replace(bash, version="6")]) == ["bash 5 → 6"]
    assert changed(LOCK, [dataclasses.replace(apt, sha256="c"), bash]) == ["apt 2.6 → 2.6"]
    assert changed(LOCK, [bash]) == ["apt 2.6 is gone"]


def test_installed_leaves_out_what_is_only_configured() -> None:
    status = (
        "Package: a\nStatus: install ok installed\nVersion: 1\n\nPackage: b\nStatus: deinstall ok config-files\nVersion: 2\n"
    )
    assert installed(status) == {"a": "1"}
