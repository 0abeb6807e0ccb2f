"""A host's apt with folders of its own: a client of the repository that knows nothing of this machine."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

COMPLAINT = re.compile(r"^[WEN]: .*", re.MULTILINE)


@dataclass(frozen=True)
class Answer:
    """What apt said: exit status, the lines that begin with W:, E: or N:, and all of it."""

    status: int
    complaints: tuple[str, ...]
    text: str

    @property
    def clean(self) -> bool:
        """Return whether apt was content and said so by saying nothing."""
        return self.status == 0 and not self.complaints


@dataclass(frozen=True)
class AptClient:
    """An apt client in `folder` that reads one suite of the repository at `uri`, trusting `keyring`.

    `before` stands before each command: `nice`, for clients that are to leave the processor to others.
    """

    folder: Path
    uri: str
    keyring: Path
    suite: str = "bookworm"
    options: tuple[str, ...] = ()
    types: str = "deb"
    before: tuple[str, ...] = ()

    def run(self, *arguments: str) -> Answer:
        """Run an apt program in the client's folders."""
        for name in ("state/lists/partial", "cache/archives/partial", "work"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "client.sources").write_text(
            f"Types: {self.types}\nURIs: {self.uri}\nSuites: {self.suite}\nComponents: main\nSigned-By: {self.keyring}\n"
        )
        (self.folder / "apt.conf").write_text(self._configuration())
        environment = {"APT_CONFIG": str(self.folder / "apt.conf"), "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C"}
        done = subprocess.run(
            [*self.before, *arguments], env=environment, cwd=self.folder / "work", check=False, timeout=120,
            capture_output=True, text=True,
        )  # fmt: skip
        text = done.stdout + done.stderr
        return Answer(done.returncode, tuple(COMPLAINT.findall(text)), text)

    def update(self) -> Answer:
        """Run `apt-get update`."""
        return self.run("apt-get", "update", "-q")

    def versions(self, package: str = "etcd-server") -> list[str]:
        """Return the versions that apt knows of a package, the newest first."""
        lines = self.run("apt-cache", "madison", package).text.splitlines()
        return [line.split("|")[1].strip() for line in lines if line.count("|") == 2]

    def download(self, package: str, version: str) -> Answer:
        """Run `apt-get download`, which checks the bytes against the signed index."""
        return self.run("apt-get", "download", "-q", f"{package}={version}")

    def _configuration(self) -> str:
        off = ("main", "parts", "sourceparts", "trusted", "trustedparts", "preferences", "preferencesparts")
        lines = [f'Dir::Etc::{name} "/dev/null";' for name in off]
        lines += [
            f'Dir::Etc::sourcelist "{self.folder}/client.sources";', f'Dir::State "{self.folder}/state";',
            f'Dir::State::lists "{self.folder}/state/lists";', 'Dir::State::status "/dev/null";',
            f'Dir::Cache "{self.folder}/cache";', 'APT::Architecture "amd64";', 'APT::Architectures { "amd64"; };',
            'APT::Sandbox::User "root";', 'Acquire::Check-Date "true";', 'Acquire::Check-Valid-Until "true";',
            'Acquire::Languages "none";', 'Acquire::Retries "0";', *self.options,
        ]  # fmt: skip
        return "\n".join([*lines, ""])
