"""`kubedeb repo init`: a repository with a key of its own, or a further suite for one that is there."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import field, replace
from pathlib import Path

from kubedeb.errors import ExitCode, KubedebError, storage_errors
from kubedeb.files import sync_all
from kubedeb.records import frozen
from repo.gates import parse_gate
from repo.keyset import write_keys, write_public
from repo.models import Identity, Suite, SuiteOptions
from repo.place import Layout, Repository, read_identity, write_identity, writing
from repo.rotation import ArchiveKey, Keyset, State
from repo.store import make_folders

# Both become file names, fields of Release and words of apt preferences.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,63}")
ARCHITECTURE = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
URL = re.compile(r"(https?://|file:/)[!-~]+")
STORAGE = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._/-]*)?")
# What apt refuses to see change in a suite that it knows.
FROZEN = ("not_automatic", "but_automatic_upgrades")


@frozen
class Wish:
    """What `init` was asked for; None: as it is, or the default."""

    origin: str
    label: str | None
    url: str | None
    suites: tuple[str, ...]
    architectures: tuple[str, ...]
    storage: str = ""
    endpoint_url: str = ""
    options: Mapping[str, object] = field(default_factory=dict)


@frozen
class Initialised:
    """What `init` did: the repository, and one line for each thing that it made or changed."""

    repository: Repository
    done: tuple[str, ...]


def check(wish: Wish) -> None:
    """Raise `KubedebError` (USAGE) for a name that cannot be one."""
    named = [("--origin", wish.origin, NAME), *(("--suite", suite, NAME) for suite in wish.suites)]
    named += [("--architecture", name, ARCHITECTURE) for name in wish.architectures]
    named += [("--url", wish.url, URL)] if wish.url is not None else []
    named += [("--storage", wish.storage, STORAGE)] if wish.storage else []
    for option, value, pattern in named:
        if pattern.fullmatch(value) is None:
            raise KubedebError(f"{option} {value!r} is not valid", details=f"It must match {pattern.pattern}",
                               code=ExitCode.USAGE)  # fmt: skip
    if wish.options.get("default") and len(set(wish.suites)) > 1:
        raise KubedebError("--default is for one suite", details=f"A host follows one: not {' and '.join(wish.suites)}",
                           code=ExitCode.USAGE)  # fmt: skip
    if "snapshots" in wish.suites:
        raise KubedebError("--suite 'snapshots' is not valid", details="dists/snapshots/ is where named snapshots are served.",
                           code=ExitCode.USAGE)  # fmt: skip
    if wish.label is not None and not re.fullmatch(r"[ -~]{1,80}", wish.label):
        raise KubedebError(f"--label {wish.label!r} is not one line of plain text", code=ExitCode.USAGE)


def merge(found: Identity, wish: Wish) -> Identity:
    """Return `found` with the suites, architectures and URL of `wish`.

    Raises `KubedebError` (REPOSITORY) when origin or label would change: every client would refuse the repository.
    """
    for what, old, new in (("origin", found.origin, wish.origin), ("label", found.label, wish.label or found.label)):
        if old != new:
            raise KubedebError(
                f"the repository's {what} is {old!r} and cannot become {new!r}",
                details="apt refuses a repository that changes it, on every machine that has it installed.",
                hint="Make another repository, or leave the option as it was.", code=ExitCode.REPOSITORY,
            )  # fmt: skip
    suites = {suite.name: suite for suite in found.suites}
    if wish.options.get("default"):
        suites = {name: replace(suite, options=replace(suite.options, default=False)) for name, suite in suites.items()}
    for name in wish.suites:
        suites[name] = _suite(name, suites.get(name), wish)
    if wish.storage and (wish.storage, wish.endpoint_url) != (found.storage, found.endpoint_url):
        raise KubedebError(
            f"the repository lies in {found.storage or 'its folder'} and cannot move to {wish.storage}",
            hint="Make another repository with --storage, and add the packages to it.", code=ExitCode.REPOSITORY,
        )  # fmt: skip
    return replace(found, url=wish.url or found.url, suites=tuple(suites.values()))


def _suite(name: str, before: Suite | None, wish: Wish) -> Suite:
    """Return a suite as wished. Raises `KubedebError` when what is frozen would change."""
    options = replace(before.options if before else SuiteOptions(), **wish.options)  # type: ignore[arg-type]
    for what in FROZEN:
        if before and getattr(before.options, what) != getattr(options, what):
            raise KubedebError(
                f"suite {name} is {'' if getattr(before.options, what) else 'not '}{what.replace('_', '-')}, and cannot change",
                details="apt refuses a suite that changes it, on every machine that has it installed.",
                hint="Make another suite.", code=ExitCode.REPOSITORY,
            )  # fmt: skip
    architectures = (*(before.architectures if before else ()), *wish.architectures)
    for gate in options.gates:
        try:
            parse_gate(gate)
        except ValueError as error:
            raise KubedebError(str(error), code=ExitCode.USAGE) from error
    return Suite(name, tuple(dict.fromkeys(architectures)), options)


def initialise(root: Path, wish: Wish) -> Initialised:
    """Make the repository that `wish` asks for, or what it lacks; the file that says who it is appears last."""
    check(wish)
    layout = Layout(root.absolute())
    with storage_errors(f"a repository in {root}", ExitCode.REPOSITORY_STORAGE):
        sync_all(make_folders(layout.root))
    with writing(layout):
        found = read_identity(layout)
        if found is None:
            return _create(layout, wish)
        wanted = merge(found, wish)
        if wanted != found:
            write_identity(layout, wanted)
        return Initialised(Repository(layout, wanted), tuple(_changes(found, wanted)))


def _create(layout: Layout, wish: Wish) -> Initialised:
    sync_all(make_folders(layout.public))
    fingerprint = layout.keys.create(f"{wish.origin} archive signing key")
    if not layout.keys_file.exists():
        write_public(layout, fingerprint, layout.keys.public(fingerprint))
        write_keys(layout, Keyset((ArchiveKey(fingerprint, State.SIGNING, int(time.time())),)))
    suites = tuple(_suite(name, None, wish) for name in dict.fromkeys(wish.suites))
    url = wish.url or layout.public.as_uri()
    identity = Identity(wish.origin, wish.label or wish.origin, url, fingerprint, suites, wish.storage, wish.endpoint_url)
    write_identity(layout, identity)
    done = (f"made repository {layout.root}", f"made key {fingerprint}", *(f"made suite {suite.name}" for suite in suites))
    return Initialised(Repository(layout, identity), done)


def _changes(found: Identity, wanted: Identity) -> list[str]:
    known = {suite.name: suite for suite in found.suites}
    changed = [f"{'changed' if suite.name in known else 'made'} suite {suite.name} ({' '.join(suite.architectures)})"
               for suite in wanted.suites if suite != known.get(suite.name)]  # fmt: skip
    return changed + ([f"changed url to {wanted.url}"] if wanted.url != found.url else [])
