"""The image of the base that is kept between runs, and stores that are empty."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import kindsamples
from kubedeb.cli import run
from kubedeb.errors import ExitCode
from kubedeb.process import run as run_process
from kubedeb.progress import progress
from pkgbuild import backends, dockerd
from pkgbuild.sandbox import SandboxKind
from pkgbuild.store import Store
from rootonly import root_only


@pytest.fixture(scope="session")
def image(with_base: Store) -> str:
    """Return the image that sandboxes run."""
    lock = with_base.base("bookworm", "amd64")
    assert lock is not None
    with dockerd.connect() as client:
        return backends.ensure_images(client, with_base, lock, progress())


@pytest.fixture(scope="session")
def toolchain(with_base: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lock what the go samples build-depend on, once; return the folder of its lock, which `new_store` copies."""
    recipes = kindsamples.lay_out(tmp_path_factory.mktemp("toolchain"), "hello-module")
    where = ["--store", str(with_base.folder), "--cache", str(with_base.folder / "sources")]
    assert run(["base", "update", "--missing", "--recipes", str(recipes), *where]) == ExitCode.DONE
    return with_base.folder / "layers"


@dataclass(frozen=True)
class EtcdBuilt:
    """One `kubedeb build` of the shipped etcd recipe into an empty store: exit status, outcomes, what stderr said.

    Nobody has judged these builds: what the judges say of them is a matter of the tests that ask for it.
    """

    status: int
    builds: list[dict[str, Any]]
    said: str
    out: Path


@pytest.fixture(scope="session")
def etcd(kept: Path, with_base: Store, image: str, tmp_path_factory: pytest.TempPathFactory) -> EtcdBuilt:
    """Build the recipe once for every test that looks at its packages."""
    folder = tmp_path_factory.mktemp("etcd")
    (folder / "store/bases").mkdir(parents=True)
    shutil.copy(with_base.folder / "bases/bookworm-amd64.json", folder / "store/bases")
    where = ["--store", str(folder / "store"), "--cache", str(kept / "sources"), "-o", str(folder / "out")]
    shown, said = io.StringIO(), io.StringIO()
    with redirect_stdout(shown), redirect_stderr(said):
        status = run(["build", "etcd", "--json", "--jobs", "2", "--no-lintian", "--no-root-tests", *where])
    return EtcdBuilt(status, json.loads(shown.getvalue())["builds"], said.getvalue(), folder / "out")


@pytest.fixture
def new_store(with_base: Store, image: str, tmp_path: Path) -> Callable[[str], Path]:
    """Return a maker of stores that know the base and what is locked on it; docker has the image."""

    def make(name: str, parent: Path = tmp_path) -> Path:
        (parent / name / "bases").mkdir(parents=True)
        shutil.copy(with_base.folder / "bases/bookworm-amd64.json", parent / name / "bases")
        if (with_base.folder / "layers").exists():
            shutil.copytree(with_base.folder / "layers", parent / name / "layers")
        return parent / name

    return make


@pytest.fixture(scope="session")
def unpacked(with_base: Store, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Unpack the base once, as sandboxes without docker need it; return its place in a store."""
    lock = with_base.base("bookworm", "amd64")
    assert lock is not None
    run_file = tmp_path_factory.mktemp("unpacked") / "run"
    with backends.backend(SandboxKind.UNSHARE, with_base, progress(), run_file) as sandboxes:
        sandboxes.prepare(lock)
    return f"roots-{os.getuid()}/{backends.base_name(lock)}"


@pytest.fixture
def with_root(with_base: Store, unpacked: str) -> Callable[[Path], Path]:
    """Return what gives a store the root of the base, packed and unpacked, and returns the store."""

    def give(store: Path) -> Path:
        lock = with_base.base("bookworm", "amd64")
        assert lock is not None
        os.link(with_base.root_file(lock), store / "bases" / with_base.root_file(lock).name)
        (store / unpacked).parent.mkdir()
        (store / unpacked).symlink_to(with_base.folder / unpacked)
        return store

    return give


@pytest.fixture
def store_with_root(new_store: Callable[[str], Path], with_root: Callable[[Path], Path]) -> Callable[[str], Path]:
    """Return a maker of stores that know the base and have its root too."""
    return lambda name: with_root(new_store(name))


@pytest.fixture
def store(new_store: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return an empty store, which is the one that commands use; the cache is empty too."""
    monkeypatch.setenv("KUBEDEB_STORE", str(new_store("store")))
    monkeypatch.setenv("KUBEDEB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "store"


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a file system of 512 KiB."""
    root_only("mounts a file system")
    folder = tmp_path / "tiny"
    folder.mkdir()
    run_process(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", folder], code=ExitCode.BUG)
    yield folder
    run_process(["umount", folder], code=ExitCode.BUG)
