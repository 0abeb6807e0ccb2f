"""Base roots: resolved once into a lock, made by mmdebstrap, kept in the store for whatever sandbox unpacks them."""

from __future__ import annotations

import shlex
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from kubedeb.errors import ExitCode, KubedebError, storage_errors
from kubedeb.files import replacing, sha256_of
from kubedeb.process import ProcessError, run
from kubedeb.progress import Progress
from kubedeb.records import frozen
from pkgbuild.apt import PrivateApt, host_entries, host_options, suite_apt
from pkgbuild.aptsources import KEYRING, AptEntry
from pkgbuild.baselock import INCLUDE, BaseLock, changed, installed
from pkgbuild.checksum import Checksum
from pkgbuild.debroot import UNSAFE_IO, make_root, no_root
from pkgbuild.layering import DPKG_STATUS, renew
from pkgbuild.layers import LayerUpdate, Wants
from pkgbuild.recipe import BUILD_ARCHITECTURE, Architecture
from pkgbuild.session import session
from pkgbuild.store import Store
from pkgbuild.target import Target

APT_SOURCES = "etc/apt/sources.list.d/0000sources.list"
"""Where mmdebstrap writes the sources that it was given as a file."""


@frozen
class Update:
    """The current base, the reason it was made anew (empty when nothing was new), and the layers of the recipes on it."""

    lock: BaseLock
    reason: str
    layers: tuple[LayerUpdate, ...] = ()


def update(
    target: Target, wants: Callable[[BaseLock], Iterable[Wants]], progress: Progress, *, missing: bool = False
) -> Update:
    """Bring the base of a suite and the layers on it up to date in the store; says what was new.

    `wants` returns which layers are locked: what the base has already is none of them. `missing`: what is locked stays as it
    is. A build for any architecture runs on the base of `BUILD_ARCHITECTURE`. The packages of a new base go into the cache,
    because the mirror drops them one day. Raises `KubedebError`: FETCH (no mirror), SOURCE_GONE (it has no such suite), SANDBOX
    (mmdebstrap fails), BUILD_STORAGE (no room).
    """
    store = target.store
    with (
        session(store.folder),
        suite_apt(target.suite, BUILD_ARCHITECTURE, target.mirror, store.folder / "tmp", progress) as apt,
    ):
        lock = store.base(target.suite, BUILD_ARCHITECTURE)
        reason = "" if lock and missing else _why_anew(lock, apt)
        if lock is None or reason:
            lock = _make(target, apt, progress)
        wanted = [want for want in wants(lock) if not (missing and store.layer(lock.digest, want))]
        return Update(lock, reason, renew(store, lock, wanted, apt, progress))


def _why_anew(lock: BaseLock | None, apt: PrivateApt) -> str:
    if lock is None:
        return "there was none"
    if lock.include != INCLUDE:
        return "its list of packages changed"
    new = changed(lock, apt.show([package.name for package in lock.packages]))
    return ", ".join(new[:5]) + (f" and {len(new) - 5} more" if len(new) > 5 else "")


def _make(target: Target, apt: PrivateApt, progress: Progress) -> BaseLock:
    """Make the root, lock it, keep its packages and itself, and only then make it the current one."""
    store, suite = target.store, target.suite
    with _temporary(store) as name:
        root, came = Path(name) / "root.tar", Path(name) / "packages"
        came.mkdir()
        with progress.task(f"make a minimal {suite} root with {', '.join(INCLUDE)}"):
            mmdebstrap(suite, BUILD_ARCHITECTURE, apt.entries, root, INCLUDE, [UNSAFE_IO, *_keep_packages(came)])
        versions = installed(_member(root, DPKG_STATUS))
        listed = {entry.name: entry for entry in apt.show([f"{name}={version}" for name, version in versions.items()])}
        if missing := versions.keys() - listed.keys():
            raise KubedebError(
                f"the index changed while the {suite} root was made",
                details=f"It no longer lists: {', '.join(sorted(missing))}",
                hint="Run kubedeb base update again.", code=ExitCode.FETCH,
            )  # fmt: skip
        lock = BaseLock(suite.value, BUILD_ARCHITECTURE.value, INCLUDE, tuple(listed[name] for name in sorted(versions)))
        with progress.task(f"keep it as {lock.digest[:12]}"):
            files = {sha256_of(file): file for file in came.glob("*.deb")}
            for entry in lock.packages:
                if entry.sha256 in files:
                    target.cache.adopt(files[entry.sha256], Checksum.sha256(entry.sha256))
            keep_root(root, store.root_file(lock), store)
    store.keep_base(lock)
    return lock


