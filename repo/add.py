"""`kubedeb repo add`: look at every file first, then store all packages and put them into the suite's draft, or none."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from kubedeb.records import frozen
from repo.intake import Candidate, Findings, collect
from repo.models import SOURCE, Action, Key, Member, Package, Suite
from repo.place import Repository
from repo.poolfiles import beside, with_beside
from repo.snapshots import near
from repo.transaction import Transaction, quiet, transaction


@frozen
class Added:
    """What `add` did: packages put into the draft, packages that the suite had already, files that are no packages.

    `restored` are those of the second whose bytes, or what lies beside them, the store had lost or had damaged.
    """

    suite: str
    packages: tuple[Package, ...]
    present: tuple[Package, ...]
    passed_over: tuple[str, ...]
    restored: tuple[Package, ...] = ()


@frozen
class Looked:
    """Files that were looked at and found good, for a suite."""

    suite: Suite
    candidates: tuple[Candidate, ...]
    passed_over: tuple[str, ...] = ()


def add(repository: Repository, suite_name: str, given: Sequence[Path], *, keyring: str = "") -> Added:
    """Add binary and source packages, those of `.changes` files, and those in folders to a suite's draft, all or none.

    `keyring`, a folder of keys, counts instead of the suite's own. Raises `KubedebError`: PACKAGE with every problem found;
    REPOSITORY for an unknown suite; REPOSITORY_BUSY; REPOSITORY_STORAGE.
    """
    looked = look(repository, suite_name, given, keyring=keyring)
    with transaction(repository, quiet) as opened:
        return take(opened, looked)


def look(repository: Repository, suite_name: str, given: Sequence[Path], *, keyring: str = "") -> Looked:
    """Read what `add` is given; nobody else has to wait for that. Raises `KubedebError` as `add` does."""
    suite = repository.suite(suite_name)
    findings, passed_over = Findings(), list[str]()
    candidates = collect(given, keyring or suite.options.changes_keyring, findings, passed_over)
    refuse(candidates, suite, findings)
    findings.stop()
    return Looked(suite, tuple(candidates), tuple(passed_over))


def take(opened: Transaction, looked: Looked) -> Added:
    """Store what was looked at and put it into the suite's draft. Raises `KubedebError` as `add` does."""
    suite, catalog, load, findings = looked.suite, opened.catalog, opened.load, Findings()
    names = {candidate.package.name for candidate in looked.candidates}
    published = [row for live in opened.lives.values() for row in near(live.snapshot, load, names)]
    drafted = {row.key: row for candidate in looked.candidates if (row := catalog.same(*candidate.package.key)) is not None}
    refuse_other_bytes(looked.candidates, drafted, published, findings)
    findings.stop()
    by_member: dict[Member, list[Package]] = {}
    for row in published:
        by_member.setdefault(row.member, []).append(row)
    candidates = [_with_known(candidate, drafted, by_member) for candidate in looked.candidates]
    served = set(near(opened.lives[suite.name].snapshot, load, names)) if suite.name in opened.lives else set()
    return _store(opened, suite, candidates, served, looked.passed_over)


def _with_known(
    candidate: Candidate, drafted: Mapping[Key, Package], published: Mapping[Member, Iterable[Package]]
) -> Candidate:
    """Return the candidate with what lies beside the same bytes in the repository already: nothing said is lost."""
    package = candidate.package
    known = list(published.get(package.member, ())) if published else []
    if (row := drafted.get(package.key)) is not None and row.member == package.member:
        known.append(row)
    if not known:
        return candidate
    there = [file for row in known for file in beside(row)]
    return candidate._replace(package=with_beside(with_beside(package, there), beside(package)))


def refuse(candidates: Iterable[Candidate], suite: Suite, findings: Findings) -> None:
    """Note what the suite cannot take: a foreign architecture, two files that claim to be the same package."""
    seen: dict[Key, Candidate] = {}
    for candidate in candidates:
        package = candidate.package
        if package.architecture not in (*suite.architectures, "all", SOURCE):
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
        f"{package.label} has other bytes {where}; a version is never published twice, give it another:"
        f" this file is sha256 {package.sha256}, the other {other.sha256}"
    )


def refuse_other_bytes(
    candidates: Iterable[Candidate], drafted: Mapping[Key, Package], published: Iterable[Package], findings: Findings
) -> None:
    """Note what the repository has with other bytes: remembered by the catalog, or published, in whatever suite."""
    witnesses = {row.key: row for row in published}
    for candidate in candidates:
        package = candidate.package
        for known in (witnesses.get(package.key), drafted.get(package.key)):
            if known is not None and known.sha256 != package.sha256:
                findings.note(candidate.path, other_bytes(package, known, "in the repository"))
                break


def _store(
    opened: Transaction, suite: Suite, candidates: Iterable[Candidate], published: Collection[Package],
    passed_over: tuple[str, ...],
) -> Added:  # fmt: skip
    catalog = opened.catalog
    drafted = {change.member.sha256: change.action for change in catalog.draft(suite.name)}
    by_content = {candidate.package.sha256: candidate for candidate in candidates}
    new: list[Package] = []
    present: list[Package] = []
    for digest, candidate in sorted(by_content.items(), key=lambda item: item[1].package):
        package = candidate.package
        same = package in published or (digest in drafted and catalog.same(*package.key) == package)
        there = same and drafted.get(digest, Action.ADD) is Action.ADD
        (present if there else new).append(package)
    files = [file for candidate in by_content.values() for file in candidate.objects()]
    adopted = opened.repository.layout.store.adopt_all(files)
    opened.unsynced.append(adopted.wait)
    opened.stored.update(by_content)
    if new:
        catalog.add(suite.name, new, new)
    written = {name for (name, *_), was in zip(files, adopted.written, strict=True) if was} if present else set()
    restored = tuple(one for one in present if any(name in written for name, *_ in by_content[one.sha256].objects()))
    return Added(suite.name, tuple(new), tuple(present), passed_over, restored)
