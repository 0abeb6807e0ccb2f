"""The apt client as judge: a staged tree goes live only when the host's own apt and the signature checkers take it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import sha256_of, write_text
from kubedeb.process import ProcessError, Result, run
from kubedeb.records import frozen
from kubedeb.release import Digest
from repo.keys import signers
from repo.models import COMPONENT, Suite

# What apt says when something is wrong but not so wrong that its exit status tells.
COMPLAINT = re.compile(r"^[WE]: .*", re.MULTILINE)
REFUSED = "Nothing was published: the repository is as it was."


@frozen
class Staged:
    """A tree to be judged: where it lies, its suite, the digests of its indices below `dists/SUITE`, its keyring.

    `alone` are keyrings with one signing key each: what clients have that know only the old key, or only the new one.
    """

    tree: Path
    suite: Suite
    listed: Mapping[str, Digest]
    keyring: Path
    alone: tuple[Path, ...] = ()


def prove(staged: Staged, work: Path) -> tuple[str, ...]:
    """Let every judge on this machine read the staged tree and return their names: apt, gpgv, and sqv where it is.

    `work` is an empty folder for apt's own files. Raises `KubedebError` (CLIENT) with what the judge said.
    """
    release = staged.tree / "dists" / staged.suite.name / "Release"
    judges = ["apt", "gpgv"]
    run(["gpgv", "--keyring", staged.keyring, f"{release}.gpg", release], code=ExitCode.CLIENT, hint=REFUSED)
    if shutil.which("sqv"):
        run(["sqv", "--keyring", staged.keyring, f"{release}.gpg", release], code=ExitCode.CLIENT, hint=REFUSED)
        judges.append("sqv")
    for keyring in staged.alone if len(staged.alone) > 1 else ():
        _one_key(release, keyring, sequoia="sqv" in judges)
    _apt_update(staged, work)
    return tuple(judges)


def _one_key(release: Path, keyring: Path, *, sequoia: bool) -> None:
    """Check both signatures as a client with one key does: the other signatures are of keys that it does not know."""
    detached = Path(f"{release}.gpg")
    for document, signed in ((release.with_name("InRelease").read_bytes(), None), (detached.read_bytes(), release)):
        if not signers(document, keyring, signed):
            raise KubedebError(f"a client that has only the key {keyring.stem} would refuse this", code=ExitCode.CLIENT,
                               hint=REFUSED)  # fmt: skip
    if sequoia:
        run(["sqv", "--keyring", keyring, detached, release], code=ExitCode.CLIENT)


def _apt_update(staged: Staged, work: Path) -> None:
    source = work / "staged.sources"
    lists = work / "state/lists"
    for folder in (lists / "partial", work / "cache/archives/partial"):
        folder.mkdir(parents=True)
    write_text(source, f"Types: deb\nURIs: file:{staged.tree}\nSuites: {staged.suite.name}\n"
               f"Components: {COMPONENT}\nSigned-By: {staged.keyring}\n")  # fmt: skip
    write_text(work / "apt.conf", apt_configuration(work, source, staged.suite.architectures))
    result = run(["apt-get", "update", "-q"], env={"APT_CONFIG": str(work / "apt.conf")}, code=ExitCode.CLIENT,
                 hint=REFUSED)  # fmt: skip
    complaints = COMPLAINT.findall((result.stdout + result.stderr).decode(errors="replace"))
    if complaints:
        raise _refused("apt takes the staged repository, but not without a word", result, "\n".join(complaints))
    for architecture in staged.suite.architectures:
        digest = staged.listed[f"{COMPONENT}/binary-{architecture}/Packages"]
        # apt says nothing at all about an index that it has decided not to use.
        found = [path for path in lists.glob(f"*_binary-{architecture}_Packages") if sha256_of(path) == digest.sha256]
        if digest.size and not found:
            raise _refused(f"apt did not take the index for {architecture}", result)


def apt_configuration(work: Path, source: Path, architectures: tuple[str, ...]) -> str:
    """Return an apt.conf(5) that knows one source and nothing of the host, with every check of the date switched on."""
    off = ("Dir::Etc::main", "Dir::Etc::parts", "Dir::Etc::sourceparts", "Dir::Etc::trusted", "Dir::Etc::trustedparts",
           "Dir::Etc::preferences", "Dir::Etc::preferencesparts", "Dir::State::status")  # fmt: skip
    settings = {
        "Dir::Etc::sourcelist": source,
        "Dir::State": work / "state",
        "Dir::State::lists": work / "state/lists",
        "Dir::Cache": work / "cache",
        "APT::Architecture": architectures[0],
        # As root, apt would read as _apt, which may not enter a private folder.
        "APT::Sandbox::User": "root",
        "Acquire::Check-Date": "true",
        "Acquire::Check-Valid-Until": "true",
        "Acquire::Languages": "none",
        **dict.fromkeys(off, "/dev/null"),
    }
    lines = [f'{name} "{value}";' for name, value in settings.items()]
    return "\n".join([*lines, "APT::Architectures {", *(f'  "{name}";' for name in architectures), "};", ""])


def _refused(brief: str, result: Result, details: str = "") -> KubedebError:
    error = ProcessError(brief, result, code=ExitCode.CLIENT, hint=REFUSED)
    return KubedebError(brief, details=details or error.details, hint=error.hint, code=ExitCode.CLIENT)
