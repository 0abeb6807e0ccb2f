"""What `add` is given, looked at: binary and source packages, uploads, folders, and what lies beside packages."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

from kubedeb.deb import DebError
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import sha256_of
from kubedeb.parallel import spread
from repo.binaries import read_binary
from repo.models import Package, package_of, pool_folder
from repo.poolfiles import BUILDINFO, STATEMENTS, PoolFile, objects, parse_files, with_beside

BESIDE = (BUILDINFO, *STATEMENTS)
MAX_BESIDE = 256 * 1024 * 1024
BUILDER = re.compile(r"\.[A-Za-z0-9_-]+")


class Candidate(NamedTuple):
    """A file that may become a package of the repository; `files` are its further files in the pool, by name there."""

    path: Path
    package: Package
    files: tuple[tuple[str, Path, str], ...] = ()

    def objects(self) -> list[tuple[str, Path, str]]:
        """Return what must be in the store, as `Store.adopt_all` takes it."""
        return [(self.package.member.pool_name, self.path, self.package.sha256), *self.files]


@dataclass
class Findings:
    """Everything that is wrong with what was given; `add` shows all of it and changes nothing."""

    problems: list[str] = field(default_factory=list)

    def note(self, path: Path, problem: str) -> None:
        """Remember one problem with one file."""
        self.problems.append(f"{path}: {problem}")

    def stop(self) -> None:
        """Raise `KubedebError` (PACKAGE) when there was a problem."""
        if self.problems:
            first, *more = self.problems
            raise KubedebError(first, details="\n".join(more), hint="Nothing was added.", code=ExitCode.PACKAGE)


@dataclass
class _Given:
    """The files that were given, sorted; `named` are those beside packages that somebody asked for."""

    packages: list[Path] = field(default_factory=list)
    named: list[Path] = field(default_factory=list)
    look_beside: bool = True


def collect(given: Sequence[Path], keyring: str, findings: Findings, passed_over: list[str]) -> list[Candidate]:
    """Return the packages that `given` stands for, with what lies beside them, each read whole; notes what is wrong.

    `keyring`, a folder, stands for a suite that takes signed `.changes` files alone. `passed_over` learns the names that an
    upload lists and the repository does not keep.
    """
    # What lies beside an upload that must be signed may have been put there by anybody.
    sorted_out = _Given(look_beside=not keyring)
    for path in given:
        _take(path, Path(keyring) if keyring else None, sorted_out, findings, passed_over)
    candidates = inspect(dict.fromkeys(sorted_out.packages), findings)
    return _with_beside(candidates, sorted_out, findings)


def _take(path: Path, keyring: Path | None, out: _Given, findings: Findings, passed_over: list[str]) -> None:
    if path.is_dir():
        suffixes = (".changes",) if keyring else (".deb", ".dsc")
        found = _below(path, suffixes)
        if not found:
            findings.note(path, f"there is no {' or '.join(suffixes)} file in this folder")
        if keyring is None:
            out.packages += found
        for upload in found if keyring else ():
            _take(upload, keyring, out, findings, passed_over)
    elif path.exists() and not path.is_file():
        findings.note(path, "is no regular file")
    elif path.suffix == ".changes":
        _take_upload(path, keyring, out, findings, passed_over)
    elif keyring is not None:
        findings.note(path, "is refused: the suite takes signed .changes files only")
    elif path.name.endswith(BESIDE):
        out.named.append(path)
    else:
        out.packages.append(path)


def _below(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """Return the files of these kinds in a folder and those below it, sorted; links to folders are not followed."""
    walked = os.walk(folder)
    found = sorted(f"{place}/{name}" for place, _, names in walked for name in names if name.endswith(suffixes))
    return [Path(name) for name in found]


def _take_upload(path: Path, keyring: Path | None, out: _Given, findings: Findings, passed_over: list[str]) -> None:
    """Take the files that a `.changes` file lists, each compared with the sha256 and size that it gives."""
    from repo.uploads import read_changes, wrong_file

    try:
        changes = read_changes(path, keyring)
    except OSError as error:
        findings.note(path, f"cannot be read as a .changes file: {error.strerror or error}")
        return
    except ValueError as error:
        findings.note(path, f"cannot be read as a .changes file: {error}")
        return
    names = {file.name for file in changes.files}
    for file in changes.files:
        here = path.parent / file.name
        problem = wrong_file(path.parent, file, path.name)
        if problem:
            findings.note(here, problem)
        elif file.name.endswith((".deb", ".dsc")):
            out.packages.append(here)
        elif file.name.endswith(BESIDE):
            out.named.append(here)
        elif not any(name.endswith(".dsc") for name in names):
            passed_over.append(file.name)


def inspect(paths: Iterable[Path], findings: Findings) -> list[Candidate]:
    """Return the packages in files, each read whole; notes what is wrong with the others."""
    wanted, candidates = list(paths), []
    for path, found in zip(wanted, spread(_inspect, wanted), strict=True):
        if isinstance(found, str):
            findings.note(path, found)
        else:
            candidates.append(Candidate(path, *found))
    return candidates


def _inspect(path: Path) -> tuple[Package, tuple[tuple[str, Path, str], ...]] | str:
    """Return the package that a file is with its further files, as in `Candidate`, or what is wrong with it."""
    what = "a source package" if path.suffix == ".dsc" else "a Debian package"
    try:
        if not S_ISREG(os.stat(path).st_mode):
            # A pipe would be waited for, a device be read for ever.
            return "is no regular file"
        return _source(path) if path.suffix == ".dsc" else (package_of(read_binary(path)), ())
    except DebError as error:
        return f"is not {what}: {error}"
    except ValueError as error:
        return f"is refused: {error}"
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"


def _source(path: Path) -> tuple[Package, tuple[tuple[str, Path, str], ...]]:
    from repo.sources import read_source

    package, files = read_source(path)
    folder = pool_folder(package.sha256)
    return package, tuple((f"{folder}/{file.name}", path.parent / file.name, file.sha256) for file in files)


def _with_beside(candidates: list[Candidate], given: _Given, findings: Findings) -> list[Candidate]:
    """Return the candidates with what was said about them: by file name, a build record by the sha256 that it lists."""
    folders = dict.fromkeys(candidate.path.parent for candidate in candidates) if given.look_beside else {}
    # Each folder is read once: it may hold ten thousand packages.
    listed = {folder: sorted(name for name in os.listdir(folder) if name.endswith(BESIDE)) for folder in folders}
    near = _build_records(listed, findings)
    stated = {folder: _statements_in(folder, names) for folder, names in listed.items()}
    if not (near or given.named or any(stated.values())):
        return candidates
    said: dict[Path, list[Path]] = {candidate.path: [] for candidate in candidates}
    for candidate in candidates:
        stem = candidate.path.name.removesuffix(candidate.path.suffix)
        said[candidate.path] += stated.get(candidate.path.parent, {}).get(stem, [])
        said[candidate.path] += near.get(candidate.package.sha256, [])
    for path in given.named:
        owners = _owners(path, candidates, findings)
        if owners is not None and not owners:
            findings.note(path, "belongs to none of the packages that are added with it")
        for owner in owners or ():
            said[owner.path].append(path)
    return [attach(candidate, list(dict.fromkeys(said[candidate.path])), findings) for candidate in candidates]


def _statements_in(folder: Path, names: Iterable[str]) -> dict[str, list[Path]]:
    """Return the statements among a folder's files by the stem of the package that each is about.

    A name `STEM.BUILDER.SUFFIX` (several builders may say something) may be that of a package `STEM.BUILDER` too.
    """
    found: dict[str, list[Path]] = {}
    for path in _files(folder, names, STATEMENTS):
        whole = path.name.removesuffix(next(suffix for suffix in STATEMENTS if path.name.endswith(suffix)))
        for stem in (whole, whole.rpartition(".")[0]):
            if _is_about(path.name, stem):
                found.setdefault(stem, []).append(path)
    return found


def _is_about(name: str, stem: str) -> bool:
    """Return whether a file of this name states something about the package `stem` (NAME_VERSION_ARCH)."""
    suffix = next((suffix for suffix in STATEMENTS if name.endswith(suffix)), None)
    said = name.removesuffix(suffix or "")
    return suffix is not None and (said == stem or bool(BUILDER.fullmatch(said.removeprefix(stem)) and said.startswith(stem)))


def _owners(path: Path, candidates: Iterable[Candidate], findings: Findings) -> list[Candidate] | None:
    """Return the packages that a file is about, None when it cannot be read."""
    if path.name.endswith(BUILDINFO):
        try:
            digests = _recorded(path)
        except (ValueError, OSError) as error:
            findings.note(path, f"is not a .buildinfo file: {error}")
            return None
        return [candidate for candidate in candidates if candidate.package.sha256 in digests]
    return [one for one in candidates if _is_about(path.name, one.path.name.removesuffix(one.path.suffix))]


def _files(folder: Path, names: Iterable[str], suffixes: tuple[str, ...]) -> Iterator[Path]:
    """Yield a folder's files of these kinds."""
    return (folder / name for name in names if name.endswith(suffixes) and (folder / name).is_file())


