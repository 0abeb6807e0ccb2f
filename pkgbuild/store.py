"""The store: build results by the digest of their spec, base locks and roots, logs; everything appears whole."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from kubedeb.errors import ExitCode, KubedebError, storage_errors
from kubedeb.files import canonical_json, sha256_of, sync_folder, sync_tree, write_bytes, write_text
from kubedeb.records import frozen
from pkgbuild import stamps
from pkgbuild.baselock import BaseLock
from pkgbuild.indexentry import IndexEntry
from pkgbuild.layers import Layer, Wants, layer_name
from pkgbuild.sandbox import TIME_LIMIT
from pkgbuild.session import LOCKS, locked_within
from pkgbuild.spec import BuildSpec


@frozen
class BuiltPackage:
    """A package as built; `file` is its name in the build's folder, `size` in bytes."""

    name: str
    version: str
    architecture: str
    file: str
    size: int
    sha256: str


@frozen
class BuildResult:
    """What a build left in its folder; `changes` and `buildinfo` are names of files there.

    `seconds` is what the build took, `inspection` what each judge took after it, by name; `attestations` are names of the
    statements and bills of materials.
    """

    packages: tuple[BuiltPackage, ...]
    changes: str
    buildinfo: str
    seconds: float
    inspection: dict[str, float] = field(default_factory=dict)
    attestations: tuple[str, ...] = ()

    @property
    def files(self) -> list[str]:
        """Return the names of everything that a repository takes, and of what is stated about it."""
        return [*(package.file for package in self.packages), self.changes, self.buildinfo, *self.attestations]


