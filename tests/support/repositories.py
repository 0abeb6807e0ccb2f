"""Small repositories of etcd for tests, and how to talk to them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from aptclient import AptClient
from kubedeb.cli import run
from repo.place import Repository, open_repository

VERSIONS = ("3.5.16-1~deb12u1", "3.4.23-1~deb12u1", "3.3.25-1~deb12u1")


@dataclass(frozen=True)
class Made:
    """A repository for one test, and the tiny packages that it was made of."""

    root: Path
    packages: list[Path]
    folder: Path

    @property
    def public(self) -> Path:
        """Return the folder that is served."""
        return self.root / "public"

    @property
    def opened(self) -> Repository:
        """Return the repository itself."""
        return open_repository(self.root)

    def agent_is_gone(self) -> bool:
        """Return whether no gpg agent serves the repository's key; it takes its sockets with it when it ends."""
        return not list((self.root / "gnupg").glob("S.gpg-agent*"))

    def repo(self, *arguments: str | Path) -> int:
        """Run `kubedeb repo …` on the repository and return its exit status."""
        command, *rest = (str(argument) for argument in arguments)
        return run(["repo", command, "--repository", str(self.root), *rest])

    def key(self, command: str, *rest: str | Path) -> int:
        """Run `kubedeb repo key …` on the repository and return its exit status."""
        return run(["repo", "key", command, "--repository", str(self.root), *map(str, rest)])

    def snapshot(self, command: str, *rest: str | Path) -> int:
        """Run `kubedeb repo snapshot …` on the repository and return its exit status."""
        return run(["repo", "snapshot", command, "--repository", str(self.root), *map(str, rest)])

    def copy(self, name: str) -> Made:
        """Return a copy that one may break, in a folder of its own."""
        folder = self.folder / name
        shutil.copytree(self.root, folder / "repository", copy_function=shutil.copy2)
        return Made(folder / "repository", self.packages, folder)

    def client(self, name: str = "client", **changes: object) -> AptClient:
        """Return an apt client of the repository."""
        settings = {"uri": f"file:{self.public}", "keyring": self.root / "keyring.gpg", **changes}
        return AptClient(self.folder / name, **settings)  # type: ignore[arg-type]