def _build_records(listed: Mapping[Path, Iterable[str]], findings: Findings) -> dict[str, list[Path]]:
    """Return the `.buildinfo` files in the packages' own folders by the sha256 of what they list."""
    found: dict[str, list[Path]] = {}
    for folder, names in listed.items():
        for path in _files(folder, names, (BUILDINFO,)):
            try:
                digests = _recorded(path)
            except (ValueError, OSError) as error:
                findings.note(path, f"is not a .buildinfo file: {error}")
                continue
            for digest in digests:
                found.setdefault(digest, []).append(path)
    return found


def _recorded(buildinfo: Path) -> set[str]:
    from repo.sources import control_stanza

    stanza = control_stanza(buildinfo.read_bytes())
    return {file.sha256 for file in parse_files(stanza.get("Checksums-Sha256", ""))}


def attach(candidate: Candidate, paths: Iterable[Path], findings: Findings) -> Candidate:
    """Return a package with files beside it; notes what cannot lie there."""
    taken = set(objects(candidate.package))
    folder = pool_folder(candidate.package.sha256)
    files: list[PoolFile] = []
    more: list[tuple[str, Path, str]] = []
    for path in paths:
        name = f"{folder}/{path.name}"
        problem = _wrong_statement(path) or ("has the name of a file of the package" if name in taken else "")
        if problem:
            findings.note(path, problem)
            continue
        digest = sha256_of(path)
        files.append(PoolFile(path.name, digest, path.stat().st_size))
        more.append((name, path, digest))
    # Links hold for a package of any kind; a source's own files come first.
    return candidate._replace(package=with_beside(candidate.package, files), files=(*candidate.files, *more))


def _wrong_statement(path: Path) -> str:
    """Return what is wrong with a file beside a package, else empty: it is served as it is."""
    try:
        if path.stat().st_size > MAX_BESIDE:
            return "is larger than 256 MiB"
        if not path.name.isascii() or any(not letter.isprintable() or letter.isspace() for letter in path.name):
            return "has a name that a stanza cannot hold"
        if path.name.endswith(BUILDINFO):
            return ""
        text = path.read_text()
        for document in text.splitlines() if path.name.endswith(".jsonl") else [text]:
            if not isinstance(json.loads(document), dict):
                return "is not JSON objects, as its name says"
    except (OSError, ValueError, RecursionError) as error:
        return f"is not JSON, as its name says: {error}"
    return ""
