"""`kubedeb repo add`: look at every file first, then store all packages and put them into the suite's draft, or none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

from kubedeb.deb import DebError, read_deb
from kubedeb.errors import ExitCode, KubedebError
from repo.catalog import Catalog, open_catalog
from repo.live import chunk_loader
from repo.models import Action, Key, Package, Suite, package_of
from repo.place import Repository, writing
from repo.recall import read_lives, recall
from repo.snapshots import near


@dataclass(frozen=True)
class Candidate:
    """A file that may become a package of the repository."""

    path: Path
    package: Package


@dataclass(frozen=True)
class Added:
    """What `add` did: packages put into the draft, packages that the suite had already, files that are no packages."""

    suite: str
    packages: tuple[Package, ...]
    present: tuple[Package, ...]
    passed_over: tuple[str, ...]


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


def add(repository: Repository, suite_name: str, given: Sequence[Path]) -> Added:
    """Add files, the packages of `.changes` files, and the packages in folders to a suite's draft, all or none.

    Raises `KubedebError`: PACKAGE with every problem found; REPOSITORY for an unknown suite; REPOSITORY_BUSY;
    REPOSITORY_STORAGE.
    """
    suite = repository.suite(suite_name)
    findings, passed_over = Findings(), list[str]()
    paths = list(_packages_of(given, findings, passed_over))
    candidates = list(_inspect(paths, findings))
    refuse(candidates, suite, findings)
    findings.stop()
    with writing(repository.layout), open_catalog(repository.layout.catalog) as catalog:
        lives, load = read_lives(repository), chunk_loader(repository)
        recall(repository, catalog, lives, load)
        names = {candidate.package.name for candidate in candidates}
        published = [row for live in lives.values() for row in near(live.snapshot, load, names)]
        refuse_other_bytes(candidates, catalog, published, findings)
        findings.stop()
        served = {row.sha256 for row in near(lives[suite.name].snapshot, load, names)} if suite.name in lives else set()
        return _store(repository, suite, candidates, catalog, served, tuple(passed_over))


def _packages_of(given: Iterable[Path], findings: Findings, passed_over: list[str]) -> Iterator[Path]:
    """Yield the `.deb` files that `given` stands for."""
    for path in given:
        if path.is_dir():
            found = sorted(path.rglob("*.deb"))
            if not found:
                findings.note(path, "there is no .deb file in this folder")
            yield from found
        elif path.suffix == ".changes":
            yield from _listed(path, findings, passed_over)
        else:
            yield path


def _listed(changes: Path, findings: Findings, passed_over: list[str]) -> Iterator[Path]:
    """Yield the packages that a `.changes` file lists, each compared with the sha256 that it gives."""
    from debian.deb822 import Changes

    from kubedeb.files import sha256_of

    try:
        listed = Changes(changes.read_bytes()).get("Checksums-Sha256", [])
        rows = [(str(row["sha256"]), str(row["name"])) for row in listed]
    except (OSError, ValueError, KeyError, TypeError) as error:
        findings.note(changes, f"cannot be read as a .changes file: {error}")
        return
    if not rows:
        findings.note(changes, "it lists no file (no Checksums-Sha256)")
    for digest, name in rows:
        path = changes.parent / name
        if "/" in name or name.startswith("."):
            findings.note(changes, f"it lists {name!r}, which is not a plain file name")
        elif not name.endswith(".deb"):
            passed_over.append(name)
        elif not path.is_file():
            findings.note(path, f"is missing; {changes.name} lists it")
        elif (found := sha256_of(path)) != digest:
            findings.note(path, f"is not the file that {changes.name} lists: sha256 {found}, expected {digest}")
        else:
            yield path


def _inspect(paths: Iterable[Path], findings: Findings) -> Iterator[Candidate]:
    for path in paths:
        try:
            yield Candidate(path, package_of(read_deb(path)))
        except DebError as error:
            findings.note(path, f"is not a Debian package: {error}")
        except ValueError as error:
            findings.note(path, f"is refused: {error}")
        except OSError as error:
            findings.note(path, f"cannot be read: {error.strerror or error}")


def refuse(candidates: Iterable[Candidate], suite: Suite, findings: Findings) -> None:
    """Note what the suite cannot take: a foreign architecture, two files that claim to be the same package."""
    seen: dict[Key, Candidate] = {}
    for candidate in candidates:
        package = candidate.package
        if package.architecture not in (*suite.architectures, "all"):
            findings.note(
                candidate.path, f"is for {package.architecture}; suite {suite.name} has {', '.join(suite.architectures)}"
                " (add it with: kubedeb repo init)",
            )  # fmt: skip
        first = seen.setdefault(package.key, candidate)
        if first.package.sha256 != package.sha256:
            findings.note(candidate.path, other_bytes(package, first.package, f"in {first.path}"))


def other_bytes(package: Package, other: Package, where: str) -> str:
    """Return the message for two packages that differ and claim to be one."""
    return (
        f"{package.label} has other bytes {where}; a version is never published twice:"
        f" this file is sha256 {package.sha256}, the other {other.sha256}"
    )


def refuse_other_bytes(
    candidates: Iterable[Candidate], catalog: Catalog, published: Iterable[Package], findings: Findings
) -> None:
    """Note what the repository has with other bytes: in a draft, as the catalog says, or published, in whatever suite."""
    witnesses = {row.key: row for row in published}
    for candidate in candidates:
        package = candidate.package
        for known in (witnesses.get(package.key), catalog.same(*package.key)):
            if known is not None and known.sha256 != package.sha256:
                findings.note(candidate.path, other_bytes(package, known, "in the repository"))
                break


def _store(
    repository: Repository, suite: Suite, candidates: Iterable[Candidate], catalog: Catalog, published: Set[str],
    passed_over: tuple[str, ...],
) -> Added:  # fmt: skip
    drafted = {change.member.sha256: change.action for change in catalog.draft(suite.name)}
    by_content = {candidate.package.sha256: candidate for candidate in candidates}
    new: list[Package] = []
    present: list[Package] = []
    for digest, candidate in sorted(by_content.items(), key=lambda item: item[1].package):
        package = candidate.package
        there = drafted.get(digest, Action.ADD if digest in published else Action.REMOVE) is Action.ADD
        (present if there else new).append(package)
    files = [(candidate.package.member.pool_name, candidate.path, digest) for digest, candidate in by_content.items()]
    repository.layout.store.adopt_all(files)
    if new:
        catalog.add(suite.name, new, new)
    return Added(suite.name, tuple(new), tuple(present), passed_over)
