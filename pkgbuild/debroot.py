"""A root of exactly given packages, made from their files alone: no mirror is asked, no version is chosen."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from kubedeb.deb import DebError, read_control
from kubedeb.errors import ExitCode, KubedebError, storage_errors
from kubedeb.files import CHUNK, replacing, sha256_bytes, write_text
from kubedeb.process import ProcessError, run
from pkgbuild.apt import full_disk
from pkgbuild.indexentry import IndexEntry
from pkgbuild.unsharesandbox import why_no_ids

COMPONENT = "main"
UNSAFE_IO = "--dpkgopt=force-unsafe-io"
"""mmdebstrap's option for a root that is made again when a crash spoils it: dpkg does not wait for the disk, file by file."""


def index_entry(control: str, place: str, size: int, sha256: str) -> str:
    """Return a package's stanza in a Packages file from its control stanza; pure."""
    return f"{control}Filename: {place}\nSize: {size}\nSHA256: {sha256}\n"


def release(suite: str, architecture: str, index: bytes) -> str:
    """Return the Release file of an archive with one index; pure. mmdebstrap chooses packages by the names in it."""
    listed = f" {sha256_bytes(index)} {len(index)} {COMPONENT}/binary-{architecture}/Packages\n"
    about = f"Suite: {suite}\nCodename: {suite}\nArchitectures: {architecture}\nComponents: {COMPONENT}\n"
    return f"{about}Date: Thu, 01 Jan 1970 00:00:00 UTC\nSHA256:\n{listed}"


def write_archive(folder: Path, suite: str, architecture: str, packages: Mapping[IndexEntry, Path]) -> None:
    """Write an apt archive of these files below `folder`; each must be the package that its entry says.

    No file is hashed here: apt compares each with the index. Raises `KubedebError` (SOURCE_MISMATCH) for another package,
    `OSError`.
    """
    stanzas = []
    for entry, file in sorted(packages.items()):
        place = f"pool/{entry.sha256}.deb"
        _put(file, folder / place)
        try:
            control = read_control(folder / place)
        except DebError as error:
            raise KubedebError(f"{file} is no package", details=str(error), code=ExitCode.SOURCE_MISMATCH) from error
        if (control["Package"], control["Version"]) != (entry.name, entry.version):
            raise KubedebError(
                f"{file} is not {entry.name} {entry.version}", details=f"It is {control['Package']} {control['Version']}.",
                code=ExitCode.SOURCE_MISMATCH,
            )  # fmt: skip
        stanzas.append(index_entry(control.text(), place, (folder / place).stat().st_size, entry.sha256))
    index = "\n".join(stanzas)
    write_text(folder / f"dists/{suite}/{COMPONENT}/binary-{architecture}/Packages", index)
    write_text(folder / f"dists/{suite}/Release", release(suite, architecture, index.encode()))


def _put(file: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, target)
    except OSError:  # another file system
        with replacing(target) as out, file.open("rb") as stream:
            shutil.copyfileobj(stream, out, CHUNK)


def make_root(
    suite: str, architecture: str, packages: Mapping[IndexEntry, Path], target: Path, more: Sequence[str] = ()
) -> None:
    """Make a root with all of `packages` and nothing else as the tar file `target`; `more` are options of mmdebstrap.

    Raises `KubedebError`: SANDBOX when they do not make a root, SOURCE_MISMATCH, BUILD_STORAGE when the disk is full.
    """
    names = ",".join(sorted(entry.name for entry in packages))
    with storage_errors("a root", ExitCode.BUILD_STORAGE), _archive_folder(target.parent) as folder:
        write_archive(folder, suite, architecture, packages)
        write_text(folder / "sources.list", f"deb [trusted=yes] copy:{quote(str(folder))} {suite} {COMPONENT}\n")
        command: list[str | Path] = [
            "mmdebstrap", "--variant=essential", f"--include={names}", f"--architectures={architecture}",
            '--aptopt=Acquire::Languages "none"', UNSAFE_IO, *more, suite, target, folder / "sources.list",
        ]  # fmt: skip
        try:
            run(command, code=ExitCode.SANDBOX, timeout=1800, env={"SOURCE_DATE_EPOCH": "0"})
        except ProcessError as error:
            raise no_root(error, "a root") from error


def no_root(error: ProcessError, what: str) -> KubedebError:
    """Return the error to raise when mmdebstrap failed: for another user than root with what the kernel refuses."""
    if why := why_no_ids():
        return KubedebError(
            f"{what} cannot be made by this user: {why}", details=error.details, hint="Mend that, or make it as root.",
            code=ExitCode.SANDBOX,
        )  # fmt: skip
    return full_disk(error, what) or error


@contextmanager
def _archive_folder(where: Path) -> Iterator[Path]:
    """Give a folder that mmdebstrap may read: for another user than root it works under an id that cannot enter a home."""
    own = where if os.getuid() == 0 else None
    with tempfile.TemporaryDirectory(dir=own, prefix=".archive-", ignore_cleanup_errors=True) as name:
        with suppress(OSError):
            Path(name).chmod(0o755)
        yield Path(name)
