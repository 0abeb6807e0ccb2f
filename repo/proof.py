"""The proof before going live: the staged suite as clients would see it, and whoever judges it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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

# What apt's sources and settings can hold as it stands: they are split at blanks, and know quotes and escapes.
PLAIN = re.compile(r"[A-Za-z0-9/._+~-]+")


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
    (staging / "client").mkdir()
    try:
        keys = read_keys(repository)
        alone = tuple(staging / f"{key.fingerprint}.gpg" for key in keys.signing)
        for ring, key in zip(alone, keys.signing, strict=True):
            write_bytes(ring, public_key(repository.layout, key))
        with _plainly(repository.layout.root) as root:
            here = root / staging.relative_to(repository.layout.root)
            keyring = root / repository.layout.client_keyring.relative_to(repository.layout.root)
            staged = Staged(here / "tree", suite, indices.listed, keyring, alone)
            judges = prove(staged, here / "client")
            return (*judges, *prove_everywhere(staged)) if repository.terms.everywhere else judges
    except KubedebError:
        # Should it be a piece that was damaged, the next publish compresses it anew.
        repository.layout.pieces.unlink(missing_ok=True)
        raise


@contextmanager
def _plainly(root: Path) -> Iterator[Path]:
    """Give the repository's folder by a name that is plain: its own, or one that leads there while the block lasts."""
    if PLAIN.fullmatch(str(root)):
        yield root
        return
    with tempfile.TemporaryDirectory(prefix="kubedeb-proof-") as folder:
        plain = Path(folder) / "root"
        plain.symlink_to(root)
        yield plain
