"""What others say about packages: in-toto statements in DSSE envelopes, believed when a named key has signed them.

https://github.com/in-toto/attestation (Statement v1), https://github.com/secure-systems-lab/dsse (envelope.md, protocol.md).
Who made a statement does not matter, only its type, its subject and its verdict.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.records import frozen

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

PAYLOAD = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/"
# Where a predicate has its verdict: ours, in-toto's test-result, SLSA's verification summary.
VERDICTS = (("verdict", "pass"), ("result", "PASSED"), ("verificationResult", "PASSED"))


@frozen
class Said:
    """A statement: its predicate's type, the sha256 of its subjects, whether the verdict is good, who says so."""

    kind: str
    subjects: frozenset[str]
    passed: bool
    maker: str


def read_statements(data: bytes, keys: Mapping[str, Ed25519PublicKey]) -> Iterator[Said]:
    """Yield what the lines of an `.intoto.jsonl` file say, once for each of `keys` (by name) that has signed it.

    Without keys everything counts, unsigned statements too, and the maker is the builder that the predicate names. What cannot
    be read, or nobody known has signed, says nothing.
    """
    for line in data.split(b"\n"):
        try:
            document = json.loads(line)
            said, makers = _opened(document, keys)
            found = _said(said)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            continue
        for maker in makers if keys else [found.maker]:
            yield Said(found.kind, found.subjects, found.passed, maker)


def signed_bytes(kind: str, payload: bytes) -> bytes:
    """Return what a DSSE signature signs (PAE, protocol.md)."""
    return b"DSSEv1 %d %s %d %s" % (len(kind.encode()), kind.encode(), len(payload), payload)


def _opened(document: Mapping[str, Any], keys: Mapping[str, Ed25519PublicKey]) -> tuple[Any, list[str]]:
    """Return the statement of a line and the names of the keys that have signed it."""
    if "payload" not in document:
        return document, []
    payload = base64.b64decode(document["payload"], validate=True)
    if document["payloadType"] != PAYLOAD:
        raise ValueError("not a statement")
    signatures = [base64.b64decode(one["sig"], validate=True) for one in document["signatures"]]
    text = signed_bytes(PAYLOAD, payload)
    return json.loads(payload), [name for name, key in keys.items() if any(_signed(key, one, text) for one in signatures)]


def _signed(key: Ed25519PublicKey, signature: bytes, text: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(signature, text)
    except InvalidSignature:
        return False
    return True


def _said(statement: Mapping[str, Any]) -> Said:
    if not str(statement["_type"]).startswith(STATEMENT):
        raise ValueError("not a statement")
    predicate = statement["predicate"]
    maker = predicate.get("builder", {}).get("id", "")
    subjects = frozenset(str(one["digest"]["sha256"]) for one in statement["subject"])
    passed = any(predicate.get(name) == word for name, word in VERDICTS)
    return Said(str(statement["predicateType"]), subjects, passed, str(maker))


def read_keys(folder: Path) -> dict[str, Ed25519PublicKey]:
    """Return the ed25519 public keys (PEM) of a folder by file name. Raises `KubedebError` (KEY) for a file that is none."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    found: dict[str, Ed25519PublicKey] = {}
    try:
        for path in sorted(path for path in folder.iterdir() if path.suffix in (".pem", ".pub")):
            key = load_pem_public_key(path.read_bytes())
            if not isinstance(key, Ed25519PublicKey):
                raise ValueError(f"{path.name} is of another kind")
            found[path.name] = key
        if not found:
            raise ValueError("there is no .pem or .pub file in it")
    except (OSError, ValueError) as error:
        raise KubedebError(f"the keys of statements in {folder} cannot be read", details=str(error),
                           hint="ed25519 public keys in PEM, one a file.", code=ExitCode.KEY) from error  # fmt: skip
    return found
