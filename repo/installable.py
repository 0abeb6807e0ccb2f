"""Whether packages can be installed: Debian's dose-debcheck, with this suite and the ones behind it.

At publish what changed is looked at, and what depends on a name that changed; in `verify` everything. What was broken before
the change, and did not change, hinders nobody.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import write_text
from kubedeb.process import run
from kubedeb.records import frozen
from kubedeb.stanza import one
from repo.client import apt_configuration
from repo.live import Live, chunk_loader, read_live
from repo.models import SOURCE, Member, Package, Suite
from repo.place import Repository
from repo.snapshots import Load, Snapshot, rows_of

# Relations that another package's change can break.
RELATIONS = ("Pre-Depends", "Depends", "Conflicts", "Breaks")
NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")
BROKEN = 1


@dataclass(frozen=True, order=True)
class Broken:
    """A package that nothing can install on an architecture, and why."""

    architecture: str
    name: str
    version: str
    why: str

    @property
    def label(self) -> str:
        """Return it for people."""
        return f"{self.name} {self.version} ({self.architecture}): {self.why}"


def concerned(rows: Iterable[Package], changed: Iterable[Package]) -> list[Package]:
    """Return the packages of `rows` that a change may make installable or not: the changed, and what relates to their names."""
    changes = list(changed)
    keys, names = {row.key for row in changes}, {name for row in changes for name in _names_of(row)}
    return [row for row in rows if row.key in keys or not names.isdisjoint(_related(row))]


def _names_of(row: Package) -> set[str]:
    return {row.name, *NAME.findall(one(row.stanza).get("Provides", ""))}


def _related(row: Package) -> set[str]:
    fields = one(row.stanza)
    # Words of versions are among them: then a package is looked at for nothing.
    return {word for name in RELATIONS for word in NAME.findall(fields.get(name, ""))}


def parse_report(text: str, architecture: str) -> list[Broken]:
    """Return the broken packages of dose-debcheck's report (output-version 1.2). Raises `KubedebError` (CLIENT)."""
    from kubedeb import yamlfile

    report = yamlfile.parse(text, Path("dose-debcheck"), code=ExitCode.CLIENT).data.get("report") or []
    return [
        Broken(architecture, row["package"], row["version"], "; ".join(_reason(reason) for reason in row.get("reasons", ())))
        for row in report
        if row["status"] == "broken"
    ]


def _reason(reason: dict[str, dict[str, dict[str, str]]]) -> str:
    if "missing" in reason:
        found = reason["missing"]["pkg"]
        return f"{found['package']} needs {found['unsat-dependency']}, which nothing has"
    first, second = reason["conflict"]["pkg1"], reason["conflict"]["pkg2"]
    return f"{first['package']} {first['version']} conflicts with {second['package']} {second['version']}"


def refuse_broken(
    repository: Repository, suite: Suite, after: Snapshot, before: Live | None, load: Load, changed: Sequence[Member]
) -> None:
    """Raise `KubedebError` (PACKAGE) when a change leaves something that cannot be installed and is not so already."""
    if not suite.options.installable or not changed:
        return
    rows = _binaries(load, after)
    old = _binaries(load, before.snapshot) if before else []
    keys = {member.key for member in changed}
    moved = [row for row in (*rows, *old) if row.key in keys]
    with tempfile.TemporaryDirectory(prefix="kubedeb-installable-") as folder:
        judge = _Judge(repository, suite, Path(folder))
        found = judge.broken(rows, concerned(rows, moved))
        new = {row.key for row in rows if row.key in keys}
        names = {(name, version) for name, version, _ in new}
        suspects = {(one.name, one.version) for one in found} - names
        known = judge.broken(old, [row for row in old if (row.name, row.version) in suspects]) if suspects else []
    were = {(one.architecture, one.name, one.version) for one in known}
    left = [one for one in found if (one.architecture, one.name, one.version) not in were]
    if left:
        raise KubedebError(
            f"{len(left)} packages of {suite.name} could not be installed: {left[0].label}",
            details="\n".join(one.label for one in left[1:]), code=ExitCode.PACKAGE,
            hint="Add what is missing, or take out what needs it. Suites that hosts have besides this one are named by\n"
            "kubedeb repo init --background. Nothing was published.",
        )  # fmt: skip


