"""What `kubedeb recipe fetch` does: take a kit or a folder in, fetch the rest, and write a kit where one is wanted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.output import counted
from kubedeb.progress import Progress
from kubedeb.records import frozen
from pkgbuild import base, signed
from pkgbuild.apt import PrivateApt, suite_apt
from pkgbuild.baselock import BaseLock
from pkgbuild.cache import Cache
from pkgbuild.dsc import NamedFile, named_files
from pkgbuild.fetch import fetch, network
from pkgbuild.kit import Taken, grounds, take_in, write_kit
from pkgbuild.layering import Layering
from pkgbuild.layers import Wants
from pkgbuild.recipe import BUILD_ARCHITECTURE
from pkgbuild.session import session
from pkgbuild.spec import SourcePin
from pkgbuild.target import Target

_LOCK = "kubedeb base update --missing"


@frozen
class Wanted:
    """Pinned sources, sets of build dependencies; `folder`: take in what it has first; `output`: make a kit there.

    `build_depends` is asked once the sources are in the cache: what a .dsc needs beyond a base is known only then.
    """

    pins: Sequence[SourcePin]
    build_depends: Callable[[BaseLock], Collection[Wants]]
    folder: Path | None = None
    output: Path | None = None


def bring_all(
    wanted: Wanted, target: Target, progress: Progress, *, offline: bool, verbose: bool
) -> tuple[dict[SourcePin, KubedebError], Taken]:
    """Bring sources and locked packages into the cache; return the sources that are gone, and what came from the folder.

    Raises `KubedebError` as `fetch`, `take_in`, `base.update` and `write_kit`.
    """
    with session(target.store.folder):
        taken = _from_folder(wanted, target, progress)
        net = network(target.cache, target.mirror, target.mirrors, progress.say if verbose else lambda _: None, offline=offline)
        # What came from the folder was hashed on its way into the cache; of that, only upstream's signature is asked for.
        doubtful = [pin for pin in wanted.pins if pin.signature or pin.kind == "dsc" or pin.checksum not in taken.checksums]
        lost = fetch(doubtful, target.cache, net, progress)
        if wanted.output is None:
            _bring_layers(wanted, target, progress, offline=offline)
        else:
            held = [pin for pin in wanted.pins if pin not in lost]
            _make_kit(wanted, wanted.output, held, target, progress, offline=offline)
    return lost, taken


def _from_folder(wanted: Wanted, target: Target, progress: Progress) -> Taken:
    if wanted.folder is None:
        return Taken()
    remake = partial(base.remake, target=target, progress=progress)
    taken = take_in(wanted.folder, {pin.checksum for pin in wanted.pins}, target.cache, target.store, remake)
    named = [file.checksum for pin in wanted.pins if pin.kind == "dsc" for file in _named_by(pin, target.cache)]
    more = [*target.cache.prefill(wanted.folder, named).values(), *signed.prefill(wanted.folder, wanted.pins, target.cache)]
    taken = replace(taken, files=(*taken.files, *more))
    for one in taken.bases:
        progress.say(f"the base {one.lock.tag} and {counted(len(one.layers), 'layer')} on it came from {wanted.folder}")
    return taken


def _named_by(pin: SourcePin, cache: Cache) -> tuple[NamedFile, ...]:
    """Return the files that a .dsc of the cache names, which no recipe pins."""
    file = cache.get(pin.checksum)
    return tuple(named_files(file)) if file else ()


def _layering(lock: BaseLock, target: Target, progress: Progress, *, offline: bool) -> Layering:
    return Layering(lock, target.store, target.cache, target.mirror, offline, progress)


def _bring_layers(wanted: Wanted, target: Target, progress: Progress, *, offline: bool) -> None:
    """Bring the packages of the layers that are locked for the suite; what is not locked yet is for `kubedeb base update`."""
    lock = target.store.base(target.suite, BUILD_ARCHITECTURE)
    if lock is not None:
        found = (target.store.layer(lock.digest, want) for want in wanted.build_depends(lock))
        _layering(lock, target, progress, offline=offline).bring(layer for layer in found if layer)


def _make_kit(
    wanted: Wanted, output: Path, pins: Sequence[SourcePin], target: Target, progress: Progress, *, offline: bool
) -> None:
    """Make a kit of the bases in the store; where the suite has none, it is made first, with its layers."""
    current = target.store.base(target.suite, BUILD_ARCHITECTURE)
    if current is None and not offline:
        current = base.update(target, wanted.build_depends, progress).lock
    wants = wanted.build_depends(current) if current else ()
    bases, unlocked = grounds(target.store, wants)
    if not bases:
        raise KubedebError(
            "there is no base that could go into the kit", hint="Where there is a network: kubedeb base update",
            code=ExitCode.SANDBOX,
        )  # fmt: skip
    for lock, want in unlocked:
        progress.say(f"Not in the kit: {' '.join(want)} on {lock.tag} (never locked; {_LOCK} --suite {lock.suite} locks it)")
    everywhere = set(wants).intersection(*({want for of, want in unlocked if of == lock} for lock in target.store.bases()))
    if everywhere:
        raise KubedebError(
            "no base of the store has these build dependencies locked, so the kit could not build what needs them",
            details="\n".join(" ".join(want) for want in sorted(everywhere)),
            hint=f"{_LOCK} --suite SUITE locks them, where SUITE has them, with --recipes and --store as here.",
            code=ExitCode.SANDBOX,
        )

    def opened(lock: BaseLock) -> AbstractContextManager[PrivateApt]:
        return suite_apt(lock.suite, lock.architecture, target.mirror, target.store.folder / "tmp", progress)

    signed.prefill(target.cache.folder, pins, Cache(output))
    count = write_kit(output, pins, bases, target.cache, None if offline else opened, progress)
    progress.say(f"{output}: {count} files by digest, {len(bases)} {'base' if len(bases) == 1 else 'bases'}")
