"""The only phase with a network: pinned sources into the cache, side by side, each checked against its pin."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from kubedeb.errors import ExitCode, KubedebError, storage_errors
from kubedeb.inthreads import in_threads
from kubedeb.output import counted
from kubedeb.progress import Progress, Task
from kubedeb.records import frozen
from pkgbuild.apt import NotThereError, host_entries, private_apt
from pkgbuild.cache import Cache, mismatch
from pkgbuild.checksum import Checksum
from pkgbuild.dsc import named_files
from pkgbuild.indexentry import IndexEntry
from pkgbuild.requestlog import Request, RequestLog
from pkgbuild.spec import SignaturePin, SourcePin

if TYPE_CHECKING:
    from pkgbuild.download import Downloads

NOT_RUN = "NOT RUN: source gone"
AT_ONCE = 8
"""Downloads at a time: more would only share the same line."""
COMPARE = "Either the recipe's digest is wrong or the archive was changed: compare with a second source before you trust it."


class Archive(Protocol):
    """A suite of a Debian archive: `PrivateApt`, or a test's."""

    def update(self) -> None:
        """Fetch and verify the indices; `NotThereError` when there are none."""

    def show(self, words: list[str]) -> list[IndexEntry]:
        """Return the index entries of `NAME=VERSION`."""

    def show_sources(self, name: str) -> list[IndexEntry]:
        """Return every version of a source package; `sha256` is that of its `.dsc`."""

    def download(self, name: str, version: str) -> Path:
        """Fetch a package."""

    def download_source(self, name: str, version: str) -> Path:
        """Fetch a source package's files and return its `.dsc`."""


class OpenArchive(Protocol):
    """Opens (suite, architecture or `source`, folder for temporary files)."""

    def __call__(self, suite: str, architecture: str, where: Path) -> AbstractContextManager[Archive]:
        """Open a suite."""


@frozen
class Network:
    """What fetches: suites through apt, archives by URL, wheels through pip. `offline`: nothing may be asked."""

    archive: OpenArchive
    downloads: Downloads
    log: RequestLog
    offline: bool = False


def network(
    cache: Cache, mirror: str, mirrors: str, say: Callable[[str], object] = lambda _: None, *, offline: bool = False
) -> Network:
    """Return the machine's own network: `mirror` (Debian's) and `mirrors` (of URL prefixes) as the settings give them."""
    from pkgbuild import mirrors as by_prefix
    from pkgbuild.download import Downloads

    log = RequestLog(cache.folder, say)
    return Network(apt_archive(mirror), Downloads(log, by_prefix.parse(mirrors)), log, offline)


def apt_archive(mirror: str) -> OpenArchive:
    """Return what opens a suite through the machine's own apt, or through the mirror of the settings."""

    def opened(suite: str, architecture: str, where: Path) -> AbstractContextManager[Archive]:
        entries = host_entries(suite, mirror, pockets=False)
        return private_apt(entries, architecture, where, sources=architecture == "source")

    return opened


def held(pin: SourcePin, cache: Cache) -> bool:
    """Say whether the cache has a pin whole: a `dsc` with every file that it names. Raises as `Cache.get`."""
    file = cache.get(pin.checksum)
    if file is None or pin.kind != "dsc":
        return file is not None
    return all(cache.get(named.checksum) is not None for named in named_files(file))


def fetch(pins: Iterable[SourcePin], cache: Cache, net: Network, progress: Progress) -> dict[SourcePin, KubedebError]:
    """Bring every pin into the cache and return those that are gone, each with its error.

    What can be fetched is, whatever becomes of the rest. Raises `KubedebError`: SOURCE_MISMATCH (both digests shown), FETCH
    (the mirror does not answer), BUILD_STORAGE; SOURCE_GONE, naming all that is missing, when the network is off.
    """
    lost = fetch_all(pins, cache, net, progress)
    serious = sorted((error for error in lost.values() if error.code is not ExitCode.SOURCE_GONE), key=lambda error: error.code)
    briefs = dict.fromkeys(error.brief for error in serious)
    if len(briefs) > 1:
        first = serious[0]
        raise KubedebError(
            f"{len(serious)} sources cannot be taken", details="\n".join([*briefs, first.details]), hint=first.hint,
            code=first.code,
        )  # fmt: skip
    if serious:
        raise serious[0]
    return lost


