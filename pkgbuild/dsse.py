"""DSSE envelopes: statements signed with ed25519. Source: secure-systems-lab/dsse, protocol.md and envelope.md."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import sha256_bytes, write_bytes

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

TYPE = "application/vnd.in-toto+json"


def encoded(kind: str, payload: bytes) -> bytes:
    """Return the bytes that are signed (PAE): no part of one can pass for a part of another. Pure."""
    return b"DSSEv1 %d %s %d %s" % (len(kind.encode()), kind.encode(), len(payload), payload)


def payload(line: Mapping[str, Any]) -> dict[str, Any]:
    """Return the statement of a line: of an envelope the one inside, of a statement itself; nothing is verified. Pure.

    Raises `ValueError` when an envelope holds no JSON object.
    """
    if "payload" not in line:
        return dict(line)
    found = json.loads(_payload(line))
    if not isinstance(found, dict):
        raise ValueError("the envelope does not hold a statement")
    return found


def _payload(envelope: Mapping[str, Any]) -> bytes:
    return base64.b64decode(str(envelope["payload"]), validate=True)


def sign(line: Mapping[str, Any], key: Ed25519PrivateKey) -> dict[str, Any]:
    """Return a statement in an envelope signed by `key`; an envelope is signed anew. Equal input, equal signature."""
    said = json.dumps(payload(line), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    signature = {"keyid": key_id(key.public_key()), "sig": base64.b64encode(key.sign(encoded(TYPE, said))).decode()}
    return {"payload": base64.b64encode(said).decode(), "payloadType": TYPE, "signatures": [signature]}


def verify(line: Mapping[str, Any], keys: Sequence[Ed25519PublicKey]) -> dict[str, Any]:
    """Return the statement of an envelope that one of `keys` signed. Raises `KubedebError` (VERIFY) when none did."""
    from cryptography.exceptions import InvalidSignature

    if "payload" not in line:
        raise _unsigned("it is not signed")
    try:
        said, kind = _payload(line), line["payloadType"]
        signatures = [base64.b64decode(str(one["sig"]), validate=True) for one in line["signatures"]]
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise _unsigned(f"it is no envelope: {error!r}") from error
    if kind != TYPE:
        raise _unsigned(f"its payload is {kind!r}, not {TYPE!r}")
    for key in keys:
        for signature in signatures:
            try:
                key.verify(signature, encoded(kind, said))
            except InvalidSignature:
                continue
            return payload(line)
    raise _unsigned("no signature is by one of the given keys")


def _unsigned(why: str) -> KubedebError:
    return KubedebError("a statement does not verify", details=why, code=ExitCode.VERIFY)


def key_id(key: Ed25519PublicKey) -> str:
    """Return the sha256 of the public key as DER (SubjectPublicKeyInfo): a hint for whoever has many keys."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return sha256_bytes(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def new_key(private: Path, public: Path) -> str:
    """Write a new key pair (PEM; the private one for its owner only) and return its id. Raises `OSError`."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    key = Ed25519PrivateKey.generate()
    write_bytes(private, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), mode=0o600, sync=True)
    write_bytes(public, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return key_id(key.public_key())


def private_key(path: Path) -> Ed25519PrivateKey:
    """Read a private key (PEM, no passphrase). Raises `KubedebError` (KEY) when it is none of ed25519."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise _no_key(path, error) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_key(path, "it is of another kind")
    return key


def public_key(path: Path) -> Ed25519PublicKey:
    """Read a public key (PEM). Raises `KubedebError` (KEY) when it is none of ed25519."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        raise _no_key(path, error) from error
    if not isinstance(key, Ed25519PublicKey):
        raise _no_key(path, "it is of another kind")
    return key


def _no_key(path: Path, why: object) -> KubedebError:
    return KubedebError(
        f"{path} is no ed25519 key that can be used", details=str(why),
        hint="kubedeb attest key KEY.pem makes a pair: KEY.pem and KEY.pem.pub.", code=ExitCode.KEY,
    )  # fmt: skip