@frozen
class Store:
    """A folder: `builds/DIGEST/`, `checked/`, `bases/`, `logs/`, `locks/`; what recipes gave is in `kept/` (`keep.Keep`)."""

    folder: Path

    def build_folder(self, spec: BuildSpec) -> Path:
        """Return where the spec's packages lie, or would lie."""
        return self.folder / "builds" / spec.digest

    def result(self, spec: BuildSpec, *, verify: bool = False) -> BuildResult | None:
        """Return what the store holds for the spec; a folder with a file that is gone or has other bytes counts as nothing.

        Every file is hashed once. Then its size, inode and times stand for its bytes (`stamps.Stamp`), unless `verify` is set.
        """
        folder = self.build_folder(spec)
        if (record := recorded(folder)) is None:
            return None
        result, sha256 = record
        files = {folder / name: digest for name, digest in sha256.items()}
        try:
            return result if stamps.unchanged(files, self.folder / "checked" / f"{spec.digest}.json", verify=verify) else None
        except OSError:  # a file that is gone
            return None

    def specs(self) -> list[dict[str, Any]]:
        """Return the spec of every build that the store holds, as data, the newest last."""
        paths = [(path.stat().st_mtime_ns, path) for path in (self.folder / "builds").glob("[!.]*/spec.json")]
        return [data for _, path in sorted(paths) if (data := _read_json(path))]

    def own_packages(self) -> dict[IndexEntry, Path]:
        """Return every package that was built here, as an index would list it, and its file."""
        found = {}
        for path in (self.folder / "builds").glob("[!.]*/result.json"):
            for one in (_read_json(path) or {}).get("packages", ()):
                entry = IndexEntry(one["name"], one["version"], one["architecture"], one["sha256"])
                found[entry] = path.with_name(one["file"])
        return found

    def locked_packages(self) -> set[IndexEntry]:
        """Return every package of every lock that was ever made here, of bases and of layers."""
        locks = [*(self.folder / "bases/locks").glob("*.json"), *(self.folder / "layers").rglob("*.json")]
        return {IndexEntry(**entry) for path in locks for entry in (_read_json(path) or {}).get("packages", ())}

    def previous(self, spec: BuildSpec) -> list[Path]:
        """Return the packages of the newest older build in the store of the same recipe, or with one of the same packages.

        None when there is none. To apt it is one package, whichever recipe made which version: etcd's are of three.
        """
        from kubedeb.versions import DebianVersion  # to show a recipe takes no order of versions

        made = {package.name for package in spec.packages}
        fitting = [
            data for data in self.specs() if all(data.get(key) == getattr(spec, key) for key in ("suite", "architecture"))
        ]  # fmt: skip
        alike = [
            data for data in fitting
            if data.get("recipe") == spec.recipe or made & {package["name"] for package in data.get("packages", ())}
        ]  # fmt: skip
        older = [data for data in alike if DebianVersion(data["package_version"]) < DebianVersion(spec.package_version)]
        if not older:
            return []
        newest = max(DebianVersion(data["package_version"]) for data in older)
        digest = [data["digest"] for data in older if DebianVersion(data["package_version"]) == newest][-1]
        return sorted((self.folder / "builds" / digest).glob("*.deb"))

    def log(self, spec: BuildSpec) -> Path:
        """Return where the spec's build log lies: kept whether the build succeeds or not."""
        return self.folder / "logs" / f"{spec.recipe}_{spec.package_version}_{spec.architecture}_{spec.digest[:12]}.log"

    @contextmanager
    def alone(self, spec: BuildSpec, waiting: Callable[[], object], stopped: Callable[[], bool]) -> Iterator[None]:
        """Hold the spec's lock: one build of a spec at a time; `waiting` is called when another run has it.

        Raises `KubedebError` (BUILD) when the other does not end in twice the time that a build may take.
        """
        path = self.folder / LOCKS / f"{spec.digest}.lock"
        with storage_errors(f"the store {self.folder}", ExitCode.BUILD_STORAGE):
            path.parent.mkdir(parents=True, exist_ok=True)
            stream = path.open("wb")
        with stream:
            if not locked_within(stream, waiting, stopped, seconds=2 * TIME_LIMIT):
                raise KubedebError(
                    f"another build of {spec.title} does not end", details=f"It holds {path}", code=ExitCode.BUILD
                )
            yield

    @contextmanager
    def building(self, spec: BuildSpec) -> Iterator[Path]:
        """Give a new folder for the spec's result, which takes its place whole, power cut or not, or vanishes."""
        target = self.build_folder(spec)
        with storage_errors(f"the store {self.folder}", ExitCode.BUILD_STORAGE):
            if not target.parent.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                sync_folder(self.folder)
            (self.folder / "logs").mkdir(exist_ok=True)
            part = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{spec.digest[:12]}."))
            try:
                yield part
                part.chmod(0o755)
                sync_tree(part)
                if target.exists():
                    shutil.rmtree(target)
                part.rename(target)
                sync_folder(target.parent)
            finally:
                shutil.rmtree(part, ignore_errors=True)

    def record(self, folder: Path, spec: BuildSpec, result: BuildResult) -> None:
        """Write the spec, and the result with the sha256 of each of its files, beside the packages in `folder`."""
        write_text(folder / "spec.json", canonical_json(spec.as_dict()))
        write_text(folder / "result.json", canonical_json({**asdict(result), "sha256": _sha256(folder, result)}))

    def amend(self, spec: BuildSpec, result: BuildResult, files: Mapping[str, bytes]) -> None:
        """Write attestations of a stored build anew. Killed in between, the build counts as nothing and is made again."""
        folder = self.build_folder(spec)
        with storage_errors(f"the store {self.folder}", ExitCode.BUILD_STORAGE):
            for name, data in files.items():
                write_bytes(folder / name, data, sync=True)
            write_text(folder / "result.json", canonical_json({**asdict(result), "sha256": _sha256(folder, result)}), sync=True)

    def base(self, suite: str, architecture: str) -> BaseLock | None:
        """Return the lock of the current base, None when there is none yet."""
        return self._lock(self.folder / "bases" / f"{suite}-{architecture}.json")

    def bases(self) -> list[BaseLock]:
        """Return the current lock of every suite and architecture."""
        locks = (self._lock(path) for path in sorted((self.folder / "bases").glob("*.json")))
        return [lock for lock in locks if lock is not None]

    def keep_base(self, lock: BaseLock) -> None:
        """Make `lock` the current one of its suite and architecture."""
        with storage_errors(f"the store {self.folder}", ExitCode.BUILD_STORAGE):
            write_text(self.folder / "bases/locks" / f"{lock.digest}.json", lock.as_json())
            write_text(self.folder / "bases" / f"{lock.suite}-{lock.architecture}.json", lock.as_json(), sync=True)

    def past_base(self, digest: str) -> BaseLock | None:
        """Return the lock of a base that was the current one once."""
        try:
            return self._lock(self.folder / "bases/locks" / f"{digest}.json")
        except KubedebError:
            return None

    def lock_of(self, spec: BuildSpec) -> BaseLock | None:
        """Return the lock of the base that a spec stands on, None when the store never had it."""
        current = self.base(spec.suite, spec.architecture)
        return current if current is not None and current.digest == spec.base else self.past_base(spec.base)

    def layer(self, base: str, wants: Wants) -> Layer | None:
        """Return the locked layer of these build dependencies on a base, None when there is none yet."""
        data = _read_json(self.folder / "layers" / f"{layer_name(base, wants)}.json")
        try:
            return None if data is None else Layer.from_data(data)
        except (KeyError, TypeError):  # of another form: it is resolved anew
            return None

    def keep_layer(self, layer: Layer) -> None:
        """Make `layer` the one of its build dependencies; what was locked before is kept beside, for rebuilds."""
        with storage_errors(f"the store {self.folder}", ExitCode.BUILD_STORAGE):
            write_text(self.folder / "layers/locks" / f"{layer.digest}.json", layer.as_json())
            path = self.folder / "layers" / f"{layer_name(layer.base, layer.wants)}.json"
            write_text(path, layer.as_json(), sync=True)

    def dsc(self, sha256: str) -> str | None:
        """Return a .dsc that a recipe pinned once, None when this store never had it."""
        path = self.folder / "dsc" / sha256
        return path.read_text() if path.is_file() else None

    def keep_dsc(self, sha256: str, text: str) -> None:
        """Keep a .dsc, whose digest the caller has checked."""
        with storage_errors(f"the store {self.folder}", ExitCode.BUILD_STORAGE):
            write_text(self.folder / "dsc" / sha256, text, sync=True)

    def note_use(self, name: str, of: str = "") -> None:
        """Remember that an image or a root was used now; `of` is what it lies on, where its name does not say so."""
        with storage_errors(f"the store {self.folder}", ExitCode.BUILD_STORAGE):
            write_text(self.folder / "used" / quote(name, safe=""), of)

    def uses(self) -> dict[str, float]:
        """Return when each image or root was last used by this store, in seconds since the epoch."""
        return {unquote(path.name): path.stat().st_mtime for path in (self.folder / "used").glob("[!.]*")}

    def use_of(self, name: str) -> str:
        """Return what was said of a use, "" when there was none."""
        path = self.folder / "used" / quote(name, safe="")
        return path.read_text() if path.is_file() else ""

    def forget_use(self, name: str) -> None:
        """Forget the uses of what is no more."""
        (self.folder / "used" / quote(name, safe="")).unlink(missing_ok=True)

    def root_file(self, lock: BaseLock) -> Path:
        """Return where the base's root file system is kept, compressed."""
        return self.folder / "bases" / f"{lock.digest}.tar.zst"

    def _lock(self, path: Path) -> BaseLock | None:
        data = _read_json(path)
        try:
            return None if data is None else BaseLock.from_data(data)
        except (KeyError, TypeError) as error:
            raise KubedebError(
                f"{path} is not the lock of a base", details=repr(error),
                hint=f"Remove it and make the base anew:\nrm {path} && kubedeb base update", code=ExitCode.SANDBOX,
            ) from error  # fmt: skip


def recorded(folder: Path) -> tuple[BuildResult, dict[str, str]] | None:
    """Return what a build's folder says of itself, with the sha256 of each of its files; None when it does not say it whole."""
    try:
        data = _read_json(folder / "result.json") or {}
        sha256 = data.pop("sha256")
        packages = tuple(BuiltPackage(**package) for package in data.pop("packages"))
        result = BuildResult(packages=packages, attestations=tuple(data.pop("attestations")), **data)
        return result, {name: sha256[name] for name in result.files}
    except (AttributeError, KeyError, TypeError):  # a record of another form
        return None


def _sha256(folder: Path, result: BuildResult) -> dict[str, str]:
    known = {package.file: package.sha256 for package in result.packages}  # held against the .changes file when they came
    return {name: known.get(name) or sha256_of(folder / name) for name in result.files}


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None
