"""The only phase with a network: pinned sources into the cache, each checked against the signed index and its bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from itertools import groupby
from pathlib import Path
from typing import Protocol

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.progress import Progress
from pkgbuild.apt import IndexEntry, NotThereError, host_entries, private_apt
from pkgbuild.cache import Cache, mismatch
from pkgbuild.checksum import Checksum
from pkgbuild.spec import SourcePin

NOT_RUN = "NOT RUN: source gone"


class Archive(Protocol):
    """A suite of a Debian archive: `PrivateApt`, or a test's."""

    def update(self) -> None:
        """Fetch and verify the indices; `NotThereError` when there are none."""

    def show(self, words: list[str]) -> list[IndexEntry]:
        """Return the index entries of `NAME=VERSION`."""

    def download(self, name: str, version: str) -> Path:
        """Fetch a package."""


OpenArchive = Callable[[str, str, Path], AbstractContextManager[Archive]]
"""Opens (suite, architecture, folder for temporary files)."""


def apt_archive(mirror: str) -> OpenArchive:
    """Return what opens a suite through the machine's own apt, or through the mirror of the settings."""

    def opened(suite: str, architecture: str, where: Path) -> AbstractContextManager[Archive]:
        return private_apt(host_entries(suite, mirror, pockets=False), architecture, where)

    return opened


def fetch(pins: Iterable[SourcePin], cache: Cache, archive: OpenArchive, progress: Progress) -> dict[SourcePin, KubedebError]:
    """Bring every pin into the cache and return those that are gone, each with its error.

    Raises `KubedebError`: SOURCE_MISMATCH (both digests shown), FETCH (the mirror does not answer), BUILD_STORAGE.
    """
    missing = sorted({pin for pin in pins if cache.get(pin.checksum) is None}, key=_place)
    lost: dict[SourcePin, KubedebError] = {}
    for (suite, architecture), group in groupby(missing, key=lambda pin: (pin.suite, pin.architecture)):
        wanted = list(group)
        try:
            with (
                progress.task(f"fetch {len(wanted)} sources from {suite}") as task,
                archive(suite, architecture, cache.folder) as source,
            ):
                source.update()
                for pin in wanted:
                    task.note(str(pin))
                    try:
                        _fetch_one(pin, source, cache)
                    except NotThereError as error:
                        lost[pin] = gone(pin, error.details)
        except NotThereError as error:
            lost.update({pin: gone(pin, error.details) for pin in wanted})
    return lost


def _place(pin: SourcePin) -> tuple[str, str, str]:
    return pin.suite, pin.architecture, pin.name


def _fetch_one(pin: SourcePin, source: Archive, cache: Cache) -> None:
    listed = source.show([f"{pin.name}={pin.version}"])
    if not listed:
        raise NotThereError(
            "", details=f"The suite's signed index does not list {pin.name} {pin.version}.", code=ExitCode.SOURCE_GONE
        )
    hint = "Either the recipe's digest is wrong or the archive was changed: compare with a second source before you trust it."
    if pin.checksum not in {Checksum.sha256(entry.sha256) for entry in listed}:
        raise mismatch(f"{pin} in the signed index", pin.checksum, Checksum.sha256(listed[0].sha256), hint)
    file = source.download(pin.name, pin.version)
    if (actual := pin.checksum.of(file)) != pin.checksum:
        raise mismatch(str(pin), pin.checksum, actual, hint)
    cache.adopt(file, pin.checksum)


def gone(pin: SourcePin, details: str) -> KubedebError:
    """Return the error for a pin that no mirror and no cache has."""
    return KubedebError(
        f"{NOT_RUN}: {pin}",
        details=f"{pin.checksum}\n{details}",
        hint="A folder that has the file fills the cache: kubedeb recipe fetch --from FOLDER",
        code=ExitCode.SOURCE_GONE,
    )
