"""`kubedeb repo key backup|restore`: all that signing needs in one file, tried before it is called a backup."""

from __future__ import annotations

import io
import tarfile
import tempfile
from pathlib import Path

from kubedeb.errors import ExitCode, KubedebError, storage_errors
from kubedeb.files import sync_all, write_bytes
from repo.keys import Keys, signers
from repo.keyset import parse, public_key, read_keys, to_text, write_keys, write_public
from repo.place import Layout, Repository, open_repository, read_identity, writing
from repo.rotation import How, Keyset
from repo.signing import sign_with
from repo.store import make_folders

IDENTITY, KEYS, SECRETS, PUBLIC = "repository.json", "keys.json", "secrets.gpg", "keys/"
TEXT = "Description: a text to try a backup with\n"
LARGEST = 16 * 1024 * 1024


def backup(repository: Repository, target: Path, passphrase: Path | None) -> Keyset:
    """Write the keys and who the repository is to `target` (mode 0600), encrypted when there is a passphrase file.

    The secret keys are taken out of the backup again and sign before it is written. Keys that an agent or a command holds
    are listed and not in it. Raises `KubedebError` (KEY).
    """
    layout = repository.layout
    with writing(layout):
        keys = read_keys(repository)
        files = {IDENTITY: layout.identity.read_bytes(), KEYS: to_text(keys).encode(), SECRETS: layout.keys.export_secrets()}
        files |= {f"{PUBLIC}{key.fingerprint}.gpg": public_key(layout, key) for key in keys.keys}
        with tempfile.TemporaryDirectory(prefix="kubedeb-backup-") as folder:
            home = Keys(Path(folder, "gnupg"))
            home.take_secrets(files[SECRETS])
            try_keys(home, keys, files, Path(folder))
        data = _pack(files)
        data = layout.keys.seal(data, passphrase) if passphrase else data
    with storage_errors(str(target), ExitCode.REPOSITORY_STORAGE):
        write_bytes(target.absolute(), data, mode=0o600, sync=True)
    return keys


def restore(root: Path, source: Path, passphrase: Path | None, *, force: bool) -> Repository:
    """Put the keys of a backup into the repository at `root`, which may be an empty folder.

    Raises `KubedebError` (KEY): it is no backup, of another repository, or (without `force`) of other states of the keys than
    the repository has: they may be newer.
    """
    with storage_errors(f"a repository in {root}", ExitCode.REPOSITORY_STORAGE):
        sync_all(make_folders(root.absolute()))
    layout = Layout(root.absolute())
    with writing(layout), tempfile.TemporaryDirectory(prefix="kubedeb-restore-") as folder:
        data = source.read_bytes()
        scratch = Keys(Path(folder, "gnupg"))
        scratch.home.mkdir(mode=0o700)
        files = _unpack(scratch.unseal(data, passphrase) if passphrase else data)
        keys = parse(files[KEYS].decode())
        _refuse_other(layout, files, keys, force=force)
        scratch.take_secrets(files[SECRETS])
        try_keys(scratch, keys, files, Path(folder))
        layout.keys.take_secrets(files[SECRETS])
        for key in keys.keys:
            write_public(layout, key.fingerprint, files[f"{PUBLIC}{key.fingerprint}.gpg"])
        write_keys(layout, keys)
        if not layout.identity.exists():
            write_bytes(layout.identity, files[IDENTITY], sync=True)
        sync_all(make_folders(layout.public))
    return open_repository(root)


def _refuse_other(layout: Layout, files: dict[str, bytes], keys: Keyset, *, force: bool) -> None:
    found = read_identity(layout)
    with tempfile.TemporaryDirectory(prefix="kubedeb-restore-") as folder:
        Path(folder, IDENTITY).write_bytes(files[IDENTITY])
        saved = read_identity(Layout(Path(folder)))
    if found is not None and saved is not None and found.origin != saved.origin:
        raise KubedebError(f"the backup is of {saved.origin}, and the repository is {found.origin}", code=ExitCode.KEY)
    if layout.keys_file.exists() and not force and parse(layout.keys_file.read_text()) != keys:
        raise KubedebError("the repository's keys are not in the states that the backup has", code=ExitCode.KEY,
                           hint="They may be newer. With --yes the backup's take their place.")  # fmt: skip


def try_keys(home: Keys, keys: Keyset, files: dict[str, bytes], folder: Path) -> None:
    """Let every key of the repository's own that signs do so. Raises `KubedebError` (KEY) for one that cannot."""
    for key in keys.for_clients:
        if key.how is How.HOME:
            ring = folder / f"{key.fingerprint}.gpg"
            ring.write_bytes(files[f"{PUBLIC}{key.fingerprint}.gpg"])
            if key.fingerprint not in signers(sign_with(home, [key], TEXT).inline, ring):
                raise KubedebError(f"the key {key.fingerprint} of the backup does not sign", code=ExitCode.KEY)


def _pack(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in sorted(files.items()):
            item = tarfile.TarInfo(name)
            item.size, item.mode = len(data), 0o600
            archive.addfile(item, io.BytesIO(data))
    return out.getvalue()


def _unpack(data: bytes) -> dict[str, bytes]:
    """Return the files of a backup; nothing is written to disk by the names in it."""
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for item in archive:
                content = archive.extractfile(item) if item.isreg() and item.size <= LARGEST else None
                if content is not None:
                    found[item.name] = content.read()
        keys = parse(found[KEYS].decode())
        _ = [found[name] for name in (IDENTITY, SECRETS, *(f"{PUBLIC}{key.fingerprint}.gpg" for key in keys.keys))]
    except (tarfile.TarError, ValueError, KeyError) as error:
        raise KubedebError("this is no backup of a repository's keys", details=str(error), code=ExitCode.KEY,
                           hint="One that is encrypted needs --passphrase-file.") from error  # fmt: skip
    return found
