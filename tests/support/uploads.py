"""Source packages and `.changes` files as an uploader makes them, and gpg keys to sign them with."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from debs import COMPRESS, tar

DIGESTS = {"Checksums-Sha1": "sha1", "Checksums-Sha256": "sha256", "Files": "md5"}


def listed(paths: Sequence[Path], fields: Sequence[str] = tuple(DIGESTS), more: str = "") -> str:
    """Return the fields that list files with their digests."""
    text = ""
    for field in fields:
        extra = more if field == "Files" else ""
        rows = [f" {hashlib.new(DIGESTS[field], path.read_bytes()).hexdigest()} {path.stat().st_size} {extra}{path.name}\n"
                for path in paths]  # fmt: skip
        text += f"{field}:\n{''.join(rows)}"
    return text


def write_source(folder: Path, name: str, version: str, salt: str = "") -> Path:
    """Write a source package of format 3.0 (quilt) and return its `.dsc`."""
    folder.mkdir(parents=True, exist_ok=True)
    plain = version.rpartition(":")[2]
    upstream = plain.rpartition("-")[0]
    tarballs = folder / f"{name}_{upstream}.orig.tar.xz", folder / f"{name}_{plain}.debian.tar.xz"
    for path in tarballs:
        path.write_bytes(COMPRESS[".xz"](tar({f"{name}/{path.name}": salt.encode()})))
    dsc = folder / f"{name}_{plain}.dsc"
    dsc.write_text(
        f"Format: 3.0 (quilt)\nSource: {name}\nBinary: {name}\nArchitecture: any\nVersion: {version}\n"
        f"Maintainer: nobody <nobody@localhost>\n{listed(tarballs)}"
    )
    return dsc


def write_changes(path: Path, files: Sequence[Path], distribution: str = "bookworm") -> Path:
    """Write a `.changes` file that lists files of its own folder."""
    path.write_text(
        f"Format: 1.8\nSource: hello\nVersion: 1.0\nArchitecture: amd64\nDistribution: {distribution}\n"
        f"Changes:\n hello (1.0) {distribution}; urgency=low\n .\n   * New.\n{listed(files, more='misc optional ')}"
    )
    return path


class Signer:
    """A gpg home with one key; its agent ends with the block."""

    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        # The agent's socket must have a short path.
        self._folder = tempfile.TemporaryDirectory(prefix="kd-")

    @property
    def home(self) -> Path:
        """Return gpg's home."""
        return Path(self._folder.name)

    def __enter__(self) -> Signer:
        self._gpg("--passphrase", "", "--quick-generate-key", self.name, "ed25519", "sign", "never")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        subprocess.run(["gpgconf", "--homedir", self._folder.name, "--kill", "all"], check=True)
        self._folder.cleanup()

    def _gpg(self, *arguments: str) -> bytes:
        command = ["gpg", "--homedir", self._folder.name, "--batch", "--yes", "--quiet", "--pinentry-mode", "loopback"]
        return subprocess.run([*command, *arguments], check=True, capture_output=True).stdout

    def export(self, path: Path) -> None:
        """Write the public key, armored."""
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(self._gpg("--armor", "--export"))

    def sign(self, path: Path, name: str) -> Path:
        """Write a signed copy of a file beside it."""
        signed = path.with_name(name)
        self._gpg("--output", str(signed), "--clearsign", str(path))
        return signed

    def expired(self, path: Path, keys: Path) -> Path:
        """Return a copy signed by a key that has expired since, and is among the trusted `keys`."""
        began = "20200101T000000"
        self._gpg("--faked-system-time", began, "--passphrase", "", "--quick-generate-key", "old", "ed25519", "sign", "1d")
        signed = path.with_name("expired.changes")
        self._gpg("--faked-system-time", began, "--local-user", "old", "--output", str(signed), "--clearsign", str(path))
        (keys / "old.gpg").write_bytes(self._gpg("--export", "old"))
        return signed
