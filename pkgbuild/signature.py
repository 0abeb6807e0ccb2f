"""Upstream's detached signatures, checked by gpgv with the keys that the recipe keeps."""

from __future__ import annotations

import tempfile
from pathlib import Path

from kubedeb.armor import PUBLIC_KEY, packets
from kubedeb.errors import ExitCode, KubedebError, storage_errors
from kubedeb.process import run
from pkgbuild.spec import SourcePin

GOOD, BAD, MISSING = "VALIDSIG", "BADSIG", "NO_PUBKEY"


def verify(file: Path, signature: bytes, keyring: str, pin: SourcePin) -> str:
    """Check a detached signature over a file and return the fingerprint of the key that made it.

    `keyring` is armoured. Raises `KubedebError`: SOURCE_MISMATCH names the file and the key; RECIPE for a keyring that is none.
    """
    with tempfile.TemporaryDirectory(prefix="kubedeb-keys-") as name:
        keys, detached = Path(name) / "keys.gpg", Path(name) / "signature"
        with storage_errors(name, ExitCode.BUILD_STORAGE):
            keys.write_bytes(dearmoured(keyring, pin))
            detached.write_bytes(signature)
        # Any status: what gpgv says on its status lines decides, not whether it is content.
        command = ["gpgv", "--status-fd=1", f"--homedir={name}", f"--keyring={keys}", str(detached), str(file)]
        said = run(command, code=ExitCode.SOURCE_MISMATCH, ok=range(256), timeout=600)
    status = [line.split()[1:] for line in said.text.splitlines() if line.startswith("[GNUPG:] ")]
    valid = [words[1] for words in status if words[0] == GOOD]
    trouble = [words for words in status if words[0] in (BAD, MISSING, "EXPKEYSIG", "REVKEYSIG", "ERRSIG")]
    if valid and not trouble and said.status == 0:
        return valid[0]
    raise KubedebError(
        f"the signature of {pin.file or file.name} is not good: {_why(trouble)}",
        details=f"signature: {pin.signature.url if pin.signature else ''}\n{said.stderr.decode(errors='replace').strip()}",
        hint="Compare the key with the one that upstream publishes before you change the recipe's keyring.",
        code=ExitCode.SOURCE_MISMATCH,
    )


def _why(trouble: list[list[str]]) -> str:
    for words in trouble:
        key = words[1] if len(words) > 1 else "?"
        if words[0] == MISSING:
            return f"it was made with the key {key}, which is not in the recipe's keyring"
        if words[0] == BAD:
            return f"the key {key} did not sign these bytes"
        if words[0] in ("EXPKEYSIG", "REVKEYSIG"):
            return f"the key {key} is {'expired' if words[0] == 'EXPKEYSIG' else 'revoked'}"
    return "gpgv finds no signature"


def dearmoured(text: str, pin: SourcePin) -> bytes:
    """Return the keys of an armoured keyring (several blocks may follow each other) as gpgv reads them."""
    try:
        return packets(text.encode(), PUBLIC_KEY)
    except ValueError as error:
        raise KubedebError(
            f"the keyring of {pin} holds no armoured key", details=str(error), hint="gpg --armor --export KEY writes one.",
            code=ExitCode.RECIPE,
        ) from error  # fmt: skip
