"""The archive's keys: made, used and checked through gpg in a home of its own; no agent is left running.

A key on a smart card, or one with a passphrase, stays in the gpg home of its owner, with the agent that runs there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.parallel import side_by_side
from kubedeb.process import ANY_STATUS, Result, run
from kubedeb.records import frozen
from repo.keyhome import has_agent, needs_short_name, short_name_prefix, short_names

AGENT_SECONDS = 2
# How an agent that is not ours finds the person whom it asks for a PIN.
PINENTRY = ("GPG_TTY", "DISPLAY", "XAUTHORITY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "PINENTRY_USER_DATA")
HINT = "The archive's key lies in the folder `gnupg` of the repository; restore it from its backup: kubedeb repo key restore."


@frozen
class Signed:
    """A Release, signed both ways: `inline` is InRelease, `detached` is Release.gpg."""

    inline: bytes
    detached: bytes


@frozen
class Keys:
    """A gpg home: the private one of a repository, or (`ours` is False) somebody's own, whose agent is left alone."""

    home: Path
    ours: bool = True

    @classmethod
    def with_agent(cls, home: str) -> Keys:
        """Return somebody's own gpg home; empty: the one that gpg itself would take."""
        return cls(Path(home or os.environ.get("GNUPGHOME") or Path.home() / ".gnupg").absolute(), ours=False)

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

    def generate(self, name: str, expires_days: int) -> str:
        """Make another ed25519 key, which expires after so many days (0: never); return its fingerprint."""
        with self._gpg() as gpg:
            # Without --yes gpg refuses a second key of one name.
            made = gpg("--yes", "--status-fd", "1", "--passphrase", "", "--quick-generate-key", name, "ed25519", "sign",
                       f"{expires_days}d" if expires_days else "never").text  # fmt: skip
        return next(line.split()[3] for line in made.splitlines() if line.startswith("[GNUPG:] KEY_CREATED "))

    def bring(self, path: Path) -> str:
        """Import the one secret key of a file; return its fingerprint. Raises `KubedebError` (KEY)."""
        with self._gpg() as gpg:
            # It fails when there is nothing to import.
            said = gpg("--status-fd", "1", "--import", str(path.absolute()), ok=ANY_STATUS).text
            # IMPORT_OK: the reason has bit 16 when the file has the secret part (doc/DETAILS of GnuPG).
            rows = [line.split() for line in said.splitlines() if line.startswith("[GNUPG:] IMPORT_OK ")]
            found = {row[3] for row in rows if int(row[2]) & 16}
        if len(found) != 1:
            raise KubedebError(
                f"{path} has {len(found)} secret keys where there must be exactly one",
                hint="gpg --export-secret-keys KEY writes one, without a passphrase. A key with one, or on a card: --agent.",
                code=ExitCode.KEY,
            )
        return found.pop()

    def export_secrets(self) -> bytes:
        """Return all secret keys (binary)."""
        with self._gpg() as gpg:
            return gpg("--export-secret-keys").stdout

    def take_secrets(self, data: bytes) -> None:
        """Import what `export_secrets` gave."""
        self.home.mkdir(mode=0o700, exist_ok=True)
        self.home.chmod(0o700)
        with self._gpg() as gpg:
            gpg("--import", stdin=data)

    def seal(self, data: bytes, passphrase: Path) -> bytes:
        """Return `data` encrypted with the passphrase in a file's first line (AES256)."""
        with self._gpg() as gpg:
            return gpg(
                "--passphrase-file", str(passphrase.absolute()), "--cipher-algo", "AES256", "--symmetric", stdin=data
            ).stdout

    def unseal(self, data: bytes, passphrase: Path) -> bytes:
        """Return what `seal` was given. Raises `KubedebError` (KEY) when the passphrase is another."""
        with self._gpg() as gpg:
            return gpg("--passphrase-file", str(passphrase.absolute()), "--decrypt", stdin=data).stdout

    def public(self, fingerprint: str) -> bytes:
        """Return the public key as gpgv and apt read it (binary)."""
        with self._gpg(secrets=False) as gpg:
            found = gpg("--export-options", "export-minimal", "--export", fingerprint).stdout
        if not found:
            raise KubedebError(f"there is no key {fingerprint} in {self.home}", hint=HINT, code=ExitCode.KEY)
        return found

    def sign(self, text: str, *fingerprints: str) -> Signed:
        """Sign a Release with these keys. Raises `KubedebError` (KEY) when one is missing or cannot sign."""
        users = [word for fingerprint in fingerprints for word in ("--local-user", fingerprint)]
        with self._gpg() as gpg:
            inlined = partial(gpg, *users, "--clearsign", stdin=text)
            apart = partial(gpg, *users, "--armor", "--detach-sign", stdin=text)
            # Somebody who is asked for a PIN is asked for one at a time.
            inline, detached = side_by_side(inlined, apart) if self.ours else (inlined(), apart())
        return Signed(inline.stdout, detached.stdout)

    def sweep(self) -> None:
        """End the agent and remove the short names that a killed process left; only for who holds the repository's lock."""
        if has_agent(self.home):
            with self._gpg(secrets=False):
                pass
        for folder in short_names(self.home):
            import shutil

            shutil.rmtree(folder)

    @contextmanager
    def _gpg(self, *, secrets: bool = True) -> Iterator[_Gpg]:
        """Give what runs gpg; `secrets`: it needs the agent, which alone reads secret keys."""
        if not self.ours:
            yield _Gpg(self.home, ours=False)
            return
        with _short(self.home) as home:
            try:
                if secrets:
                    _start_agent(home)
                yield _Gpg(home)
            finally:
                _end_agent(home)


