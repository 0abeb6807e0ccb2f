"""The proof before going live: the staged suite as clients would see it, and whoever judges it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from kubedeb.errors import KubedebError
from kubedeb.files import write_bytes
from repo.client import Staged, prove
from repo.everywhere import prove_everywhere
from repo.indices import Indices, index_objects
from repo.keys import Signed
from repo.keyset import public_key, read_keys
from repo.models import Suite
from repo.place import Repository


def judge(repository: Repository, suite: Suite, text: str, signed: Signed, indices: Indices) -> tuple[str, ...]:
    """Stage the suite as a client would see it (the indices are linked, not copied) and let the client judge.

    Returns the judges' names. Raises `KubedebError` (CLIENT) with what one of them said.
    """
    # A folder for each attempt: after a lost race there is another.
    staging = Path(tempfile.mkdtemp(dir=repository.layout.staging, prefix=f"{suite.name.replace('/', '-')}-"))
    tree = staging / "tree"
    dists = tree / "dists" / suite.name
    for name, data in (("InRelease", signed.inline), ("Release.gpg", signed.detached), ("Release", text.encode())):
        write_bytes(dists / name, data)
    local = repository.layout.store.local
    if local is None:
        for path, name in index_objects(suite.name, indices.listed).items():
            write_bytes(tree / name, indices.data.get(path) or repository.layout.store.read(name) or b"")
    else:
        for component in {path.partition("/")[0] for path in indices.listed}:
            (dists / component).symlink_to(local / "dists" / suite.name / component)
    client = staging / "client"
    client.mkdir()
    try:
        keys = read_keys(repository)
        alone = tuple(staging / f"{key.fingerprint}.gpg" for key in keys.signing)
        for ring, key in zip(alone, keys.signing, strict=True):
            write_bytes(ring, public_key(repository.layout, key))
        staged = Staged(tree, suite, indices.listed, repository.layout.client_keyring, alone)
        judges = prove(staged, client)
        return (*judges, *prove_everywhere(staged)) if repository.terms.everywhere else judges
    except KubedebError:
        # Should it be a piece that was damaged, the next publish compresses it anew.
        repository.layout.pieces.unlink(missing_ok=True)
        raise
