"""A private apt: the machine's own mirror, keys and proxy, another suite, and nothing of the machine's state touched."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kubedeb.errors import ExitCode, KubedebError, storage_errors
from kubedeb.files import write_text
from kubedeb.process import ProcessError, Result, run
from kubedeb.progress import Progress
from pkgbuild import aptsources
from pkgbuild.aptsources import AptEntry
from pkgbuild.indexentry import IndexEntry

# The host's hooks (caches of desktops and the like) must not run for an update that is not the host's.
CONFIGURATION = """\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear Acquire::IndexTargets::deb;
#clear Acquire::Languages;
Acquire::IndexTargets::deb::Packages {{ MetaKey "$(COMPONENT)/binary-$(ARCHITECTURE)/Packages"; }};
#clear Acquire::IndexTargets::deb-src;
Acquire::IndexTargets::deb-src::Sources {{ MetaKey "$(COMPONENT)/source/Sources"; }};
Acquire::Languages "none";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
APT::Architecture "{architecture}";
APT::Architectures "{architecture}";
Dir::State "{folder}/state";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache";
Dir::Etc::sourcelist "{folder}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
"""
ROOM = 64 << 20
"""Bytes that must be free before apt is asked: as much as the indices of a suite. On a full disk apt-get update never ends."""
NOT_THERE = ("does not have a Release file", "404", "File not found")
NO_ROOM = ("No space left on device", "don't have enough free space", "Not enough free disk space")


class NotThereError(KubedebError):
    """The mirror answers and does not have it."""


class PrivateApt:
    """apt with a configuration of its own; made by `private_apt`."""

    def __init__(self, folder: Path, entries: Sequence[AptEntry]) -> None:
        self._folder = folder
        self.entries = tuple(entries)

    def update(self) -> None:
        """Fetch and verify the indices. Raises `NotThereError` when the mirror no longer has the suite."""
        self._apt("apt-get", "update", timeout=300)

    def show(self, words: Sequence[str]) -> list[IndexEntry]:
        """Return the index entries of `NAME` (its newest) or `NAME=VERSION`; what the index lacks is left out."""
        from debian.deb822 import Deb822

        found = self._apt("apt-cache", "show", "--no-all-versions", *words, ok=(0, 100)).text
        return [
            IndexEntry(entry["Package"], entry["Version"], entry["Architecture"], entry["SHA256"])
            for entry in Deb822.iter_paragraphs(found, use_apt_pkg=False)
        ]

    def download(self, name: str, version: str) -> Path:
        """Fetch one package, checked by apt against the signed index, and return its path below the private folder."""
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        self._apt("apt-get", "download", f"{name}={version}", cwd=folder, timeout=1800)
        return next(iter(folder.glob("*.deb")))

    def show_sources(self, name: str) -> list[IndexEntry]:
        """Return every version of a source package in the signed index; `sha256` is that of its `.dsc`."""
        from debian.deb822 import Deb822

        found = self._apt("apt-cache", "showsrc", "--only-source", name, ok=(0, 100)).text
        stanzas = [Deb822(block) for block in found.split("\n\n") if block.strip()]
        return [
            IndexEntry(stanza["Package"], stanza["Version"], "source", sha256)
            for stanza in stanzas
            for sha256 in (line.split()[0] for line in stanza.get("Checksums-Sha256", "").splitlines() if line.endswith(".dsc"))
        ]

    def download_source(self, name: str, version: str) -> Path:
        """Fetch one source package, checked by apt against the signed index, and return its `.dsc`, its files beside it."""
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        words = ("source", "--download-only", "--only-source", f"{name}={version}")
        self._apt("apt-get", *words, cwd=folder, timeout=1800)
        return next(iter(folder.glob("*.dsc")))

    def download_all(self, words: Sequence[str]) -> list[Path]:
        """Fetch every package of `NAME=VERSION` in one go, checked by apt against the signed index; return their paths."""
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        self._apt("apt-get", "download", *words, cwd=folder, timeout=1800)
        return sorted(folder.glob("*.deb"))

    def know(self, status: str) -> None:
        """Take the packages of a dpkg status file as installed."""
        write_text(self._folder / "status", status)

    def simulate(self, names: Sequence[str]) -> str:
        """Return what apt-get says of installing packages or satisfying relations; nothing is.

        Raises `KubedebError` (RECIPE) when it cannot.
        """
        try:
            how = "satisfy" if any(" " in name or ":" in name for name in names) else "install"
            return self._apt("apt-get", how, "--simulate", "--no-install-recommends", *names, timeout=120).text
        except KubedebError as error:
            if error.code is not ExitCode.FETCH:
                raise
            raise KubedebError(
                f"apt cannot install the build dependencies {', '.join(names)}", details=error.details,
                hint="Are the names in the recipe's build_depends right for this suite? What its .dsc asks for beside them is "
                "left out with source_build_depends: false.", code=ExitCode.RECIPE,
            ) from error  # fmt: skip

    def _apt(self, *words: str, ok: tuple[int, ...] = (0,), cwd: Path | None = None, timeout: float = 300) -> Result:
        program, *rest = words
        try:
            return run(
                [program, "-c", self._folder / "apt.conf", *rest], code=ExitCode.FETCH, ok=ok, cwd=cwd, timeout=timeout,
                hint="Is the network up? The machine's own `apt-get update` should work too.",
            )  # fmt: skip
        except ProcessError as error:
            raise _told_apart(error) from error


def full_disk(error: ProcessError, what: str) -> KubedebError | None:
    """Return the error to raise when a program failed because the disk is full, None when it failed otherwise."""
    output = (error.result.stdout + error.result.stderr).decode(errors="replace")
    if not any(text in output for text in NO_ROOM):
        return None
    return KubedebError(
        f"cannot write {what}: the disk is full", details=error.details,
        hint="Make room, then run the same command again; nothing half-written was kept.", code=ExitCode.BUILD_STORAGE,
    )  # fmt: skip


def _told_apart(error: ProcessError) -> KubedebError:
    """Tell a full disk and a missing suite or file from a mirror that does not answer."""
    if full := full_disk(error, "what apt fetches"):
        return full
    output = (error.result.stdout + error.result.stderr).decode(errors="replace")
    if any(text in output for text in NOT_THERE):
        return NotThereError(error.brief, details=error.details, hint=error.hint, code=ExitCode.SOURCE_GONE)
    if first := next((line.removeprefix("E: ") for line in output.splitlines() if line.startswith("E: ")), ""):
        brief = f"{error.brief}: {' '.join(first.split())}"
        return KubedebError(brief, details=error.details, hint=error.hint, code=error.code)
    return error


@contextmanager
def private_apt(entries: Sequence[AptEntry], architecture: str, where: Path, *, sources: bool = False) -> Iterator[PrivateApt]:
    """Give an apt for `entries` in a new folder below `where`, which is removed afterwards; `sources`: for source packages."""
    if not Path(aptsources.KEYRING).exists():
        raise KubedebError(
            f"{aptsources.KEYRING} is missing", details="Debian's indices cannot be verified without its keys.",
            hint="apt-get install debian-archive-keyring", code=ExitCode.FETCH,
        )  # fmt: skip
    with storage_errors(str(where), ExitCode.BUILD_STORAGE):
        where.mkdir(parents=True, exist_ok=True)
        if (free := shutil.disk_usage(where).free) < ROOM:
            raise KubedebError(
                "cannot write what apt fetches: the disk is full", details=f"{free >> 10} KiB are free in {where}.",
                hint=f"Make room, {ROOM >> 20} MiB and what is fetched; then run the same command again.",
                code=ExitCode.BUILD_STORAGE,
            )  # fmt: skip
        temporary = tempfile.TemporaryDirectory(dir=where, prefix=".apt-", ignore_cleanup_errors=True)
    with temporary as name:
        folder = Path(name)
        with storage_errors(str(where), ExitCode.BUILD_STORAGE):
            for part in ("state/lists/partial", "cache/archives/partial"):
                (folder / part).mkdir(parents=True)
            write_text(folder / "status", "")
            write_text(folder / "sources.list", "".join(entry.line(architecture, source=sources) for entry in entries))
            write_text(folder / "apt.conf", CONFIGURATION.format(folder=folder, architecture=architecture))
        yield PrivateApt(folder, entries)


@contextmanager
def suite_apt(suite: str, architecture: str, mirror: str, where: Path, progress: Progress) -> Iterator[PrivateApt]:
    """Give an apt that has read the signed indices of a suite, of its updates and security too; see `private_apt`.

    Raises `KubedebError`: FETCH when the mirror does not answer, `NotThereError` when it has no such suite.
    """
    with private_apt(host_entries(suite, mirror, pockets=True), architecture, where) as apt:
        with progress.task(f"read Debian's indices for {suite}"):
            apt.update()
        yield apt


def host_entries(suite: str, mirror: str, *, pockets: bool) -> list[AptEntry]:
    """Return where `suite` comes from: the mirror of the settings, else the machine's own apt sources retargeted."""
    if mirror:
        return aptsources.from_mirror(mirror, suite)
    from debian.deb822 import Deb822

    targets = run(["apt-get", "indextargets"], code=ExitCode.FETCH, timeout=60).text
    entries = aptsources.debian_entries(dict(entry) for entry in Deb822.iter_paragraphs(targets, use_apt_pkg=False))
    return aptsources.retarget(entries, suite, pockets=pockets)


def host_options() -> list[str]:
    """Return the machine's apt settings that a container needs to reach the same mirror."""
    return aptsources.kept_options(run(["apt-config", "dump"], code=ExitCode.FETCH, timeout=60).text)
