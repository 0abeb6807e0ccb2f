import os
from hashlib import sha256
from pathlib import Path

import pytest

from kubedeb.errors import ExitCode, KubedebError
from repo.store import FolderStore


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    (tmp_path / "staging").mkdir()
    return FolderStore(tmp_path / "public", tmp_path / "staging")


def test_puts_once(store: FolderStore) -> None:
    assert (store.read("a/b"), store.size("a/b")) == (None, None)
    assert store.put("a/b", b"one", mtime=1000)
    assert not store.put("a/b", b"one")
    path = store.root / "a/b"
    assert (path.read_bytes(), path.stat().st_mtime, path.stat().st_mode & 0o777) == (b"one", 1000, 0o644)
    assert store.put("a/b", b"two")
    assert (store.read("a/b"), store.size("a/b")) == (b"two", 3)
    assert list(store.staging.iterdir()) == []


def test_adopts_and_heals(store: FolderStore, tmp_path: Path) -> None:
    source = tmp_path / "x.deb"
    source.write_bytes(b"content")
    digest = sha256(b"content").hexdigest()
    assert store.adopt("pool/x", source, digest)
    assert not store.adopt("pool/x", source, digest)
    (store.root / "pool/x").write_bytes(b"c0ntent")
    assert store.adopt("pool/x", source, digest)
    assert store.read("pool/x") == b"content"


def test_a_file_that_changes_while_it_is_read_is_not_taken(store: FolderStore, tmp_path: Path) -> None:
    source = tmp_path / "x.deb"
    source.write_bytes(b"other")
    with pytest.raises(KubedebError, match="changed while it was read") as error:
        store.adopt("pool/x", source, "0" * 64)
    assert error.value.code == ExitCode.PACKAGE
    assert (store.read("pool/x"), list(store.staging.iterdir())) == (None, [])


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o011])
def test_what_is_adopted_can_be_read_by_a_web_server_whatever_the_umask(store: FolderStore, tmp_path: Path, umask: int) -> None:
    source = tmp_path / "x.deb"
    source.write_bytes(b"content")
    before = os.umask(umask)
    try:
        store.adopt_all([(f"pool/{number % 3}/{number}/x", source, sha256(b"content").hexdigest()) for number in range(40)])
    finally:
        os.umask(before)
    modes = {(path.is_dir(), path.stat().st_mode & 0o777) for path in (store.root, *store.root.rglob("*"))}
    assert modes == {(True, 0o755), (False, 0o644)}
    assert len(list(store.names("pool"))) == 40
    assert list(store.staging.iterdir()) == []


def test_a_file_in_the_place_of_a_folder_is_an_error(store: FolderStore, tmp_path: Path) -> None:
    store.put("pool/aa", b"no folder")
    (tmp_path / "x").write_bytes(b"")
    with pytest.raises(OSError, match=r"aa"):
        store.adopt("pool/aa/x", tmp_path / "x", sha256(b"").hexdigest())
