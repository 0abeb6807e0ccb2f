"""What source packages build-depend on by themselves, known before their recipes are expanded: from the pinned .dsc.

The store keeps each .dsc by its digest, so that a build that it holds is still known when the cache is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from kubedeb.progress import Progress
from pkgbuild.baselock import BaseLock
from pkgbuild.builddeps import beyond, relations
from pkgbuild.cache import Cache
from pkgbuild.library import Chosen
from pkgbuild.recipe import Architecture
from pkgbuild.session import session
from pkgbuild.sources import DscSource
from pkgbuild.spec import SourceNeeds, SourcePin
from pkgbuild.store import Store
from pkgbuild.target import Target

Fetch = Callable[[Collection[SourcePin]], object]


def source_needs(
    chosen: Iterable[Chosen], architecture: Architecture, lock: BaseLock, store: Store, cache: Cache, fetch: Fetch | None
) -> dict[SourceNeeds, tuple[str, ...]]:
    """Return what each chosen .dsc needs beyond the base; one that is neither here nor fetched is left out.

    `fetch` brings pins into the cache (None: there is no network). Raises as `Cache.get` and as `fetch`.
    """
    wanted = {
        (source.sha256, architecture.value, one.row.build_profiles): _pin(source, architecture)
        for one in chosen if one.loaded.recipe.takes_source_needs
        for source in one.row.sources.get(architecture, ()) if isinstance(source, DscSource)
    }  # fmt: skip
    missing = {pin for pin in wanted.values() if store.dsc(pin.checksum.value) is None and cache.get(pin.checksum) is None}
    if missing and fetch:
        fetch(missing)
    base = {entry.name: entry.version for entry in lock.packages}
    texts = {pin: text for pin in set(wanted.values()) if (text := _text(pin, store, cache)) is not None}
    return {key: beyond(relations(texts[pin], key[1], key[2]), base) for key, pin in wanted.items() if pin in texts}


def _pin(source: DscSource, architecture: Architecture) -> SourcePin:
    return SourcePin(source.kind, source.name, source.version, source.checksum, architecture.value, suite=source.suite)


def _text(pin: SourcePin, store: Store, cache: Cache) -> str | None:
    kept = store.dsc(pin.checksum.value)
    if kept is None and (file := cache.get(pin.checksum)) is not None:
        kept = file.read_text(errors="replace")
        store.keep_dsc(pin.checksum.value, kept)
    return kept


def bring_into_cache(target: Target, progress: Progress) -> Fetch:
    """Return what fetches pins as a build does; what cannot be had is told when it is to be built."""

    def bring(pins: Collection[SourcePin]) -> None:
        from pkgbuild.fetch import fetch_all, network

        with session(target.store.folder):
            fetch_all(pins, target.cache, network(target.cache, target.mirror, target.mirrors), progress)

    return bring
