"""The checks of the upgrade-safety lint: a package as they see it, and for each rule what it finds; pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath

from kubedeb.deb import Contents, Entry, read_contents
from kubedeb.records import frozen
from pkgbuild.daemonacts import DaemonAct, Verb, daemon_acts
from pkgbuild.maintscript import Command, commands, is_shell

UNIT_FOLDER = "/usr/lib/systemd/system/"
RUNS, ENDS = re.compile(r"^\s*ExecStart\s*=", re.M), re.compile(r"^\s*Type\s*=\s*oneshot\b", re.M)
NEEDRESTART = "/etc/needrestart/conf.d/"
KEEP = re.compile(r"/(usr/)?lib/systemd/system/[^/]+\.service|/etc/needrestart/conf\.d/[^/]+")


@frozen
class Subject:
    """A package as the rules see it."""

    contents: Contents

    @property
    def name(self) -> str:
        """Return the package's name."""
        return self.contents.deb.name

    @cached_property
    def commands(self) -> dict[str, list[Command]]:
        """Return the commands of each maintainer script that a shell runs."""
        return {name: commands(text) for name, text in self.contents.scripts.items() if is_shell(text)}

    @cached_property
    def acts(self) -> list[DaemonAct]:
        """Return everything in the maintainer scripts that acts on a daemon."""
        return [act for name, text in self.contents.scripts.items() for act in daemon_acts(name, text)]

    @cached_property
    def units(self) -> dict[str, str]:
        """Return the text of each service that it ships, by the unit's name; templates (`NAME@.service`) too."""
        folders = (UNIT_FOLDER, UNIT_FOLDER.removeprefix("/usr"))
        texts = {path: text for path, text in self.contents.texts.items() if path.startswith(folders)}
        return {PurePosixPath(path).name: text for path, text in texts.items()}

    @cached_property
    def daemons(self) -> list[str]:
        """Return the units that keep a process running."""
        return sorted(name for name, text in self.units.items() if RUNS.search(text) and not ENDS.search(text))


Check = Callable[[Subject], Iterable[str]]


def read_subject(path: Path) -> Subject:
    """Read what the rules need of a `.deb`. Raises `kubedeb.deb.DebError`, `OSError`."""
    return Subject(read_contents(path, is_kept))


def is_kept(path: str) -> bool:
    """Say whether the rules want the text of a file in the package."""
    return KEEP.fullmatch(path) is not None


def acting(verb: Verb) -> Check:
    """Return the check that yields what does `verb` to a daemon other than on removal."""

    def check(subject: Subject) -> Iterator[str]:
        return (str(act) for act in subject.acts if act.verb is verb and not act.at_removal)

    return check


ENABLING = {
    "deb-systemd-helper": frozenset({"enable"}),
    "systemctl": frozenset({"enable", "reenable", "preset"}),
    "update-rc.d": frozenset({"defaults", "enable"}),
}


def enables(subject: Subject) -> Iterator[str]:
    """Yield what enables a unit."""
    for script, found in subject.commands.items():
        for command in found:
            # What dh_installsystemd --no-enable writes enables only what an administrator had enabled before.
            again = any("debian-installed" in condition for condition in command.conditions)
            if ENABLING.get(command.name, frozenset()) & set(command.words[1:]) and not again:
                yield f"{script}, line {command.line} enables it: {command.text}"
    for entry in subject.contents.entries:
        if entry.kind == "symlink" and re.search(r"/systemd/system/[^/]+\.(wants|requires)/", entry.path):
            yield f"it ships {entry.path}, which enables a unit"


# What other programs read as soon as it is there, and nobody tunes: not configuration of the daemon itself.
DROP_INS = tuple(f"/etc/{name}" for name in (
    "X11/", "apparmor.d/", "apt/", "bash_completion.d/", "cron.", "dbus-1/", "init.d/", "init/", "insserv", "logrotate.d/",
    "modprobe.d/", "modules-load.d/", "needrestart/", "pam.d/", "profile.d/", "sysctl.d/", "systemd/", "sysusers.d/",
    "tmpfiles.d/", "udev/", "ufw/applications.d/",
))  # fmt: skip
TUNABLES = ("/etc/default/", "/etc/sysconfig/")


def tunables(subject: Subject) -> Iterator[str]:
    """Yield the conffiles that whoever tunes the daemon owns."""
    for path in subject.contents.conffiles:
        unit = next((name for name, text in subject.units.items() if path in text), None)
        if path.startswith(TUNABLES):
            yield f"{path} is a conffile"
        elif unit is not None:
            yield f"{path}, which {unit} reads, is a conffile"


def configuration(subject: Subject) -> Iterator[str]:
    """Yield the other conffiles that are no drop-ins."""
    read_by_units = "\n".join(subject.units.values())
    for path in subject.contents.conffiles:
        if not path.startswith((*TUNABLES, *DROP_INS)) and path not in read_by_units:
            yield f"{path} is a conffile"


def epoch(subject: Subject) -> Iterator[str]:
    """Yield the version that has an epoch."""
    if ":" in subject.contents.deb.version:
        yield f"its version is {subject.contents.deb.version}"


