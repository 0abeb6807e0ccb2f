"""The root tests: install, downgrade, upgrade, remove and purge a build's packages in a clean root, and judge what happened.

The root is a container without a network in which systemctl and the like are recorders: what they are asked is written down.
This module decides and judges; `cleanroot` is the adapter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from kubedeb.deb import read_deb
from kubedeb.records import frozen
from pkgbuild.finding import Finding, Level
from pkgbuild.snapshot import Snapshot, enabled, left_behind, started, state_folders
from pkgbuild.upgradechecks import Subject, read_subject

KEPT = "kept-by-kubedeb"
ENABLES = re.compile(r"^systemctl .*\b(enable|reenable|preset)\b")
QUIET = re.compile(r"^systemctl( -\S+)* (daemon-reload|is-\S+|show|status|list-\S+|cat|reset-failed)\b")
PROMPT = re.compile(r"What would you like to do about it|end of file on stdin at conffile prompt")
TAIL = 8
TIMED_OUT = 124
"""What timeout(1) says of a command that it ended."""
# The root is thrown away: nothing need reach the disk.
DPKG = "dpkg --force-unsafe-io"
FIRST = "install"


@frozen
class Done:
    """What a script did: exit status, all that it said, what the recorders were asked, the root afterwards."""

    status: int
    output: str
    asked: tuple[str, ...]
    after: Snapshot


class CleanRoot(Protocol):
    """A root with the packages' dependencies in it, as root, without a network; it is gone when its block ends."""

    def put(self, files: Sequence[tuple[Path, str]]) -> None:
        """Copy files into /packages, under these names."""

    def run(self, script: str) -> Done:
        """Run a shell script with stdin closed, then look at everything. Raises `KubedebError` (SANDBOX)."""


OpenRoot = Callable[[str], AbstractContextManager[CleanRoot]]
"""Opens a root in which a dependency expression (`Depends` and `Pre-Depends`, as apt-get satisfy takes it) is satisfied."""


@frozen
class Step:
    """One thing that is done: its name, the shell script, and whether daemons must be stopped by it (else nothing may be)."""

    name: str
    script: str
    stops: bool = False


@frozen
class Trial:
    """The packages under test and the older ones; by what daemons and data are called.

    `others`: packages that only the older version has, as etcd-3.3 beside etcd-3.4; they stay through the upgrade.
    """

    names: tuple[str, ...]
    others: tuple[str, ...]
    new: tuple[str, ...]
    old: tuple[str, ...]
    conffiles: tuple[str, ...]
    daemons: tuple[str, ...]
    kept: tuple[str, ...]


def trial(new: Sequence[Subject], new_files: Sequence[str], old: Sequence[Subject], old_files: Sequence[str]) -> Trial:
    """Return what is to be tried; pure. `kept` are files such as operators and daemons have made by the time of a purge."""
    states = [name for subject in new for text in subject.units.values()
              for name in re.findall(r"^\s*StateDirectory\s*=\s*(\S+)", text, re.M)]  # fmt: skip
    kept = {f"/var/lib/{name}/{KEPT}" for name in [*states, *(subject.name for subject in new)]}
    kept |= {f"/etc/default/{name.removesuffix('.service')}" for subject in new for name in subject.daemons}
    shipped = {entry.path for subject in (*new, *old) for entry in subject.contents.entries}
    names = tuple(subject.name for subject in new)
    return Trial(
        names, tuple(subject.name for subject in old if subject.name not in names),
        tuple(new_files), tuple(old_files or new_files),
        tuple(sorted({path for subject in old or new for path in subject.contents.conffiles})),
        tuple(sorted({unit for subject in new for unit in subject.daemons})), tuple(sorted(kept - shipped)),
    )  # fmt: skip


def steps(this: Trial) -> list[Step]:
    """Return what is done in order; pure. dpkg gets no --force-conf*: a question must show as one."""
    install = f"{DPKG} --install " + " ".join(f"/packages/{name}" for name in this.new)
    back = f"{DPKG} --install " + " ".join(f"/packages/{name}" for name in this.old)
    names = " ".join((*this.names, *this.others))
    return [
        Step(FIRST, install),
        Step("downgrade", back),
        Step("settle in", settle_in(this)),
        Step("upgrade", install),
        Step("remove", f"dpkg --remove {names}", stops=True),
        Step("purge", f"dpkg --purge {names}"),
    ]


def settle_in(this: Trial) -> str:
    """Return the script that does what operators and daemons do between an installation and an upgrade; pure."""
    touch = [f"[ ! -f {path} ] || echo '# changed by an operator' >>{path}" for path in this.conffiles]
    keep = [f"mkdir -p $(dirname {path}) && echo data >{path}" for path in this.kept]
    return "\n".join([*touch, *keep, "true"])


