"""Upstreams that sign their releases, with real keys: one whose key the recipe has, one whose key expired, and a stranger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kubedeb.errors import ExitCode
from kubedeb.process import run

KEYS = {"upstream": ("never", ""), "expired": ("1y", "20200101T000000!"), "stranger": ("never", "")}
"""{who: how long the key lives, the time at which it is made and signs ("" is now)}."""


@dataclass(frozen=True)
class Signers:
    """A GnuPG home with the keys of `KEYS`."""

    home: Path

    def sign(self, who: str, data: bytes) -> bytes:
        """Return somebody's detached signature over data, armoured."""
        file = self.home / "to-sign"
        file.write_bytes(data)
        return self._gpg(who, f"--local-user={who}@localhost", "--armor", "--output=-", "--detach-sign", str(file))

    def keyring(self, *who: str) -> str:
        """Return the public keys of these, armoured, as a recipe keeps them."""
        return "".join(self._gpg(name, "--armor", "--export", f"{name}@localhost").decode() for name in who)

    def make(self, who: str) -> None:
        """Make somebody's key."""
        self._gpg(who, "--passphrase=", "--quick-gen-key", f"{who}@localhost", "ed25519", "sign", KEYS[who][0])

    def _gpg(self, who: str, *words: str) -> bytes:
        at = [f"--faked-system-time={KEYS[who][1]}"] if KEYS[who][1] else []
        return run(["gpg", f"--homedir={self.home}", "--batch", *at, *words], code=ExitCode.BUG).stdout


@contextmanager
def signers(home: Path) -> Iterator[Signers]:
    """Make the keys in a new folder, whose path must be short (gpg-agent's socket lies there), and end the agent afterwards."""
    home.mkdir(mode=0o700)
    found = Signers(home)
    for who in KEYS:
        found.make(who)
    yield found
    run(["gpgconf", f"--homedir={home}", "--kill", "all"], code=ExitCode.BUG)