@frozen
class _Gpg:
    home: Path
    ours: bool = True

    def __call__(self, *arguments: str, stdin: str | bytes = "", ok: Collection[int] = (0,)) -> Result:
        options = ["--batch", "--no-tty", "--quiet", "--no-auto-check-trustdb",
                   "--digest-algo", "SHA512", "--cert-digest-algo", "SHA512"]  # fmt: skip
        # A loopback pinentry never asks: our own keys have no passphrase.
        options += ["--pinentry-mode", "loopback"] if self.ours else []
        env = {} if self.ours else {name: os.environ[name] for name in PINENTRY if name in os.environ}
        argv: list[str | Path] = ["gpg", "--homedir", self.home, *options, *arguments]
        return run(argv, code=ExitCode.KEY, env=env, stdin=stdin, ok=ok, hint=HINT)


def _start_agent(home: Path) -> None:
    """Start gpg's agent, which listens when this returns; gpg would start it too, and then wait a twentieth of a second for it.

    Where that fails gpg tries itself, and says what is wrong.
    """
    run(["gpg-agent", "--homedir", home, "--daemon"], code=ExitCode.KEY, ok=ANY_STATUS)


def _end_agent(home: Path) -> None:
    """End gpg's agent and see it gone: it takes its sockets with it, by a name that must not go before."""
    if not _told_to_end(home / "S.gpg-agent"):
        run(["gpgconf", "--homedir", home, "--kill", "gpg-agent"], code=ExitCode.KEY, ok=ANY_STATUS)
    end = time.monotonic() + AGENT_SECONDS
    while (home / "S.gpg-agent").exists() and time.monotonic() < end:
        time.sleep(0.001)
    # Left by an agent that was killed.
    for socket in home.glob("S.gpg-agent*"):
        socket.unlink(missing_ok=True)


def _told_to_end(socket: Path) -> bool:
    """Tell the agent to end by its own protocol (Assuan), which starts no process; False when none listens there."""
    from socket import AF_UNIX
    from socket import socket as connection

    try:
        with connection(AF_UNIX) as agent:
            agent.settimeout(AGENT_SECONDS)
            agent.connect(str(socket))
            return agent.recv(1024).startswith(b"OK") and agent.send(b"KILLAGENT\n") > 0 and agent.recv(1024).startswith(b"OK")
    except OSError:
        return False


def _fingerprints(gpg: _Gpg) -> list[str]:
    """Return the fingerprints of the secret keys, from gpg's colon listing (doc/DETAILS of GnuPG)."""
    lines = gpg("--with-colons", "--list-secret-keys").text.splitlines()
    return [line.split(":")[9] for before, line in pairwise(lines)
            if before.startswith("sec:") and line.startswith("fpr:")]  # fmt: skip


@contextmanager
def _short(home: Path) -> Iterator[Path]:
    """Give a short name of `home`, because the path of the agent's socket may not be long."""
    if not needs_short_name(home):
        yield home.absolute()
        return
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix=short_name_prefix(home)) as folder:
        short = Path(folder) / "home"
        short.symlink_to(home.absolute())
        yield short


def parse_keys(colons: str) -> dict[str, int | None]:
    """Return the expiry of each primary key in gpg's colon listing (doc/DETAILS: field 7 of `pub`, field 10 of `fpr`)."""
    found: dict[str, int | None] = {}
    expiry: list[int | None] = []
    for line in colons.splitlines():
        fields = line.split(":")
        if fields[0] == "pub":
            expiry = [int(fields[6]) if fields[6] else None]
        elif fields[0] == "fpr" and expiry:
            found[fields[9]] = expiry.pop()
    return found


def shown(public: bytes) -> dict[str, int | None]:
    """Return when each key of a keyring's bytes expires (seconds since the epoch, None: never), by fingerprint."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="kubedeb-keys-") as home:
        argv = ["gpg", "--homedir", home, "--batch", "--with-colons", "--show-keys"]
        return parse_keys(run(argv, stdin=public, code=ExitCode.KEY, announce=False).text)


def signers(document: bytes, keyring: Path, signed: Path | None = None) -> frozenset[str]:
    """Return the primary keys of `keyring` that have well signed a document: clear-signed, or detached of the file `signed`.

    None at all when one signature is bad, as apt sees it.
    """
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="kubedeb-signers-") as folder:
        path = Path(folder, "signature")
        path.write_bytes(document)
        options: list[str | Path] = ["--weak-digest", "SHA1", "--status-fd", "1", "--keyring", keyring.absolute()]
        said = run(["gpgv", *options, path, *([signed] if signed else [])], code=ExitCode.KEY, ok=(0, 1, 2))
    rows = [line.split()[1:] for line in said.text.splitlines() if line.startswith("[GNUPG:] ")]
    if any(row[0] == "BADSIG" for row in rows):
        return frozenset()
    good = {row[1] for row in rows if row[0] == "GOODSIG"}
    # VALIDSIG stands for expired keys too; its last field is the primary key's fingerprint, the first the signer's.
    return frozenset(row[-1] for row in rows if row[0] == "VALIDSIG" and any(row[1].endswith(one) for one in good))
