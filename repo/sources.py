"""Source packages: a `.dsc` and the files that it names, and their stanza of Sources."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from kubedeb.deb import MAX_FIELD, PACKAGE, VERSION
from kubedeb.files import CHUNK
from kubedeb.stanza import Stanza, StanzaError, control_text, one
from kubedeb.versions import DebianVersion
from repo.models import SOURCE, Package, file_name, pool_folder
from repo.poolfiles import PoolFile, parse_files

# The lists of a .dsc, and what each is a digest of; the weak ones stay as the signed .dsc has them.
DIGESTS = {"Files": "md5", "Checksums-Sha1": "sha1", "Checksums-Sha256": "sha256", "Checksums-Sha512": "sha512"}


def control_stanza(data: bytes) -> Stanza:
    """Return the one stanza of a `.dsc`, `.changes` or `.buildinfo`. Raises `ValueError`."""
    try:
        return one(control_text(data).rstrip("\n") + "\n")
    except StanzaError as error:
        raise ValueError(str(error)) from error


def read_source(dsc: Path) -> tuple[Package, tuple[PoolFile, ...]]:
    """Return a source package and the files that its `.dsc` names, each read and compared with every digest given for it.

    Raises `ValueError` with all that is wrong, one a line; `OSError` when the `.dsc` cannot be read.
    """
    data = dsc.read_bytes()
    stanza = control_stanza(data)
    name, version = _named(stanza, "Source", PACKAGE), _named(stanza, "Version", VERSION)
    DebianVersion(version)
    if "Checksums-Sha256" not in stanza or "Format" not in stanza:
        raise ValueError("it is no .dsc: it has no Checksums-Sha256 or no Format")
    lists = {field: parse_files(stanza[field]) for field in DIGESTS if field in stanza}
    files = lists["Checksums-Sha256"]
    if not files:
        raise ValueError("it names no file")
    problems = [f"{field} names other files than Checksums-Sha256" for field, listed in lists.items()
                if {(file.name, file.size) for file in listed} != {(file.name, file.size) for file in files}]  # fmt: skip
    problems += [problem for file in files if (problem := _wrong(dsc.parent / file.name, file.name, lists))]
    own = file_name(name, version, SOURCE)
    if any(file.name == own or file.name.endswith(".dsc") for file in files):
        problems.append("it names a .dsc among its files")
    if problems:
        raise ValueError("; ".join(problems))
    sha256 = hashlib.sha256(data).hexdigest()
    return Package(name, version, SOURCE, sha256, len(data), _sources_stanza(stanza, data, own, sha256)), files


def _named(stanza: Stanza, field: str, pattern: re.Pattern[str]) -> str:
    value = stanza.get(field, "")
    if len(value) > MAX_FIELD or pattern.fullmatch(value) is None:
        raise ValueError(f"its field {field} is not valid: {value[:MAX_FIELD]!r}")
    return value


def _wrong(path: Path, name: str, lists: dict[str, tuple[PoolFile, ...]]) -> str:
    """Return what is wrong with one file of a source package, else empty."""
    if not path.is_file():
        return f"{name} is missing; the .dsc names it"
    digests = {field: hashlib.new(DIGESTS[field], usedforsecurity=False) for field in lists}
    size = 0
    with path.open("rb") as stream:
        while block := stream.read(CHUNK):
            size += len(block)
            for digest in digests.values():
                digest.update(block)
    for field, listed in lists.items():
        wanted = next((file for file in listed if file.name == name), None)
        if wanted is not None and (wanted.sha256, wanted.size) != (digests[field].hexdigest(), size):
            return (f"{name} is not the file that the .dsc names: {DIGESTS[field]} {digests[field].hexdigest()}"
                    f" ({size} bytes), expected {wanted.sha256} ({wanted.size} bytes)")  # fmt: skip
    return ""


def _sources_stanza(stanza: Stanza, data: bytes, own: str, sha256: str) -> str:
    """Return the stanza of Sources (apt-ftparchive(1)): Package for Source, the `.dsc` among its files, where they lie."""
    fields = {"Package": stanza["Source"]} | {name: value for name, value in stanza.items() if name.lower() not in (
        "source", "package", "directory", "kubedeb-beside")}  # fmt: skip
    for field, algorithm in DIGESTS.items():
        if field in stanza:
            digest = hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()
            rest = stanza[field] if stanza[field].startswith("\n") else f"\n {stanza[field]}"
            fields[field] = f"\n {digest} {len(data)} {own}{rest}"
    return Stanza((fields | {"Directory": pool_folder(sha256)}).items()).text()
