"""A repository on disk: what lies where, who it is, who may write.

ROOT/public/      what a web server serves: dists, pool, snapshots, generations, keyring, .sources, .pref
ROOT/gnupg/       the archive's secret keys (0700)
ROOT/keys.json    the archive's keys and their states; keys/, keyring.gpg and clients.gpg are the public ones
ROOT/repository.json, catalog.sqlite, chunks.sqlite, lock, staging/
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubedeb.errors import ExitCode, KubedebError, storage_errors
from kubedeb.files import canonical_json, write_text
from kubedeb.records import frozen
from repo.keyhome import left_behind
from repo.models import Identity, Suite, SuiteOptions
from repo.store import FolderStore, Store

if TYPE_CHECKING:
    from repo.keys import Keys

NO_ROOM = ("No space left on device", "Disk quota exceeded", "Read-only file system")


@frozen
class Layout:
    """The names below a repository's root."""

    root: Path
    storage: str = ""
    endpoint_url: str = ""

    @property
    def public(self) -> Path:
        """Return the folder that is served."""
        return self.root / "public"

    @property
    def staging(self) -> Path:
        """Return the folder for what is not published yet; emptied by every writer."""
        return self.root / "staging"

    @property
    def identity(self) -> Path:
        """Return the file that says who the repository is; without it there is no repository."""
        return self.root / "repository.json"

    @property
    def keyring(self) -> Path:
        """Return the public keys that this repository checks itself with."""
        return self.root / "keyring.gpg"

    @property
    def keys_file(self) -> Path:
        """Return the file that lists the archive's keys."""
        return self.root / "keys.json"

    @property
    def public_keys(self) -> Path:
        """Return the folder of the public keys, one a file."""
        return self.root / "keys"

    @property
    def client_keyring(self) -> Path:
        """Return the public keys that clients get."""
        return self.root / "clients.gpg"

    @property
    def catalog(self) -> Path:
        """Return the SQLite file."""
        return self.root / "catalog.sqlite"

    @property
    def key_home(self) -> Path:
        """Return gpg's home with the archive's secret keys."""
        return self.root / "gnupg"

    @property
    def keys(self) -> Keys:
        """Return the key's private home."""
        from repo.keys import Keys

        return Keys(self.key_home)

    @property
    def journal(self) -> Path:
        """Return the file that says what is about to go live; it is there while that is going on, or was killed."""
        return self.root / "journal.json"

    @property
    def pieces(self) -> Path:
        """Return the SQLite file of compressed pieces; it may vanish at any time."""
        return self.root / "chunks.sqlite"

    @property
    def store(self) -> Store:
        """Return the store of published bytes: the folder, or the object store."""
        if not self.storage:
            return FolderStore(self.public, self.staging)
        from repo.s3 import s3_store

        return s3_store(self.storage, self.endpoint_url)


@frozen
class Terms:
    """How severe this run is with what goes live.

    `strict`: a key that expires within 180 days is an error. `everywhere`: the apt of every supported Debian must accept it.
    """

    strict: bool = False
    everywhere: bool = False


ORDINARY = Terms()


@frozen
class Repository:
    """A repository that is there: its layout and its identity, and the terms on which something may go live."""

    layout: Layout
    identity: Identity
    terms: Terms = Terms()

    def suite(self, name: str) -> Suite:
        """Return a suite. Raises `KubedebError` (REPOSITORY) with the suites there are."""
        suite = self.identity.suite(name)
        if suite is None:
            import difflib

            known = [suite.name for suite in self.identity.suites]
            near = difflib.get_close_matches(name, known, n=1)
            raise KubedebError(
                f"there is no suite {name!r} in {self.layout.root}",
                details=f"did you mean {near[0]!r}?" if near else f"suites: {', '.join(known)}",
                hint=f"A new suite is made by: kubedeb repo init --origin {self.identity.origin} --suite {name}",
                code=ExitCode.REPOSITORY,
            )
        return suite


