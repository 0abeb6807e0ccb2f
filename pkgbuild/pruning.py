"""What builds left that can be made again and is of no use any more: images, roots, packed bases, caches, what recipes gave."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from kubedeb.records import frozen
from pkgbuild import compilecache, dockerd
from pkgbuild.backends import base_name
from pkgbuild.compilecache import Limits
from pkgbuild.keep import KEPT
from pkgbuild.stage import sandbox_stage
from pkgbuild.store import Store
from pkgbuild.unsharesandbox import remove_tree

if TYPE_CHECKING:
    from docker import DockerClient

DIGEST = re.compile(r"-([0-9a-f]{12,64})\b")
SHORT = 12
"""Digits of a base's digest that its image is called by."""
STALE = "its base is no longer the current one"
OTHER_STAGE = "it was made with another first stage of the Dockerfile"
UNUSED = "no build has used it for {:g} days"
READ = "it was read more than {:g} days ago"
SURPLUS = "the compile caches are too old or too many"


class Sort(StrEnum):
    """What a piece is, in the order in which they are removed: an image goes before the one that it was made from."""

    ROOT_TESTS = "root-tests image"
    PACKAGES = "image with build dependencies"
    STAGE = "sandbox image"
    BASE = "base image"
    UNPACKED = "unpacked root"
    PACKED = "packed base"
    KEPT = "kept recipe"
    COMPILED = "compile cache"


PLAIN = (Sort.STAGE, Sort.BASE)
"""Images of which each base has one; of the others there is one for each set of packages."""


@frozen
class Piece:
    """Something that can be made again; `base`: the first digits of its base's digest, "" when it does not say.

    `made`: seconds since the epoch; `busy`: a container runs it.
    """

    sort: Sort
    name: str
    base: str = ""
    size: int = 0
    made: float = 0
    busy: bool = False


@frozen
class Needed:
    """What a store needs: `names` are those of its current bases' images and roots, `bases` the digits of these bases, `known`
    of all that it ever had; `uses` says when a piece was last used by this store, in seconds since the epoch.
    """

    names: frozenset[str]
    bases: frozenset[str]
    known: frozenset[str]
    uses: Mapping[str, float]


def why_goes(piece: Piece, needed: Needed, now: float, days: float) -> str:
    """Return why a piece goes, "" when it stays; pure. What is of a base that the store never had is another store's."""
    if piece.sort is Sort.KEPT:
        return READ.format(days) if piece.made < now - days * 86400 else ""
    if piece.busy or piece.name in needed.names or piece.base not in needed.known:
        return ""
    if piece.base not in needed.bases:
        return STALE
    if piece.sort in PLAIN or piece.name.startswith("base-"):  # an unpacked root has its stage in its name too
        return OTHER_STAGE
    return UNUSED.format(days) if needed.uses.get(piece.name, piece.made) < now - days * 86400 else ""


def sort_of(tag: str) -> Sort:
    """Return what an image of ours is, by its name; pure."""
    if tag.startswith("kubedeb/roottest:"):
        return Sort.ROOT_TESTS
    if tag.startswith("kubedeb/base:"):
        return Sort.BASE
    # kubedeb/build:SUITE-ARCH-BASE-STAGE, and -PACKAGES when there are some
    return Sort.PACKAGES if tag.count("-") > 3 else Sort.STAGE


def base_of(label: str) -> str:
    """Return the digits of the base that an image's label, or a root's name, tells; pure."""
    found = DIGEST.search(label)
    return found[1][:SHORT] if found else ""


def images(client: DockerClient) -> list[Piece]:
    """Return every image of kubedeb that docker has."""
    return [
        Piece(sort_of(image.tag), image.tag, base_of(image.label), image.size, image.made, image.busy)
        for image in dockerd.labelled_images(client)
    ]


def roots(store: Store) -> Iterator[Piece]:
    """Give this user's unpacked roots of a store, and its packed bases."""
    current = next((lock.digest[:SHORT] for lock in store.bases()), "")
    for path in (store.folder / f"roots-{os.getuid()}").glob("[!.]*"):
        # A layer's name does not tell its base; that is written down when the layer is used.
        told = path.name if path.name.startswith("base-") else store.use_of(path.name)
        yield Piece(Sort.UNPACKED, path.name, base_of(told) or current, made=path.stat().st_ctime)
    for path in (store.folder / "bases").glob("*.tar.zst"):
        yield Piece(Sort.PACKED, path.name, path.name[:SHORT], path.stat().st_size, path.stat().st_ctime)


def readings(store: Store) -> Iterator[Piece]:
    """Give what a store keeps of recipes; one that has changed, or whose folder is gone, is never asked for again."""
    for path in (store.folder / KEPT).glob("[!.]*"):
        yield Piece(Sort.KEPT, path.name, size=path.stat().st_size, made=path.stat().st_mtime)


def needed_by(store: Store) -> Needed:
    """Return what a store needs."""
    stage, locks = sandbox_stage(), store.bases()
    names = {name for lock in locks for name in (lock.tag, dockerd.sandbox_tag(lock.tag, stage), base_name(lock))}
    packed = {store.root_file(lock).name for lock in locks}
    past = {path.stem[:SHORT] for path in (store.folder / "bases/locks").glob("*.json")}
    current = frozenset(lock.digest[:SHORT] for lock in locks)
    return Needed(frozenset(names | packed), current, current | past, store.uses())


def prune(
    store: Store, client: DockerClient | None, days: float, limits: Limits, *, dry: bool = False
) -> list[tuple[Piece, str]]:
    """Remove what a store needs no more, and return it with the reason of each; nobody else may work in the store.

    Raises `KubedebError` (SANDBOX) when docker fails.
    """
    pieces, needed, now = [*(images(client) if client else ()), *roots(store), *readings(store)], needed_by(store), time.time()
    order = list(Sort)
    going = [(piece, why) for piece in sorted(pieces, key=lambda piece: (order.index(piece.sort), piece.name))
             if (why := why_goes(piece, needed, now, days))]  # fmt: skip
    surplus = compilecache.prune(store.folder, limits, dry=dry)
    if not dry:
        _remove([piece for piece, _ in going], store, client)
    return [*going, *((Piece(Sort.COMPILED, one.name, size=one.size, made=one.used), SURPLUS) for one in surplus)]


def _remove(pieces: Sequence[Piece], store: Store, client: DockerClient | None) -> None:
    for piece in pieces:
        if piece.sort is Sort.UNPACKED:
            remove_tree(store.folder / f"roots-{os.getuid()}" / piece.name)
        elif piece.sort is Sort.PACKED:
            (store.folder / "bases" / Path(piece.name).name).unlink(missing_ok=True)
        elif piece.sort is Sort.KEPT:
            (store.folder / KEPT / Path(piece.name).name).unlink(missing_ok=True)
        elif client is not None:
            dockerd.remove_images(client, [piece.name])
        store.forget_use(piece.name)