def _keep_packages(folder: Path) -> list[str]:
    """Return the options by which mmdebstrap leaves what it downloaded in `folder`."""
    return ["--skip=essential/unlink", f"--customize-hook=sync-out /var/cache/apt/archives {shlex.quote(str(folder))}"]


def remake(lock: BaseLock, target: Target, progress: Progress) -> None:
    """Make the root of a locked base again, from packages of the cache alone, and keep it.

    Inside it apt reaches the mirror of this machine, where it has one. Raises `KubedebError`: SANDBOX, BUILD_STORAGE,
    SOURCE_MISMATCH when a file is not the locked package.
    """
    files = {entry: target.cache.path(Checksum.sha256(entry.sha256)) for entry in lock.packages}
    try:
        entries = host_entries(lock.suite, target.mirror, pockets=True)
    except KubedebError:  # no Debian among this machine's sources, or no apt to ask
        entries = []
    lines = "".join(entry.line(lock.architecture) for entry in entries)
    # mmdebstrap leaves the archive of these files there, which is gone afterwards.
    sources = f'--customize-hook=printf %s {shlex.quote(lines)} >"$1/{APT_SOURCES}"'
    with _temporary(target.store) as name, progress.task(f"make the {lock.suite} root from its {len(files)} locked packages"):
        root = Path(name) / "root.tar"
        make_root(lock.suite, lock.architecture, files, root, [_keyring(), *_carried(), sources])
        keep_root(root, target.store.root_file(lock), target.store)


def _temporary(store: Store) -> tempfile.TemporaryDirectory[str]:
    with storage_errors(f"the store {store.folder}", ExitCode.BUILD_STORAGE):
        (store.folder / "tmp").mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(dir=store.folder / "tmp", prefix=".base-", ignore_cleanup_errors=True)


def _keyring() -> str:
    """Return the option that brings the machine's keys of the archive, which may be newer than those of an old suite."""
    return f"--customize-hook=upload {shlex.quote(KEYRING)} {shlex.quote(KEYRING)}"


def _carried() -> list[str]:
    return [f"--aptopt={option}" for option in ['Acquire::Languages "none";', *host_options()]]


def mmdebstrap(
    suite: str, architecture: Architecture, entries: Sequence[AptEntry], target: Path, include: Sequence[str],
    more: Sequence[str] = (),
) -> None:  # fmt: skip
    """Make a root with the packages of `include` as a tar file; apt inside it then reaches the same mirror with the same keys.

    `more` are further options of mmdebstrap.
    """
    sources = target.with_name("sources.list")
    sources.write_text("".join(entry.line(architecture) for entry in entries))
    packages = [f"--include={','.join(include)}"] if include else []
    command: list[str | Path] = [
        "mmdebstrap", "--variant=minbase", *packages, f"--architectures={architecture}",
        *_carried(), _keyring(), *more, suite, target, sources,
    ]  # fmt: skip
    hint = "The machine's own apt-get update should work; the command above can be run by hand."
    try:
        run(command, code=ExitCode.SANDBOX, timeout=1800, env={"SOURCE_DATE_EPOCH": "0"}, hint=hint)
    except ProcessError as error:
        raise no_root(error, "a base root") from error


def _member(archive: Path, name: str) -> str:
    with tarfile.open(archive, "r:") as tar:
        stream = tar.extractfile(name)
        if stream is None:
            raise KubedebError(f"the new root has no {name}", code=ExitCode.SANDBOX)
        return stream.read().decode()


def keep_root(root: Path, target: Path, store: Store) -> None:
    """Keep a root, a tar file, compressed in the store."""
    import zstandard

    compressor = zstandard.ZstdCompressor(level=3, threads=-1)
    writing = storage_errors(f"the store {store.folder}", ExitCode.BUILD_STORAGE)
    with writing, replacing(target, sync=True) as out, root.open("rb") as stream:
        compressor.copy_stream(stream, out)
