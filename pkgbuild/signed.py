"""Upstream's signatures over files that are here already: kept beside them in the cache, each checked once.

`CACHE/signatures/NAME` are the bytes that upstream published, `CACHE/verified/NAME` the fingerprint of the key that was found
good: one for each file, signature and keyring, by their digests. Signatures travel (a shared cache, a kit); what this machine
found does not.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from kubedeb.errors import ExitCode, KubedebError, storage_errors
from kubedeb.files import canonical_json, sha256_bytes, write_bytes, write_text
from pkgbuild.cache import Cache
from pkgbuild.signature import verify
from pkgbuild.spec import SignaturePin, SourcePin

SIGNATURES, VERIFIED = "signatures", "verified"


def place(pin: SourcePin) -> str:
    """Return the name of a pin's signature in a cache. Raises `ValueError` when upstream does not sign it."""
    name = sha256_bytes(canonical_json([str(pin.checksum), _declared(pin).url]).encode())
    return f"{SIGNATURES}/{name}"


def check(pin: SourcePin, file: Path, cache: Cache, bring: Callable[[], bytes] | None) -> str:
    """Return the fingerprint of the key that signed a file, which has the pinned digest; gpgv is asked once.

    `bring` fetches the signature where the cache has none (None: there is no network). Returns "" when there is none to be had.
    Raises `KubedebError`: as `signature.verify`, as `bring`, BUILD_STORAGE.
    """
    signature = held(pin, cache)
    kept = signature is not None
    if signature is None:
        if bring is None:
            return ""
        signature = bring()
    record = cache.folder / VERIFIED / _name(pin, signature)
    if record.is_file():
        return record.read_text()
    try:
        key = verify(file, signature, _declared(pin).keyring, pin)
    except KubedebError as error:
        if not kept:
            raise
        again = (
            f"The signature in the cache may be the wrong one; without it, upstream is asked:\nrm {cache.folder / place(pin)}"
        )
        raise error.with_hint(again) from error
    if not kept:
        keep(pin, signature, cache)
    with storage_errors(f"the source cache {cache.folder}", ExitCode.BUILD_STORAGE):
        write_text(record, key)
    return key


def keep(pin: SourcePin, signature: bytes, cache: Cache) -> None:
    """Put a pin's signature into the cache, whoever made it: it is checked on use. Raises `KubedebError` (BUILD_STORAGE)."""
    path = cache.folder / place(pin)
    with storage_errors(f"the source cache {cache.folder}", ExitCode.BUILD_STORAGE):
        write_bytes(path, signature, sync=True)
    if cache.shared:
        cache.shared.write_named(path, place(pin))


def held(pin: SourcePin, cache: Cache) -> bytes | None:
    """Return a pin's signature from the cache, brought from the shared place if need be; None when neither has it.

    Raises `KubedebError` (FETCH) when the shared place cannot be reached.
    """
    path = cache.folder / place(pin)
    if not path.is_file() and cache.shared:
        with storage_errors(f"the source cache {cache.folder}", ExitCode.BUILD_STORAGE):
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=path.parent, prefix=".shared-") as name:
                if cache.shared.read_named(place(pin), came := Path(name) / "file"):
                    write_bytes(path, came.read_bytes(), sync=True)
    return path.read_bytes() if path.is_file() else None


def prefill(folder: Path, pins: Iterable[SourcePin], cache: Cache) -> list[Path]:
    """Take the signatures that the cache lacks from another cache, a kit, or a folder that has them under upstream's names.

    Returns the files that were taken.
    """
    files = {path.name: path for path in sorted(folder.rglob("*"), reverse=True) if path.is_file()}
    taken = []
    for pin in sorted(pin for pin in set(pins) if pin.signature):
        upstreams = PurePosixPath(urlsplit(_declared(pin).url).path).name
        found = files.get(PurePosixPath(place(pin)).name) or files.get(upstreams)
        if found is not None and held(pin, cache) is None:
            keep(pin, found.read_bytes(), cache)
            taken.append(found)
    return taken


def _name(pin: SourcePin, signature: bytes) -> str:
    decided = [str(pin.checksum), sha256_bytes(signature), sha256_bytes(_declared(pin).keyring.encode())]
    return sha256_bytes(canonical_json(decided).encode())


def _declared(pin: SourcePin) -> SignaturePin:
    if pin.signature is None:
        raise ValueError(f"upstream does not sign {pin}")
    return pin.signature
