"""What `kubedeb rebuild` does: remake the root that a .buildinfo records, build in it, and compare byte for byte."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from kubedeb.errors import ExitCode, KubedebError, storage_errors
from kubedeb.files import sha256_of, write_text
from kubedeb.output import counted
from kubedeb.progress import Progress
from kubedeb.records import frozen
from pkgbuild import diffoscope
from pkgbuild.apt import suite_apt
from pkgbuild.attest import STATEMENTS, beside, read_lines
from pkgbuild.backends import backend
from pkgbuild.base import keep_root
from pkgbuild.baselock import BaseLock
from pkgbuild.build import Workshop, make
from pkgbuild.buildinfo import BuildInfo
from pkgbuild.checksum import Checksum
from pkgbuild.debroot import make_root
from pkgbuild.fetch import fetch, network
from pkgbuild.indexentry import IndexEntry
from pkgbuild.layers import bring, lacking
from pkgbuild.library import Chosen
from pkgbuild.recorded import FileVerdict, Installed, compare, other_settings, pinned, stated
from pkgbuild.run import export_files
from pkgbuild.sandbox import TIME_LIMIT, Backend, OpenSandbox, SandboxKind
from pkgbuild.session import session
from pkgbuild.spec import Expanded, Locked, expand
from pkgbuild.stage import sandbox_stage
from pkgbuild.steps import environment
from pkgbuild.store import Store
from pkgbuild.target import Target


@frozen
class How:
    """How a rebuild goes about it: the kind of sandbox, no network at all, each request told, where the packages go too."""

    sandbox: SandboxKind = SandboxKind.AUTO
    offline: bool = False
    verbose: bool = False
    output: Path | None = None


@frozen
class Rebuilt:
    """What came of a rebuild: the root's lock, a verdict for each package, what is known of the differences."""

    lock: BaseLock
    files: tuple[FileVerdict, ...]
    differences: str

    @property
    def same(self) -> bool:
        """Say whether every package has the recorded bytes."""
        return all(file.same for file in self.files)


def rebuild(info: BuildInfo, folder: Path, chosen: Chosen, target: Target, how: How, progress: Progress) -> Rebuilt:
    """Build a recorded version again in its root and compare; `folder` is where the .buildinfo and its packages lie.

    Raises `KubedebError`: SOURCE_GONE when a source or a package of the root is nowhere to be had, SOURCE_MISMATCH, FETCH,
    SANDBOX, BUILD as a build does. Other bytes are no error here.
    """
    store = target.store
    with session(store.folder) as run_file:
        packages = recorded_packages(info, folder, target, how, progress)
        lock = BaseLock(target.suite, info.build_architecture, (), tuple(sorted(packages)))
        expanded = expand(chosen, target.suite, target.architecture, Locked(lock.digest, sandbox_stage().digest))
        for line in other_settings(info, environment(expanded.spec)):
            progress.say(f"The recipe has changed: {line}")
        net = network(target.cache, target.mirror, target.mirrors, progress.say if how.verbose else _quiet, offline=how.offline)
        for error in fetch(expanded.spec.sources, target.cache, net, progress).values():
            raise error
        with (
            _root(lock, packages, target, how.sandbox, run_file, progress) as opened,
            progress.task(f"build {expanded.spec.title} in it"),
            tempfile.TemporaryDirectory(dir=store.folder, prefix=".check-") as made,
        ):
            return _compared(info, folder, Path(made), expanded, Workshop(store, target.cache, opened), lock, how)


def _quiet(_: str) -> None:
    return


def _compared(
    info: BuildInfo, folder: Path, made: Path, expanded: Expanded, shop: Workshop, lock: BaseLock, how: How
) -> Rebuilt:
    built, changes, buildinfo = make(expanded, shop, made, cached=False)
    there = {name: sha256_of(folder / name) for name in info.debs if (folder / name).is_file()}
    files = compare(info, {package.file: package.sha256 for package in built}, there)
    if how.output:
        export_files([*(made / package.file for package in built), made / changes, made / buildinfo], how.output)
    said = []
    for file in (one for one in files if not one.same and one.rebuilt):
        report = shop.store.log(expanded.spec).with_suffix(f".{file.file}.diffoscope.txt")
        if not file.beside:
            said.append(f"There is no {file.file} beside the .buildinfo that diffoscope could compare with.")
        elif file.beside != file.rebuilt:
            said.append(diffoscope.summary(folder / file.file, made / file.file, report))
    return Rebuilt(lock, files, "\n".join(dict.fromkeys(said)))


@contextmanager
def _root(
    lock: BaseLock, packages: Mapping[IndexEntry, Path], target: Target, kind: SandboxKind, run_file: Path, progress: Progress
) -> Iterator[OpenSandbox]:
    """Give what opens sandboxes in a root of these packages, which nobody needs afterwards: it is removed."""
    store = target.store
    with _alone(store, lock, 2 * TIME_LIMIT), backend(kind, store, progress, run_file) as sandboxes:
        remove_left(store, lock, sandboxes)
        try:
            with storage_errors(f"the store {store.folder}", ExitCode.BUILD_STORAGE):
                write_text(_marker(store, lock), lock.as_json(), sync=True)
            with progress.task(f"make a root of the {len(packages)} recorded packages"), _temporary(store.folder) as name:
                root = Path(name) / "root.tar"
                make_root(lock.suite, lock.architecture, packages, root)
                keep_root(root, store.root_file(lock), store)
            yield sandboxes.prepare(lock)
        finally:
            _forget(store, lock, sandboxes)