def judge(this: Trial, step: Step, before: Snapshot, seen: Done) -> Iterator[tuple[str, str]]:
    """Yield (rule, text) of what was wrong with one step; pure."""
    if PROMPT.search(seen.output):
        yield "root-conffile-prompt", f"{step.name}: dpkg asks about a configuration file that an operator changed"
    elif seen.status != 0:
        tail = "; ".join(seen.output.strip().splitlines()[-TAIL:])
        what = "does not end" if seen.status == TIMED_OUT else f"fails with exit status {seen.status}"
        yield "root-fails", f"{step.name} {what}: {tail}"
    loud = [line for line in seen.asked if not QUIET.match(line) and not ENABLES.match(line)]
    yield from (("root-enabled", f"{step.name}: {line}") for line in seen.asked if ENABLES.match(line))
    if step.stops:
        yield from (("root-not-stopped", f"{step.name} does not stop {daemon}") for daemon in _running(this.daemons, loud))
        loud = [line for line in loud if not re.search(r"\bstop\b", line)]
    yield from (("root-daemon-touched", f"{step.name}: {line}") for line in loud)
    yield from (("root-process", f"{step.name}: {text}") for text in started(before, seen.after))
    yield from (("root-enabled", f"{step.name} enables a unit: {path}") for path in enabled(before, seen.after))


def _running(daemons: Sequence[str], asked: Sequence[str]) -> list[str]:
    """Return the daemons that nothing asked to stop; which instances of a template run is not for the package to know."""
    patterns = {daemon: rf"\bstop\b.*(?<![\w@.-]){re.escape(daemon.removesuffix('.service'))}(?![\w@-])" for daemon in daemons}
    return [
        daemon for daemon, pattern in patterns.items()
        if "@" not in daemon and not any(re.search(pattern, line) for line in asked)
    ]  # fmt: skip


def leftovers(this: Trial, first: Snapshot, installed: Snapshot, last: Snapshot) -> Iterator[tuple[str, str]]:
    """Yield (rule, text) of what is left after the purge; pure."""
    yield from (("root-left", f"purge {text}") for text in left_behind(first, installed, last, frozenset(this.kept)))


@frozen
class Tried:
    """What the root tests found, and from what the packages were upgraded ("" when nothing older is known)."""

    findings: tuple[Finding, ...]
    previous: str


def try_out(packages: Sequence[Path], previous: Sequence[Path], open_root: OpenRoot) -> Tried:
    """Carry the steps out in a clean root and judge each. Raises `KubedebError` when the root cannot be made."""
    new = [read_subject(path) for path in packages]
    old = [read_subject(path) for path in previous]
    this = trial(new, [f"new/{path.name}" for path in packages], old, [f"old/{path.name}" for path in previous])
    about = " ".join(this.names)
    with open_root(depends([*new, *old])) as root:
        root.put([*((path, f"new/{path.name}") for path in packages), *((path, f"old/{path.name}") for path in previous)])
        found = list(_carry_out(this, root))
    versions = sorted({read_deb(path).version for path in previous})
    return Tried(tuple(Finding(Level.ERROR, rule, about, text) for rule, text in dict.fromkeys(found)), ", ".join(versions))


def _carry_out(this: Trial, root: CleanRoot) -> Iterator[tuple[str, str]]:
    """Go through the steps, as far as they succeed."""
    first = before = installed = root.run("true").after
    for step in steps(this):
        seen = root.run(settle_in(this) if step.name == "settle in" else step.script)
        yield from judge(this, step, before, seen)
        if seen.status != 0:
            return
        if step.name == FIRST:
            installed = seen.after
            # What the package made for its state, a daemon would fill.
            made = {f"{folder}/{KEPT}" for folder in state_folders(first, installed)}
            this = replace(this, kept=tuple(sorted({*this.kept, *made})))
        before = seen.after
    yield from leftovers(this, first, installed, before)


def depends(subjects: Sequence[Subject]) -> str:
    """Return what must be there before the packages are unpacked: their Pre-Depends and Depends, but for each other; pure."""
    own = {subject.name for subject in subjects}
    relations: dict[str, None] = {}
    for subject in subjects:
        for field in ("Pre-Depends", "Depends"):
            for relation in filter(
                None, map(str.strip, subject.contents.deb.control.get(field, "").replace("\n", " ").split(","))
            ):
                names = {re.split(r"[ (:]", part.strip(), maxsplit=1)[0] for part in relation.split("|")}
                if not names & own:
                    relations[relation] = None
    return ", ".join(sorted(relations))