def fetch_all(pins: Iterable[SourcePin], cache: Cache, net: Network, progress: Progress) -> dict[SourcePin, KubedebError]:
    """As `fetch`, but only a full disk and a network that is off raise; every other error is that of its pin."""
    wanted = set(pins)
    missing = sorted((pin for pin in wanted if not held(pin, cache)), key=lambda pin: (_place(pin), pin.name, pin.version))
    if missing and net.offline:
        raise _offline(missing)
    groups = [list(group) for _, group in groupby(missing, key=_place)]
    lost = check_held(wanted.difference(missing), cache, net, progress)
    for result in in_threads(lambda group: _fetch_group(group, cache, net, progress), groups, AT_ONCE):
        lost |= result
    if full := [error for error in lost.values() if error.code is ExitCode.BUILD_STORAGE]:
        raise full[0]
    return {pin: _logged_in(net.log, lost[pin]) for pin in sorted(lost, key=lambda pin: (_place(pin), pin.name, pin.version))}


def _logged_in(log: RequestLog, error: KubedebError) -> KubedebError:
    """Return the error with where every request is written down, if one was made."""
    return error.with_hint(f"What was asked and what came: {log.path}") if log.path.exists() else error


def _place(pin: SourcePin) -> tuple[str, str, str, str]:
    """Return what is fetched together: the packages of one suite; every other file by itself."""
    together = "" if pin.suite else f"{pin.name} {pin.checksum}"
    return pin.kind, pin.suite, "source" if pin.kind == "dsc" else pin.architecture, together


def _offline(missing: list[SourcePin]) -> KubedebError:
    return KubedebError(
        f"NOT RUN: the network is off, and the cache lacks {counted(len(missing), 'source')}",
        details="\n".join(f"{pin} {pin.checksum}" for pin in missing),
        hint="With a network: kubedeb recipe fetch. From a folder that has them: kubedeb recipe fetch --from FOLDER",
        code=ExitCode.SOURCE_GONE,
    )


def _fetch_group(group: list[SourcePin], cache: Cache, net: Network, progress: Progress) -> dict[SourcePin, KubedebError]:
    first = group[0]
    try:
        if first.kind in ("deb", "dsc"):
            return _from_suite(group, cache, net, progress)
        with progress.task(f"fetch {first}"):
            _from_url(first, cache, net) if first.kind == "archive" else _from_pip(first, cache, net)
    except KubedebError as error:
        gone_too = error.code is ExitCode.SOURCE_GONE
        return {pin: gone(pin, error.details) if gone_too else error for pin in group}
    return {}


def _from_suite(group: list[SourcePin], cache: Cache, net: Network, progress: Progress) -> dict[SourcePin, KubedebError]:
    kind, suite, architecture, _ = _place(group[0])
    lost: dict[SourcePin, KubedebError] = {}
    with (
        progress.task(f"fetch {counted(len(group), 'source package' if kind == 'dsc' else 'source')} from {suite}") as task,
        net.archive(suite, architecture, cache.folder) as source,
    ):
        _logged(net, f"apt-get update of {suite} ({architecture})", source.update)
        for pin in group:
            try:
                _from_archive(pin, source, cache, net, task)
            except NotThereError as error:
                lost[pin] = gone(pin, error.details)
            except KubedebError as error:
                lost[pin] = error
    return lost


def _logged(net: Network, asked: str, ask: Callable[[], Path | None]) -> Path | None:
    """Ask apt or pip, and note what came of it."""
    try:
        file = ask()
    except KubedebError as error:
        net.log.add(Request(asked, error.brief))
        raise
    size, digest = (file.stat().st_size, str(Checksum.sha256("").of(file))) if file else (0, "")
    net.log.add(Request(asked, "ok", size, digest))
    return file