def read_identity(layout: Layout) -> Identity | None:
    """Return who the repository is, None where there is none. Raises `KubedebError` (REPOSITORY) when it is damaged."""
    try:
        document = json.loads(layout.identity.read_text())
        suites = tuple(_suite(suite) for suite in document.pop("suites"))
        return Identity(**document, suites=suites)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise KubedebError(
            f"cannot read {layout.identity}", details=str(error), hint="Restore it from a backup.",
            code=ExitCode.REPOSITORY,
        ) from error  # fmt: skip


def _suite(document: dict[str, Any]) -> Suite:
    options: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in document.get("options", {}).items()
    }
    return Suite(document["name"], tuple(document["architectures"]), SuiteOptions(**options))


def write_identity(layout: Layout, identity: Identity) -> None:
    """Write who the repository is."""
    write_text(layout.identity, canonical_json(asdict(identity)), sync=True)


def open_repository(root: Path, terms: Terms = ORDINARY) -> Repository:
    """Return the repository at `root`. Raises `KubedebError` (REPOSITORY) when there is none."""
    layout = Layout(root.absolute())
    identity = read_identity(layout)
    if identity is None:
        raise KubedebError(
            f"there is no repository in {root}",
            hint="Name one with --repository or KUBEDEB_REPOSITORY, or make one: kubedeb repo init --origin NAME",
            code=ExitCode.REPOSITORY,
        )
    return Repository(Layout(layout.root, identity.storage, identity.endpoint_url), identity, terms)


@contextmanager
def writing(layout: Layout) -> Iterator[None]:
    """Be the only writer, begin without what a killed one left (staging folder, gpg's agent), and leave nothing behind.

    Raises `KubedebError`: REPOSITORY_BUSY when another process writes; REPOSITORY_STORAGE when the disk is full or cannot
    be written, whoever met it (gpg and apt say so in their own words).
    """
    with (
        storage_errors(f"the repository in {layout.root}", ExitCode.REPOSITORY_STORAGE),
        (layout.root / "lock").open("ab") as lock,
    ):
        try:
            # The kernel lets go of it when its holder dies, however.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise KubedebError(
                f"another process writes to the repository in {layout.root}",
                hint="Wait until it is done; the lock ends with the process that holds it.",
                code=ExitCode.REPOSITORY_BUSY,
            ) from error
        try:
            _empty(layout.staging)
            layout.staging.mkdir(mode=0o700)
            if left_behind(layout.key_home):
                layout.keys.sweep()
            yield
        except KubedebError as error:
            if said := _lacked_room(error):
                raise _no_room(layout, said) from error
            raise
        finally:
            with suppress(OSError):
                _empty(layout.staging)
            # Said, not left to closing: a process that another thread is just starting has a copy of the open file.
            fcntl.flock(lock, fcntl.LOCK_UN)


def _lacked_room(error: KubedebError) -> str:
    """Return what a program said that failed because it could not write; empty for every other error.

    All of its output is looked at: what an error shows is its end, which may be a signature.
    """
    from kubedeb.process import ProcessError

    if not isinstance(error, ProcessError):
        return ""
    lines = (error.result.stderr + error.result.stdout).decode(errors="replace").splitlines()
    said = [line for line in lines if any(text in line for text in NO_ROOM)]
    return "\n".join([f"$ {error.result.command}", *said]) if said else ""


def _no_room(layout: Layout, said: str) -> KubedebError:
    return KubedebError(
        f"cannot write the repository in {layout.root}", details=said,
        hint="Make room or mend the rights, then run the same command again.", code=ExitCode.REPOSITORY_STORAGE,
    )  # fmt: skip


def _empty(folder: Path) -> None:
    """Remove the staging folder with what a killed writer left in it; links are removed, not followed."""
    try:
        folder.rmdir()
    except FileNotFoundError:
        return
    except OSError:
        import shutil

        shutil.rmtree(folder)
