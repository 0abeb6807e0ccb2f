"""The archive's keys on disk: `keys.json` is the truth, `keys/FINGERPRINT.gpg` the public keys, two keyrings follow.

ROOT/clients.gpg is what clients get (introduced and signing keys); ROOT/keyring.gpg is what the repository checks itself
with: the retired ones too, which have signed the generations of the past.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import Enum
from typing import Any

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import canonical_json, write_bytes, write_text
from repo.place import Layout, Repository
from repo.rotation import ArchiveKey, How, Keyset, State

FORMAT = 1


def to_text(keys: Keyset) -> str:
    """Return `keys.json`."""

    def plain(value: object) -> object:
        return value.value if isinstance(value, Enum) else value

    rows = [{name: plain(value) for name, value in asdict(key).items()} for key in keys.keys]
    return canonical_json({"format": FORMAT, "keys": rows})


def parse(text: str) -> Keyset:
    """Return the keys written as `text`: the inverse of `to_text`. Raises `ValueError` when it is no such file."""
    document: Any = json.loads(text)
    try:
        if document["format"] != FORMAT:
            raise ValueError(f"not of format {FORMAT}")
        rows = document["keys"]
        return Keyset(tuple(ArchiveKey(**{**row, "state": State(row["state"]), "how": How(row["how"])}) for row in rows))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a list of keys: {error!r}") from error


def read_keys(repository: Repository) -> Keyset:
    """Return the archive's keys; a repository without the file has the one key that `init` made.

    Raises `KubedebError` (KEY) when the file is damaged.
    """
    path = repository.layout.keys_file
    try:
        return parse(path.read_text())
    except FileNotFoundError:
        return Keyset((ArchiveKey(repository.identity.fingerprint, State.SIGNING, 0),))
    except ValueError as error:
        raise KubedebError(f"cannot read {path}", details=str(error), hint="Restore it: kubedeb repo key restore BACKUP",
                           code=ExitCode.KEY) from error  # fmt: skip


def public_key(layout: Layout, key: ArchiveKey) -> bytes:
    """Return a public key, binary. Raises `KubedebError` (KEY) when its file is missing."""
    path = layout.public_keys / f"{key.fingerprint}.gpg"
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        if not layout.keys_file.exists():
            return layout.keyring.read_bytes()
        raise KubedebError(
            f"{path} is missing", hint="Restore it: kubedeb repo key restore BACKUP", code=ExitCode.KEY
        ) from error


def keyring(layout: Layout, keys: tuple[ArchiveKey, ...]) -> bytes:
    """Return the public keys one after the other, as gpgv and apt read them."""
    return b"".join(public_key(layout, key) for key in keys)


def write_public(layout: Layout, fingerprint: str, data: bytes) -> None:
    """Keep a public key; before the key is in `keys.json`."""
    write_bytes(layout.public_keys / f"{fingerprint}.gpg", data, sync=True)


def write_keys(layout: Layout, keys: Keyset) -> None:
    """Write the keys, then what follows from them; only for who holds the repository's lock."""
    for key in keys.keys:
        # A repository of before there were several keys has its one in the keyring alone.
        if not (layout.public_keys / f"{key.fingerprint}.gpg").exists():
            write_public(layout, key.fingerprint, public_key(layout, key))
    write_text(layout.keys_file, to_text(keys), sync=True)
    write_keyrings(layout, keys)


def write_keyrings(layout: Layout, keys: Keyset) -> None:
    """Write the two keyrings where they are not what the keys say: after a kill they may be of yesterday."""
    for path, wanted in ((layout.keyring, keys.known), (layout.client_keyring, keys.for_clients)):
        data = keyring(layout, wanted)
        if not path.exists() or path.read_bytes() != data:
            write_bytes(path, data, sync=True)
