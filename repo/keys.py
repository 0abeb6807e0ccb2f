"""The archive's key: made, used and checked through gpg in a home of its own; no agent is left running."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

from kubedeb.errors import ExitCode
from kubedeb.process import ANY_STATUS, Result, run

# A socket's path has 107 characters at most; the agent's is HOME/S.gpg-agent.browser.
LONGEST_HOME = 80
AGENT_SECONDS = 2
HINT = "The archive's key lies in the folder `gnupg` of the repository; restore it from its backup."


@dataclass(frozen=True)
class Signed:
    """A Release, signed both ways: `inline` is InRelease, `detached` is Release.gpg."""

    inline: bytes
    detached: bytes


@dataclass(frozen=True)
class Keys:
    """The private gpg home of a repository."""

    home: Path

    def create(self, name: str) -> str:
        """Make an ed25519 signing key without a passphrase, unless there is one; return its fingerprint."""
        self.home.mkdir(mode=0o700, exist_ok=True)
        self.home.chmod(0o700)
        with self._gpg() as gpg:
            found = _fingerprints(gpg)
            if not found:
                gpg("--passphrase", "", "--quick-generate-key", name, "ed25519", "sign", "never")
                found = _fingerprints(gpg)
        return found[0]

    def public(self, fingerprint: str) -> bytes:
        """Return the public key as gpgv and apt read it (binary)."""
        with self._gpg() as gpg:
            return gpg("--export-options", "export-minimal", "--export", fingerprint).stdout

    def sign(self, text: str, fingerprint: str) -> Signed:
        """Sign a Release. Raises `KubedebError` (KEY) when the key is missing or cannot sign."""
        with self._gpg() as gpg:
            inline = gpg("--local-user", fingerprint, "--clearsign", stdin=text).stdout
            detached = gpg("--local-user", fingerprint, "--armor", "--detach-sign", stdin=text).stdout
        return Signed(inline, detached)

    def sweep(self) -> None:
        """End the agent and remove the short names that a killed process left; only for who holds the repository's lock."""
        if any(self.home.glob("S.gpg-agent*")):
            with self._gpg():
                pass
        for folder in Path(tempfile.gettempdir()).glob(f"{short_name_prefix(self.home)}*"):
            if folder.is_dir() and not folder.is_symlink() and folder.stat().st_uid == os.geteuid():
                shutil.rmtree(folder)

    @contextmanager
    def _gpg(self) -> Iterator[_Gpg]:
        with _short(self.home) as home:
            try:
                yield _Gpg(home)
            finally:
                _end_agent(home)


@dataclass(frozen=True)
class _Gpg:
    home: Path

    def __call__(self, *arguments: str, stdin: str = "") -> Result:
        options = ("--batch", "--no-tty", "--quiet", "--no-auto-check-trustdb", "--pinentry-mode", "loopback",
                   "--digest-algo", "SHA512", "--cert-digest-algo", "SHA512")  # fmt: skip
        return run(["gpg", "--homedir", self.home, *options, *arguments], code=ExitCode.KEY, stdin=stdin, hint=HINT)


def _end_agent(home: Path) -> None:
    """End gpg's agent and see it gone: it takes its sockets with it, by a name that must not go before."""
    run(["gpgconf", "--homedir", home, "--kill", "gpg-agent"], code=ExitCode.KEY, ok=ANY_STATUS)
    end = time.monotonic() + AGENT_SECONDS
    while (home / "S.gpg-agent").exists() and time.monotonic() < end:
        time.sleep(0.005)
    # Left by an agent that was killed.
    for socket in home.glob("S.gpg-agent*"):
        socket.unlink(missing_ok=True)


def _fingerprints(gpg: _Gpg) -> list[str]:
    """Return the fingerprints of the secret keys, from gpg's colon listing (doc/DETAILS of GnuPG)."""
    lines = gpg("--with-colons", "--list-secret-keys").text.splitlines()
    return [line.split(":")[9] for before, line in pairwise(lines)
            if before.startswith("sec:") and line.startswith("fpr:")]  # fmt: skip


def short_name_prefix(home: Path) -> str:
    """Return how the short names of `home` begin: each home's own, so that its next writer knows what a killed one left."""
    return f"kubedeb-gnupg-{sha256(os.fsencode(home.resolve())).hexdigest()[:16]}-"


@contextmanager
def _short(home: Path) -> Iterator[Path]:
    """Give a short name of `home`, because the path of the agent's socket may not be long."""
    if len(str(home.absolute())) <= LONGEST_HOME:
        yield home.absolute()
        return
    with tempfile.TemporaryDirectory(prefix=short_name_prefix(home)) as folder:
        short = Path(folder) / "home"
        short.symlink_to(home.absolute())
        yield short
