"""A Release signed by every signing key, wherever its secret is: the repository's gpg home, an agent, a command."""

from __future__ import annotations

from collections.abc import Sequence

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.process import run
from repo.keys import Keys, Signed
from repo.keyset import read_keys
from repo.place import Repository
from repo.rotation import ArchiveKey, How, expired


def sign(repository: Repository, text: str, now: float) -> Signed:
    """Sign a Release with every signing key. Raises `KubedebError` (KEY) when one has expired, is missing or cannot sign."""
    keys = read_keys(repository).signing
    if gone := [key.fingerprint for key in keys if expired(key, now)]:
        raise KubedebError(
            f"the key {gone[0]} has expired", details="Every client would refuse what it signs.",
            hint="Renew it and bring it again: kubedeb repo key import FILE\nor sign with another: kubedeb repo key overlap.",
            code=ExitCode.KEY,
        )  # fmt: skip
    return sign_with(repository.layout.keys, keys, text)


def sign_with(own: Keys, keys: Sequence[ArchiveKey], text: str) -> Signed:
    """Sign with these keys; gpg signs with all keys of one home at once."""
    homes: dict[tuple[How, str], list[str]] = {}
    for key in keys:
        homes.setdefault((key.how, key.home), []).append(key.fingerprint)
    signed = [_sign(own, how, home, fingerprints, text) for (how, home), fingerprints in homes.items()]
    if len(signed) == 1 and How.COMMAND not in {how for how, _ in homes}:
        return signed[0]
    from kubedeb import armor

    try:
        return Signed(armor.inline(text, [one.inline for one in signed]), armor.detached([one.detached for one in signed]))
    except ValueError as error:
        raise KubedebError("what a key's holder returned is no signature", details=str(error), code=ExitCode.KEY) from error


def _sign(own: Keys, how: How, home: str, fingerprints: list[str], text: str) -> Signed:
    if how is How.COMMAND:
        parts = [_by_command(fingerprint, text) for fingerprint in fingerprints]
        return Signed(b"".join(part.inline for part in parts), b"".join(part.detached for part in parts))
    return (own if how is How.HOME else Keys.with_agent(home)).sign(text, *fingerprints)


def _by_command(fingerprint: str, text: str) -> Signed:
    """Let the setting's command sign: `COMMAND inline|detached FINGERPRINT`, Release on stdin, armored result on stdout."""
    import shlex

    from kubedeb.config import resolve

    words = shlex.split(resolve()["sign_command"].text)
    if not words:
        raise KubedebError(
            f"the key {fingerprint} signs by a command, and none is set", code=ExitCode.KEY,
            hint="Set KUBEDEB_SIGN_COMMAND, or sign_command in the configuration.",
        )  # fmt: skip
    hint = "The command is the setting sign_command (kubedeb config show)."
    inline, detached = (
        run([*words, form, fingerprint], stdin=text, code=ExitCode.KEY, hint=hint).stdout for form in ("inline", "detached")
    )
    return Signed(inline, detached)