def every_broken(repository: Repository, suite: Suite) -> list[Broken]:
    """Return all that a suite serves and nothing can install. Raises `KubedebError`."""
    live = read_live(repository, suite.name)
    rows = _binaries(chunk_loader(repository), live.snapshot if live else Snapshot())
    with tempfile.TemporaryDirectory(prefix="kubedeb-installable-") as folder:
        return _Judge(repository, suite, Path(folder)).broken(rows, rows)


def _binaries(load: Load, snapshot: Snapshot) -> list[Package]:
    return [row for row in rows_of(load, snapshot) if row.architecture != SOURCE]


@frozen
class _Judge:
    """dose-debcheck for one suite; what lies behind the suite is written down once for each architecture."""

    repository: Repository
    suite: Suite
    folder: Path

    def broken(self, rows: Sequence[Package], looked_at: Sequence[Package]) -> list[Broken]:
        """Return those of `looked_at` that cannot be installed from `rows` and the background."""
        if not looked_at:
            return []
        if shutil.which("dose-debcheck") is None:
            raise KubedebError("dose-debcheck is not installed", details=f"suite {self.suite.name} wants installable packages",
                               hint="apt-get install dose-distcheck", code=ExitCode.CLIENT)  # fmt: skip
        chosen = {row.key for row in looked_at}
        return sorted(one for name in self.suite.architectures for one in self._on(name, rows, chosen))

    def _on(self, architecture: str, rows: Sequence[Package], chosen: set[tuple[str, str, str]]) -> list[Broken]:
        fitting = [row for row in rows if row.architecture in (architecture, "all")]
        front = self._write(f"front-{architecture}", (row for row in fitting if row.key in chosen))
        rest = self._write(f"rest-{architecture}", (row for row in fitting if row.key not in chosen))
        behind = [word for path in (rest, *self._background(architecture)) for word in ("--bg", str(path))]
        command = ["dose-debcheck", "--failures", "--explain", f"--deb-native-arch={architecture}", "--fg", str(front), *behind]
        done = run(command, code=ExitCode.CLIENT, ok=(0, BROKEN), hint="Nothing was published.")
        return parse_report(done.text, architecture)

    def _write(self, name: str, rows: Iterable[Package]) -> Path:
        return write(self.folder / name, (row.stanza for row in rows))

    def _background(self, architecture: str) -> Iterator[Path]:
        for name in self.suite.options.background:
            yield from self._own(name, architecture) if self.repository.identity.suite(name) else self._apt(name, architecture)

    def _own(self, name: str, architecture: str) -> Iterator[Path]:
        live = read_live(self.repository, name)
        path = self.folder / f"behind-{name}-{architecture}"
        if live is not None and not path.exists():
            rows = _binaries(chunk_loader(self.repository), live.snapshot)
            self._write(path.name, (row for row in rows if row.architecture in (architecture, "all")))
        if live is not None:
            yield path

    def _apt(self, sources: str, architecture: str) -> Iterator[Path]:
        """Let apt fetch what a `.sources` file names; it keeps its lists and asks only for what changed."""
        work = self.repository.layout.root / "background" / f"{Path(sources).stem}-{architecture}"
        for part in ("state/lists/partial", "cache/archives/partial"):
            (work / part).mkdir(parents=True, exist_ok=True)
        write_text(
            work / "apt.conf", f'{apt_configuration(work, Path(sources), (architecture,))}Acquire::GzipIndexes "false";\n'
        )
        hint = f"The suite's background is {sources} (kubedeb repo init --background). Nothing was published."
        run(["apt-get", "update", "-q", "-o", "APT::Update::Error-Mode=any"], env={"APT_CONFIG": str(work / "apt.conf")},
            code=ExitCode.CLIENT, hint=hint)  # fmt: skip
        yield from sorted((work / "state/lists").glob("*_Packages"))


def write(path: Path, stanzas: Iterable[str]) -> Path:
    """Write a Packages file."""
    write_text(path, "".join(f"{stanza}\n" for stanza in stanzas))
    return path
