"""Base roots: resolved once into a lock, made by mmdebstrap, kept in the store for whatever sandbox unpacks them."""

from __future__ import annotations

import shlex
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kubedeb.errors import ExitCode, KubedebError, storage_errors
from kubedeb.files import replacing
from kubedeb.process import ProcessError, run
from kubedeb.progress import Progress
from pkgbuild.apt import PrivateApt, full_disk, host_entries, host_options, private_apt
from pkgbuild.aptsources import KEYRING, AptEntry
from pkgbuild.baselock import INCLUDE, BaseLock, changed, installed
from pkgbuild.recipe import Architecture, Suite
from pkgbuild.session import session
from pkgbuild.store import Store

DPKG_STATUS = "./var/lib/dpkg/status"


@dataclass(frozen=True)
class Update:
    """The current base, and what `base update` did: the reason it was made anew, empty when nothing was new."""

    lock: BaseLock
    reason: str


def update(store: Store, suite: Suite, architecture: Architecture, mirror: str, progress: Progress) -> Update:
    """Bring the base of a suite and architecture up to date in the store; says what was new.

    Raises `KubedebError`: FETCH (no mirror), SANDBOX (mmdebstrap fails), BUILD_STORAGE (no room).
    """
    with session(store.folder):
        entries = host_entries(suite, mirror, pockets=True)
        with private_apt(entries, architecture, store.folder / "tmp") as apt:
            return _update(store, suite, architecture, entries, apt, progress)


def _update(
    store: Store, suite: Suite, architecture: Architecture, entries: Sequence[AptEntry], apt: PrivateApt,
    progress: Progress,
) -> Update:  # fmt: skip
    with progress.task(f"read Debian's indices for {suite}"):
        apt.update()
    lock = store.base(suite, architecture)
    reason = _why_anew(lock, apt)
    if lock is None or reason:
        lock = _make(store, suite, architecture, entries, apt, progress)
    return Update(lock, reason)


def _why_anew(lock: BaseLock | None, apt: PrivateApt) -> str:
    if lock is None:
        return "there was none"
    if lock.include != INCLUDE:
        return "its list of packages changed"
    news = changed(lock, apt.show([package.name for package in lock.packages]))
    return ", ".join(news[:5]) + (f" and {len(news) - 5} more" if len(news) > 5 else "")


def _make(
    store: Store, suite: Suite, architecture: Architecture, entries: Sequence[AptEntry], apt: PrivateApt,
    progress: Progress,
) -> BaseLock:  # fmt: skip
    """Make the root, lock it, keep it, and only then make it the current one."""
    with storage_errors(f"the store {store.folder}", ExitCode.BUILD_STORAGE):
        folder = tempfile.TemporaryDirectory(dir=store.folder / "tmp", prefix=".base-", ignore_cleanup_errors=True)
    with folder as name:
        root = Path(name) / "root.tar"
        with progress.task(f"make a minimal {suite} root with {', '.join(INCLUDE)}"):
            mmdebstrap(suite, architecture, entries, root, INCLUDE)
        versions = installed(_member(root, DPKG_STATUS))
        listed = {entry.name: entry for entry in apt.show([f"{name}={version}" for name, version in versions.items()])}
        if missing := versions.keys() - listed.keys():
            raise KubedebError(
                f"the index changed while the {suite} root was made",
                details=f"It no longer lists: {', '.join(sorted(missing))}",
                hint="Run kubedeb base update again.", code=ExitCode.FETCH,
            )  # fmt: skip
        lock = BaseLock(suite.value, architecture.value, INCLUDE, tuple(listed[name] for name in sorted(versions)))
        with progress.task(f"keep it as {lock.digest[:12]}"):
            keep_root(root, store.root_file(lock), store)
    store.keep_base(lock)
    return lock


def mmdebstrap(
    suite: Suite, architecture: Architecture, entries: Sequence[AptEntry], target: Path, include: Sequence[str],
    more: Sequence[str] = (),
) -> None:  # fmt: skip
    """Make a root with the packages of `include` as a tar file; apt inside it then reaches the same mirror with the same keys.

    `more` are further options of mmdebstrap.
    """
    sources = target.with_name("sources.list")
    sources.write_text("".join(entry.line(architecture) for entry in entries))
    carried = [f"--aptopt={option}" for option in ['Acquire::Languages "none";', *host_options()]]
    # The archive's keys of the machine may be newer than those of an old suite.
    keyring = f"--customize-hook=upload {shlex.quote(KEYRING)} {shlex.quote(KEYRING)}"
    packages = [f"--include={','.join(include)}"] if include else []
    command: list[str | Path] = [
        "mmdebstrap", "--variant=minbase", *packages, f"--architectures={architecture}", *carried,
        keyring, *more, suite.value, target, sources,
    ]  # fmt: skip
    hint = "The machine's own apt-get update should work; the command above can be run by hand."
    try:
        run(command, code=ExitCode.SANDBOX, timeout=1800, env={"SOURCE_DATE_EPOCH": "0"}, hint=hint)
    except ProcessError as error:
        raise full_disk(error, "a base root") or error from error


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
    with writing, replacing(target) as out, root.open("rb") as stream:
        compressor.copy_stream(stream, out)