def _alone(store: Store, lock: BaseLock, seconds: float) -> FileLock:
    return FileLock(store.folder / "locks" / f"rebuild-{lock.digest[:16]}.lock", timeout=seconds)


def _marker(store: Store, lock: BaseLock) -> Path:
    """Return the file that is there as long as a rebuild has a root of these packages."""
    return store.folder / "rebuilds" / f"{lock.digest}.json"


def _forget(store: Store, lock: BaseLock, sandboxes: Backend) -> None:
    sandboxes.forget(lock)
    store.root_file(lock).unlink(missing_ok=True)
    _marker(store, lock).unlink(missing_ok=True)


def remove_left(store: Store, own: BaseLock, sandboxes: Backend) -> None:
    """Remove the roots of rebuilds that were killed, but for `own`, whose lock the caller has; others may be at theirs."""
    for path in sorted((store.folder / "rebuilds").glob("*.json")):
        lock = BaseLock.from_data(json.loads(path.read_text()))
        if lock != own:
            with suppress(Timeout), _alone(store, lock, 0):
                _forget(store, lock, sandboxes)


def _temporary(folder: Path) -> tempfile.TemporaryDirectory[str]:
    with storage_errors(f"the store {folder}", ExitCode.BUILD_STORAGE):
        (folder / "tmp").mkdir(exist_ok=True)
        return tempfile.TemporaryDirectory(dir=folder / "tmp", prefix=".root-", ignore_cleanup_errors=True)


def recorded_packages(info: BuildInfo, folder: Path, target: Target, how: How, progress: Progress) -> dict[IndexEntry, Path]:
    """Return the file of every package that was in the root, from the cache, the store, else the mirror.

    Their digests are those of the provenance beside the .buildinfo, else of the locks and builds of the store, else of the
    signed index. Raises `KubedebError`: SOURCE_GONE naming all that are lost, SOURCE_MISMATCH, FETCH.
    """
    cache, own = target.cache, target.store.own_packages()
    known, unknown = pinned(info, _provenance(info, folder).values(), target.store.locked_packages(), own)
    for entry in known.values():
        checksum = Checksum.sha256(entry.sha256)
        if entry in own and own[entry].is_file() and cache.get(checksum) is None and checksum.of(own[entry]) == checksum:
            cache.adopt(own[entry], checksum)
    missing = lacking(known.values(), cache)
    if unknown or missing:
        wanted = [*unknown, *((entry.name, entry.version) for entry in missing)]
        if how.offline:
            raise _gone(wanted, "the network is off")
        found = _from_mirror(wanted, info, target, progress)
        if other := [entry for entry in missing if found[entry.name, entry.version].sha256 != entry.sha256]:
            raise KubedebError(
                f"the mirror's {other[0].name} {other[0].version} is not the package that was in the root",
                details=f"recorded sha256: {other[0].sha256}", code=ExitCode.SOURCE_MISMATCH,
            )  # fmt: skip
        known |= found
    return {entry: cache.path(Checksum.sha256(entry.sha256)) for entry in known.values()}


def _provenance(info: BuildInfo, folder: Path) -> dict[Installed, IndexEntry]:
    found: dict[Installed, IndexEntry] = {}
    for name in info.debs:
        path = folder / beside(name, STATEMENTS)
        if path.is_file():
            found |= stated(read_lines(path))
    return found


def _from_mirror(wanted: list[Installed], info: BuildInfo, target: Target, progress: Progress) -> dict[Installed, IndexEntry]:
    """Bring packages into the cache by name and version, checked against the signed index; return what it says of them."""
    where = target.store.folder / "tmp"
    with suite_apt(target.suite, info.build_architecture, target.mirror, where, progress) as apt:
        listed = {(one.name, one.version): one for one in apt.show([f"{name}={version}" for name, version in wanted])}
        if lost := [one for one in wanted if one not in listed]:
            raise _gone(lost, "so does the mirror by now")
        if missing := lacking((listed[one] for one in wanted), target.cache):
            bring(missing, "the recorded root", target.cache, apt, progress)
    return {one: listed[one] for one in wanted}


def _gone(lost: list[Installed], why: str) -> KubedebError:
    return KubedebError(
        f"NOT RUN: the cache lacks {counted(len(lost), 'package')} of the recorded root, and {why}",
        details="\n".join(f"{name} {version}" for name, version in sorted(lost)),
        hint="A kit that was made when it was built has them: kubedeb recipe fetch --all --from KIT", code=ExitCode.SOURCE_GONE,
    )  # fmt: skip
