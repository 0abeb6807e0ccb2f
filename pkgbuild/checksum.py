"""The pinned digest of a file: which algorithm, and the digits."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

from kubedeb.files import CHUNK
from kubedeb.records import ordered


class Algorithm(StrEnum):
    """What a source may be pinned by: what upstreams publish and nobody has broken."""

    SHA256 = "sha256"
    SHA512 = "sha512"


@ordered
class Checksum:
    """A file's digest; `value` is lower-case hex."""

    algorithm: Algorithm
    value: str

    @classmethod
    def sha256(cls, value: str) -> Checksum:
        """Return the sha256 of which `value` is the hex."""
        return cls(Algorithm.SHA256, value)

    def of(self, file: Path) -> Checksum:
        """Return the digest of a file, by the same algorithm."""
        return next(iter(checksums_of(file, [self.algorithm])))

    def __str__(self) -> str:
        return f"{self.algorithm} {self.value}"


def checksums_of(file: Path, algorithms: Iterable[Algorithm]) -> set[Checksum]:
    """Return the digests of a file by each of these algorithms, reading it once."""
    hashed = {algorithm: hashlib.new(algorithm) for algorithm in algorithms}
    with file.open("rb") as stream:
        while block := stream.read(CHUNK):
            for one in hashed.values():
                one.update(block)
    return {Checksum(algorithm, one.hexdigest()) for algorithm, one in hashed.items()}