def _from_archive(pin: SourcePin, source: Archive, cache: Cache, net: Network, task: Task) -> None:
    task.note(str(pin))
    is_source = pin.kind == "dsc"
    listed = source.show_sources(pin.name) if is_source else source.show([f"{pin.name}={pin.version}"])
    listed = [entry for entry in listed if entry.version == pin.version]
    if not listed:
        raise NotThereError(
            "", details=f"The suite's signed index does not list {pin.name} {pin.version}.", code=ExitCode.SOURCE_GONE
        )
    if pin.checksum not in {Checksum.sha256(entry.sha256) for entry in listed}:
        raise mismatch(f"{pin} in the signed index", pin.checksum, Checksum.sha256(listed[0].sha256), COMPARE)
    get = source.download_source if is_source else source.download
    file = _logged(
        net, f"apt-get {'source' if is_source else 'download'} {pin.name}={pin.version}", lambda: get(pin.name, pin.version)
    )
    if file is None or (actual := pin.checksum.of(file)) != pin.checksum:
        raise mismatch(str(pin), pin.checksum, actual, COMPARE)
    for named in named_files(file) if is_source else ():
        if (other := named.checksum.of(file.with_name(named.name))) != named.checksum:
            raise mismatch(f"{named.name} of {pin}", named.checksum, other, COMPARE)
        cache.adopt(file.with_name(named.name), named.checksum)
    cache.adopt(file, pin.checksum)


def _from_url(pin: SourcePin, cache: Cache, net: Network) -> None:
    """Fetch an archive beside the cache's files, where a killed run's part lies too, and take it in when it is the pinned."""
    from filelock import FileLock

    part = cache.folder / "parts" / f"{pin.checksum.algorithm}-{pin.checksum.value}"
    with storage_errors(f"the source cache {cache.folder}", ExitCode.BUILD_STORAGE):
        part.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{part}.lock", timeout=3600):
        if held(pin, cache):  # another run brought it while this one waited
            return
        if not part.exists() or pin.checksum.of(part) != pin.checksum:
            net.downloads.to_file(pin.url, part, pin.checksum)
        if (actual := pin.checksum.of(part)) != pin.checksum:
            part.unlink()
            raise mismatch(str(pin), pin.checksum, actual, COMPARE)
        if pin.signature is not None:
            from pkgbuild.signed import check

            check(pin, part, cache, _signature(pin.signature, cache, net))
        cache.adopt(part, pin.checksum)
        part.unlink()


def _signature(declared: SignaturePin, cache: Cache, net: Network) -> Callable[[], bytes]:
    return lambda: net.downloads.small(declared.url, cache.folder)


def check_held(pins: Iterable[SourcePin], cache: Cache, net: Network, progress: Progress) -> dict[SourcePin, KubedebError]:
    """Check what the cache holds against upstream's signatures, wherever it came from; return each pin with a bad one.

    A signature that cannot be had is said, and nothing more: the recipe's digest stands for the bytes.
    """
    bad: dict[SourcePin, KubedebError] = {}
    for pin in sorted(pin for pin in set(pins) if pin.signature):
        from pkgbuild.signed import check

        bring = None if net.offline or pin.signature is None else _signature(pin.signature, cache, net)
        try:
            key, why = check(pin, cache.path(pin.checksum), cache, bring), "it is not in the cache, and the network is off"
        except KubedebError as error:
            if error.code not in (ExitCode.SOURCE_GONE, ExitCode.FETCH):
                bad[pin] = error
                continue
            key, why = "", error.brief
        if not key:
            progress.say(f"The signature of {pin} was not checked: {why}")
    return bad


def _from_pip(pin: SourcePin, cache: Cache, net: Network) -> None:
    import tempfile

    from pkgbuild.wheel import download

    with storage_errors(f"the source cache {cache.folder}", ExitCode.BUILD_STORAGE):
        cache.folder.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(dir=cache.folder, prefix=".wheel-", ignore_cleanup_errors=True)
    with folder as name:
        file = _logged(net, f"pip download {pin.name}=={pin.version}", lambda: download(pin, Path(name)))
        if file is None or (actual := pin.checksum.of(file)) != pin.checksum:
            raise mismatch(str(pin), pin.checksum, actual, COMPARE)
        cache.adopt(file, pin.checksum)


def gone(pin: SourcePin, details: str) -> KubedebError:
    """Return the error for a pin that no mirror and no cache has."""
    return KubedebError(
        f"{NOT_RUN}: {pin}",
        details=f"{pin.checksum}\n{details}",
        hint="A folder that has the file fills the cache: kubedeb recipe fetch --from FOLDER",
        code=ExitCode.SOURCE_GONE,
    )
