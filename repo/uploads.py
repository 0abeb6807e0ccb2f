"""`.changes` files: what was uploaded together, and who signed it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from kubedeb.aptrepo import verified
from kubedeb.armor import PUBLIC_KEY, binary
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import sha256_of
from kubedeb.records import frozen
from repo.poolfiles import PoolFile, parse_files
from repo.sources import control_stanza


@frozen
class Changes:
    """An upload: for which distribution, and its files by sha256."""

    path: Path
    distribution: str
    files: tuple[PoolFile, ...]


def read_changes(path: Path, keyring: Path | None) -> Changes:
    """Return what a `.changes` file says; with `keyring`, a folder of public keys, only what one of them has signed.

    Raises `ValueError` when it is no `.changes` file or not signed as it must be; `OSError`.
    """
    data = path.read_bytes()
    text = signed_text(data, keyring).encode() if keyring is not None else data
    stanza = control_stanza(text)
    files = parse_files(stanza.get("Checksums-Sha256", ""))
    if not files:
        raise ValueError("it lists no file (no Checksums-Sha256)")
    return Changes(path, stanza.get("Distribution", ""), files)


def signed_text(data: bytes, keyring: Path) -> str:
    """Return what a key in the folder `keyring` has signed of `data`. Raises `ValueError` when none has."""
    keys = trusted_keys(keyring)
    if not keys:
        raise ValueError(f"there is no key in {keyring} to check its signature with")
    with tempfile.TemporaryDirectory(prefix="kubedeb-keys-") as folder:
        combined = Path(folder) / "keys.gpg"
        combined.write_bytes(keys)
        try:
            return verified(data, combined, code=ExitCode.PACKAGE)
        except KubedebError as error:
            raise ValueError(f"it is not signed by a key in {keyring} that is good now: {_said(error.details)}") from error


def _said(details: str) -> str:
    """Return what gpgv said, without its lines for machines."""
    lines = [line.removeprefix("gpgv: ") for line in details.splitlines() if line.startswith("gpgv: ")]
    return "; ".join(lines) or "no signature"


def trusted_keys(folder: Path) -> bytes:
    """Return all public keys of the `.gpg` and `.asc` files in a folder, as `public_keys` does."""
    return b"".join(public_keys(path) for path in sorted(folder.glob("*")) if path.suffix in (".gpg", ".asc"))


def public_keys(path: Path) -> bytes:
    """Return the public keys in a file, as gpgv reads them, armored or not. Raises `KubedebError` (KEY) when it holds none."""
    try:
        return binary(path.read_bytes(), PUBLIC_KEY)
    except (OSError, ValueError) as error:
        raise KubedebError(f"{path} is no public key", details=str(error), hint="gpg --export KEY writes one.",
                           code=ExitCode.KEY) from error  # fmt: skip


def wrong_file(folder: Path, file: PoolFile, by: str) -> str:
    """Return what is wrong with a file of an upload, else empty.

    Links are not followed: who uploads does not choose what is read.
    """
    path = folder / file.name
    if path.is_symlink() or not path.is_file():
        return f"is missing; {by} lists it"
    size, found = path.stat().st_size, sha256_of(path)
    if (size, found) != (file.size, file.sha256):
        return f"is not the file that {by} lists: sha256 {found} ({size} bytes), expected {file.sha256} ({file.size} bytes)"
    return ""
