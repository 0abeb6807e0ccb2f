"""`kubedeb repo incoming`: signed uploads in a folder, as dput leaves them, become packages of their suites.

An upload is taken whole or moved aside with the reason. Files go only when what they brought is live, so that a run that was
killed is simply repeated.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import write_text
from kubedeb.records import frozen
from repo.add import add
from repo.place import Repository
from repo.publish import publish
from repo.transaction import Say
from repo.uploads import Changes, read_changes

REJECTED = "rejected"


@frozen
class Uploads:
    """On which terms uploads are taken: `mapping` from a Distribution to a suite, by itself where none is given.

    `keyring`: a folder of keys that counts instead of the suites' own. `patience`: seconds for which an upload may lack files.
    """

    mapping: Mapping[str, str]
    keyring: str = ""
    patience: float = 300
    publish: bool = True


@frozen
class Processed:
    """What became of an upload: accepted, rejected or waiting, why, and the packages it brought (`name version arch`)."""

    changes: str
    suite: str
    outcome: str
    reason: str = ""
    packages: tuple[str, ...] = ()


class Rejection(Exception):  # noqa: N818 - it says what happened
    """An upload is not taken. `changes` is what it says where its signature is good: only then its files move with it."""

    def __init__(self, reason: str, changes: Changes | None = None) -> None:
        super().__init__(reason)
        self.changes = changes


def process(repository: Repository, folder: Path, uploads: Uploads, say: Say) -> list[Processed]:
    """Take every upload in `folder` once.

    Raises `KubedebError`: REPOSITORY when a suite has no keys to check uploads with, or `folder` cannot be read;
    REPOSITORY_BUSY; REPOSITORY_STORAGE; and as `publish` does: the uploads then stay where they are.
    """
    if not folder.is_dir():
        raise KubedebError(f"{folder} is not a folder", hint="Name the folder that dput uploads to.", code=ExitCode.REPOSITORY)
    done: list[Processed] = []
    taken: list[Changes] = []
    for path in sorted(folder.glob("*.changes")):
        say(f"looking at {path.name}")
        try:
            processed, changes = _take(repository, path, uploads)
            taken += [changes] if processed.outcome == "accepted" else []
        except Rejection as rejection:
            _move_aside(path, rejection)
            processed = Processed(path.name, "", "rejected", str(rejection))
        done.append(processed)
    for suite in sorted({one.suite for one in done if one.outcome == "accepted"}) if uploads.publish else ():
        publish(repository, suite, say)
    for changes in taken:
        _clear(changes)
    return done


def _take(repository: Repository, path: Path, uploads: Uploads) -> tuple[Processed, Changes]:
    """Put one upload into its suite's draft. Raises `Rejection` when it cannot be, `KubedebError` when none could."""
    suite_name = _suite_of(repository, path, uploads)
    keyring = uploads.keyring or repository.suite(suite_name).options.changes_keyring
    if not keyring:
        raise KubedebError(
            f"suite {suite_name} has no keys to check uploads with", details=f"{path.name} is for it",
            hint="Name a folder of keys: kubedeb repo init --changes-keyring DIR, or incoming --keyring DIR",
            code=ExitCode.REPOSITORY,
        )  # fmt: skip
    try:
        changes = read_changes(path, Path(keyring))
    except (ValueError, OSError) as error:
        raise Rejection(f"it cannot be taken: {error}") from error
    if uploads.mapping.get(changes.distribution, changes.distribution) != suite_name:
        raise Rejection("what is signed is for another distribution than the file says")
    missing = [file.name for file in changes.files if not (path.parent / file.name).is_file()]
    if missing and time.time() - path.stat().st_mtime < uploads.patience:
        return Processed(path.name, suite_name, "waiting", f"{missing[0]} is not there yet"), changes
    try:
        added = add(repository, suite_name, [path], keyring=keyring)
    except KubedebError as error:
        if error.code is not ExitCode.PACKAGE:
            raise
        raise Rejection("\n".join([error.brief, *error.details.splitlines()]), changes) from error
    packages = tuple(package.label for package in (*added.packages, *added.present))
    return Processed(path.name, suite_name, "accepted", packages=packages), changes


def _suite_of(repository: Repository, path: Path, uploads: Uploads) -> str:
    """Return the suite that an upload says it is for, not yet believed. Raises `Rejection`."""
    if path.is_symlink():
        raise Rejection("it is a link")
    try:
        distribution = read_changes(path, None).distribution
    except (ValueError, OSError) as error:
        raise Rejection(f"it cannot be read as a .changes file: {error}") from error
    suite = uploads.mapping.get(distribution, distribution)
    if repository.identity.suite(suite) is None:
        known = ", ".join(one.name for one in repository.identity.suites)
        raise Rejection(f"its Distribution is {distribution[:80]!r}, which is no suite and mapped to none (suites: {known})")
    return suite


def _own_files(changes: Changes) -> list[Path]:
    """Return the files of an upload that no other upload in the folder lists."""
    folder = changes.path.parent
    others = [path for path in folder.glob("*.changes") if path != changes.path]
    shared = {name for path in others for name in _listed(path)}
    return [folder / file.name for file in changes.files if file.name not in shared]


def _listed(path: Path) -> Iterable[str]:
    try:
        return [file.name for file in read_changes(path, None).files]
    except (ValueError, OSError):
        return []


def _clear(changes: Changes) -> None:
    """Remove what was taken: the `.changes` file first, because without it nobody looks for the others."""
    files = _own_files(changes)
    changes.path.unlink(missing_ok=True)
    for path in files:
        path.unlink(missing_ok=True)


def _move_aside(path: Path, rejection: Rejection) -> None:
    """Move an upload into a folder of its own, the reason first and the `.changes` last.

    One that nobody we know has signed may list another's files: it goes alone.
    """
    number = 1
    while (target := path.parent / REJECTED / f"{path.stem}.{number}").exists():
        number += 1
    write_text(target / "reason.txt", f"{rejection}\n")
    for file in _own_files(rejection.changes) if rejection.changes else ():
        if file.exists() and not file.is_symlink():
            file.replace(target / file.name)
    path.replace(target / path.name)
