"""Which images, roots and packed bases go, and why; what is another store's, or in use, stays."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import write_text
from pkgbuild.backends import base_name
from pkgbuild.baselock import BaseLock
from pkgbuild.compilecache import Limits
from pkgbuild.indexentry import IndexEntry
from pkgbuild.pruning import OTHER_STAGE, READ, STALE, UNUSED, Needed, Piece, Sort, base_of, prune, sort_of, why_goes
from pkgbuild.session import alone, session
from pkgbuild.store import Store

DAY, NOW = 86400.0, 1000 * 86400.0
NEW, OLD, FOREIGN = "a" * 12, "b" * 12, "c" * 12
NEEDED = Needed(
    frozenset({"base", "stage"}), frozenset({NEW}), frozenset({NEW, OLD}), {"used": NOW - DAY, "unused": NOW - 31 * DAY}
)
PIECES: dict[str, tuple[Piece, str]] = {
    "the current base": (Piece(Sort.BASE, "base", NEW), ""),
    "the current stage": (Piece(Sort.STAGE, "stage", NEW), ""),
    "another stage on it": (Piece(Sort.STAGE, "stage-2", NEW), OTHER_STAGE),
    "an old base": (Piece(Sort.BASE, "old", OLD, made=NOW), STALE),
    "packages on an old base, though used": (Piece(Sort.PACKAGES, "used", OLD), STALE),
    "an old base that a container runs": (Piece(Sort.BASE, "old", OLD, busy=True), ""),
    "packages that are used": (Piece(Sort.PACKAGES, "used", NEW), ""),
    "packages that are not": (Piece(Sort.PACKAGES, "unused", NEW), UNUSED.format(30)),
    "root tests that are not": (Piece(Sort.ROOT_TESTS, "unused", NEW), UNUSED.format(30)),
    "unused, and run by a container": (Piece(Sort.ROOT_TESTS, "unused", NEW, busy=True), ""),
    "never used, made lately": (Piece(Sort.PACKAGES, "new", NEW, made=NOW - DAY), ""),
    "never used, made long ago": (Piece(Sort.PACKAGES, "new", NEW, made=NOW - 31 * DAY), UNUSED.format(30)),
    "another store's base": (Piece(Sort.BASE, "foreign", FOREIGN), ""),
    "another store's packages": (Piece(Sort.PACKAGES, "foreign", FOREIGN), ""),
    "what does not say of what base it is": (Piece(Sort.ROOT_TESTS, "x"), ""),
    "a root of another stage": (Piece(Sort.UNPACKED, f"base-{NEW}-2", NEW), OTHER_STAGE),
    "an old root": (Piece(Sort.UNPACKED, "base-b", OLD), STALE),
    "what was read lately": (Piece(Sort.KEPT, "hello.json", made=NOW - DAY), ""),
    "what was read long ago": (Piece(Sort.KEPT, "hello.json", made=NOW - 31 * DAY), READ.format(30)),
    "an old packed base": (Piece(Sort.PACKED, "b.tar.zst", OLD), STALE),
}


@pytest.mark.parametrize("what", PIECES)
def test_why_a_piece_goes(what: str) -> None:
    piece, why = PIECES[what]
    assert why_goes(piece, NEEDED, NOW, 30) == why


NAMES = {
    "kubedeb/base:bookworm-amd64-ce65922a6b6a": (Sort.BASE, "ce65922a6b6a"),
    "kubedeb/build:bookworm-amd64-ce65922a6b6a-675c526d": (Sort.STAGE, "ce65922a6b6a"),
    "kubedeb/build:bookworm-amd64-ce65922a6b6a-675c526d-26b84f3b03d7": (Sort.PACKAGES, "ce65922a6b6a"),
    "kubedeb/roottest:7893d9e9cfe0a3d7": (Sort.ROOT_TESTS, ""),
}


@pytest.mark.parametrize("tag", NAMES)
def test_what_an_image_is_by_its_name(tag: str) -> None:
    assert (sort_of(tag), base_of(tag)) == NAMES[tag]


def lock(version: str) -> BaseLock:
    return BaseLock("bookworm", "amd64", ("debhelper",), (IndexEntry("apt", version, "amd64", version),))


def test_what_lies_in_the_store_goes_with_its_base(tmp_path: Path) -> None:
    store, old, new = Store(tmp_path), lock("1"), lock("2")
    roots = tmp_path / f"roots-{os.getuid()}"
    for one in (old, new):
        store.keep_base(one)
        write_text(store.root_file(one), "packed")
        (roots / base_name(one) / "etc").mkdir(parents=True)
    for name, of in (("layer-old", old), ("layer-used", new), ("layer-unused", new)):
        (roots / name).mkdir()
        store.note_use(name, base_name(of))
    (roots / "layer-of-before").mkdir()  # made when uses were not written down yet
    os.utime(tmp_path / "used/layer-unused", (time.time() - 40 * DAY,) * 2)
    for name, days in (("hello-0123.json", 1), ("hello_1.10_trixie_amd64-0123.json", 40)):
        write_text(tmp_path / "kept" / name, "{}")
        os.utime(tmp_path / "kept" / name, (time.time() - days * DAY,) * 2)
    expected = [
        ("hello_1.10_trixie_amd64-0123.json", READ.format(30)),
        (base_name(old), STALE), ("layer-old", STALE), ("layer-unused", UNUSED.format(30)), (store.root_file(old).name, STALE),
    ]  # fmt: skip
    for dry in (True, False):
        with alone(tmp_path):
            gone = prune(store, None, 30, Limits(), dry=dry)
        assert sorted((piece.name, why) for piece, why in gone) == sorted(expected)
        assert (roots / "layer-old").exists() is dry
    assert {path.name for path in roots.iterdir()} == {base_name(new), "layer-used", "layer-of-before"}
    assert [path.name for path in (tmp_path / "bases").glob("*.zst")] == [store.root_file(new).name]
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["hello-0123.json"]
    assert set(store.uses()) == {"layer-used"}
    assert store.past_base(old.digest) == old  # what was built on it still says so
    with alone(tmp_path):
        assert prune(store, None, 30, Limits()) == []


def test_nobody_else_may_work_in_the_store(tmp_path: Path) -> None:
    with session(tmp_path), pytest.raises(KubedebError, match="another run works in the store") as error, alone(tmp_path):
        pass
    assert error.value.code is ExitCode.BUILD_STORAGE
    with alone(tmp_path):
        pass