def exact(subject: Subject) -> Iterator[str]:
    """Yield the relations to exactly one version."""
    control = subject.contents.deb.control
    for field in ("Pre-Depends", "Depends", "Recommends"):
        for relation in re.split(r"[,|]", control.get(field, "")):
            if re.search(r"\(\s*=", relation):
                yield f"{field}: {relation.strip()}"


def needrestart(subject: Subject) -> Iterator[str]:
    """Yield the daemons that needrestart may restart."""
    spared = [pattern for path, text in subject.contents.texts.items() if path.startswith(NEEDRESTART)
              for pattern in spared_units(text)]  # fmt: skip
    for unit in subject.daemons:
        if not any(_fits(pattern, unit) for pattern in spared):
            yield f"needrestart may restart {unit}: no file in {NEEDRESTART} says otherwise"


def spared_units(text: str) -> list[str]:
    """Return the patterns of units that a needrestart configuration never restarts: `…override_rc…qr(PATTERN)…= 0`."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    return re.findall(r"qr\(([^()]{1,200})\)[^\w\n]{1,20}0\b", "\n".join(lines)) if "override_rc" in text else []


def _fits(pattern: str, unit: str) -> bool:
    """Match a needrestart pattern; of anybody's patterns only plain ones, which cannot take long, are believed."""
    if not re.fullmatch(r"\^?[\w@\\.+*:-]+\$?", pattern) or len(re.findall(r"[*+]", pattern)) > 2:
        return False
    try:
        return re.search(pattern, unit) is not None
    except re.error:
        return False


DATA = ("/var/lib/", "/srv/", "/var/opt/", "/var/spool/", "/var/backups/", "/home/")


def deletes(subject: Subject) -> Iterator[str]:
    """Yield what deletes data."""
    for script, found in subject.commands.items():
        for command in found:
            if _deletes_data(command):
                yield f"{script}, line {command.line} deletes data: {command.text}"
    yield from _lines_of_other_languages(subject, re.compile(r"(rmtree|remove_tree|rm\s+-\w*r).*/(var|srv)/"), "deletes data")


def _deletes_data(command: Command) -> bool:
    words = command.words[1:]
    if command.name == "find":
        return any(word.startswith(DATA) for word in words) and bool({"-delete", "rm", "/bin/rm"} & set(words))
    recursive = any(re.fullmatch(r"-[a-zA-Z]*[rR][a-zA-Z]*|--recursive", word) for word in words)
    if command.name != "rm" or not recursive:
        return False
    # A variable that nobody can follow may hold anything; a path of dpkg's or systemd's own helpers is no data.
    return any(word.startswith(DATA) or re.match(r"\$\{?[A-Z]\w*(DIR|DATA|HOME)\w*", word) for word in words)


def users(subject: Subject) -> Iterator[str]:
    """Yield what deletes users and groups."""
    for script, found in subject.commands.items():
        for command in found:
            if command.name in ("deluser", "delgroup", "userdel", "groupdel"):
                yield f"{script}, line {command.line} deletes a user or group: {command.text}"


def _lines_of_other_languages(subject: Subject, pattern: re.Pattern[str], what: str) -> Iterator[str]:
    for script, text in subject.contents.scripts.items():
        if is_shell(text):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if pattern.search(line) and not line.lstrip().startswith("#"):
                yield f"{script}, line {number} {what}: {line.strip()}"


def left_running(subject: Subject) -> Iterator[str]:
    """Yield the daemons that go on when the package is removed."""
    stopped = " ".join(act.text for act in subject.acts if act.script == "prerm" and act.verb is Verb.STOP)
    for unit in subject.daemons:
        plain = unit.removesuffix(".service")
        if not re.search(rf"(?<![\w@.-]){re.escape(plain)}(?![\w@-])", stopped):
            yield f"prerm does not stop {unit} when the package is removed"


def asks(subject: Subject) -> Iterator[str]:
    """Yield what may ask a question."""
    if "config" in subject.contents.scripts:
        yield "it has a debconf config script, which asks questions"
    for script, found in subject.commands.items():
        for command in found:
            asking = command.name in ("db_input", "db_go", "ucf") and "--purge" not in command.words
            if asking or any("/dev/tty" in word for word in command.words):
                yield f"{script}, line {command.line} may ask: {command.text}"


def privileged(subject: Subject) -> Iterator[str]:
    """Yield files with a mode that no daemon needs."""
    for entry in subject.contents.entries:
        if entry.kind == "file" and entry.mode & 0o6002:
            yield f"{entry.path} has mode {entry.mode:04o}"


def in_place(subject: Subject) -> Iterator[str]:
    """Yield what the package puts where state lives: unpacking would take its owner and mode from the package."""
    yield from (f"it ships {entry.path}" for entry in subject.contents.entries if _is_state(entry))


def _is_state(entry: Entry) -> bool:
    return entry.kind != "folder" and entry.path.startswith(
        ("/var/lib/", "/srv/", "/run/", "/var/run/", "/usr/local/", "/home/")
    )
