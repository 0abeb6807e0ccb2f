"""What lies beside each package: its statements and its bills of materials, written from what the build itself knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubedeb.errors import ExitCode, KubedebError, storage_errors
from kubedeb.files import write_bytes, write_text
from pkgbuild import dsse, statement
from pkgbuild.baselock import BaseLock
from pkgbuild.bill import bill_of
from pkgbuild.buildinfo import normal_digest
from pkgbuild.cyclonedx import cyclonedx
from pkgbuild.finding import LintVerdict
from pkgbuild.reading import Reading, read_package
from pkgbuild.spdx import spdx
from pkgbuild.spec import BuildSpec
from pkgbuild.statement import Material
from pkgbuild.store import BuiltPackage

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

STATEMENTS, CYCLONEDX, SPDX = ".intoto.jsonl", ".cdx.json", ".spdx.json"


def beside(package: str, suffix: str) -> str:
    """Return the name of what lies beside a package's file: `hello_1.10-1_amd64.deb` → `hello_1.10-1_amd64.intoto.jsonl`."""
    return package.removesuffix(".deb") + suffix


def attest(
    folder: Path, spec: BuildSpec, packages: Sequence[BuiltPackage], buildinfo: str, lock: BaseLock | None,
    own: Iterable[Material] = (), verdict: LintVerdict | None = None, read: Callable[[Path], Reading] = read_package,
) -> tuple[str, ...]:  # fmt: skip
    """Write the statements and bills of every package in `folder` and return their names. Raises `DebError`, `OSError`."""
    made_of = statement.materials(spec, lock, own)
    about = [(statement.PROVENANCE, statement.provenance(spec, made_of, normal_digest((folder / buildinfo).read_text())))]
    if verdict is not None and (judged := statement.lint(verdict)):
        about.append((statement.LINT, judged))
    names = []
    for package in packages:
        said = [statement.statement(package.file, package.sha256, kind, predicate) for kind, predicate in about]
        bill = bill_of(folder / package.file, spec, read)
        write_bytes(folder / beside(package.file, STATEMENTS), statement.as_lines(said))
        write_text(folder / beside(package.file, CYCLONEDX), cyclonedx(bill))
        write_text(folder / beside(package.file, SPDX), spdx(bill))
        names += [beside(package.file, suffix) for suffix in (STATEMENTS, CYCLONEDX, SPDX)]
    return tuple(names)


def reproduced(folder: Path, packages: Iterable[BuiltPackage], predicate: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the new content of each package's statements, by file, with that of its reproduction added; writes nothing."""
    return stated_too(folder, packages, statement.REPRODUCED, predicate)


def stated_too(folder: Path, packages: Iterable[BuiltPackage], kind: str, predicate: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the new content of each package's statements, by file, with one of this type added; writes nothing."""
    changed = {}
    for package in packages:
        path = folder / beside(package.file, STATEMENTS)
        said = statement.statement(package.file, package.sha256, kind, predicate)
        before = path.read_bytes() if path.exists() else b""
        changed[path.name] = statement.with_statement(before, said)
    return changed


def sign_files(paths: Iterable[Path], key: Ed25519PrivateKey) -> None:
    """Put every statement of the files into an envelope signed by `key`; each file is rewritten whole.

    Raises `KubedebError`: PACKAGE for a file without statements, BUILD_STORAGE when it cannot be written.
    """
    for path in paths:
        signed = [dsse.sign(line, key) for line in read_lines(path)]
        with storage_errors(str(path), ExitCode.BUILD_STORAGE):
            write_bytes(path, statement.as_lines(signed))


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return a file's lines, statements or envelopes. Raises `KubedebError` (PACKAGE) when it holds anything else."""
    try:
        lines = statement.from_lines(path.read_bytes())
        for line in lines:
            dsse.payload(line)
    except (OSError, ValueError, KeyError) as error:
        raise KubedebError(f"{path} holds no statements", details=str(error), code=ExitCode.PACKAGE) from error
    return lines
