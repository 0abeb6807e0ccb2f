"""What in a maintainer script starts, stops or restarts a daemon; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum

from kubedeb.records import frozen
from pkgbuild.maintscript import Command, commands, is_shell


class Verb(StrEnum):
    """What is done to a daemon."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"


VERBS = {
    **dict.fromkeys(("start", "--start", "-S"), Verb.START),
    **dict.fromkeys(("stop", "kill", "isolate", "--stop", "-K"), Verb.STOP),
    **dict.fromkeys(
        ("restart", "try-restart", "condrestart", "reload", "reload-or-restart", "try-reload-or-restart", "force-reload"),
        Verb.RESTART,
    ),
}  # fmt: skip
# Programs that act on daemons by a verb among their words.
INVOKERS = frozenset(
    {"systemctl", "service", "invoke-rc.d", "deb-systemd-invoke", "start-stop-daemon", "rc-service", "initctl"}
)
HARMLESS = frozenset({"daemon-reload", "enable", "disable", "mask", "unmask", "preset", "status", "show", "reset-failed"})
KILLERS = frozenset({"killall", "pkill", "killproc", "fuser"})
# In Perl or Python a daemon is acted on by a line that names both.
ANY_LINE = re.compile(
    r"(systemctl|service|invoke-rc\.d|deb-systemd-invoke|start-stop-daemon|/etc/init\.d/)\W.*?(?<![-\w])"
    r"(start|stop|restart|try-restart|reload|reload-or-restart|force-reload|kill)(?![-\w])"
)


@frozen
class DaemonAct:
    """One command that acts on a daemon: script, line, the verb, the command as it runs; `at_removal`: only then."""

    script: str
    line: int
    verb: Verb
    text: str
    at_removal: bool

    def __str__(self) -> str:
        return f"{self.script}, line {self.line} {self.verb}s a daemon: {self.text}"


def daemon_acts(name: str, script: str) -> Iterator[DaemonAct]:
    """Yield what the maintainer script `name` does to daemons."""
    if not is_shell(script):
        for number, line in enumerate(script.splitlines(), 1):
            if not line.lstrip().startswith("#") and (match := ANY_LINE.search(line)):
                yield DaemonAct(name, number, VERBS[match[2]], line.strip(), at_removal=False)
        return
    for command in commands(script):
        if (verb := _verb(command)) is not None:
            # postrm's removal comes too late for a stop and is no time for a start.
            yield DaemonAct(name, command.line, verb, " ".join(command.words), command.on_removal)


def _verb(command: Command) -> Verb | None:
    words = command.words[1:]
    if command.name in KILLERS:
        return Verb.STOP
    if command.name in INVOKERS or command.name.startswith("/etc/init.d/"):
        found = [VERBS[word] for word in words if word in VERBS]
        if found:
            return found[0]
        # A verb in a variable that nobody can follow may be any.
        unknown = any(re.fullmatch(r"\$\{?[@*\w]+\}?", word) for word in words)
        return Verb.RESTART if unknown and not _harmless(words) else None
    return None


def _harmless(words: tuple[str, ...]) -> bool:
    """Say whether a verb that touches no daemon is among the words (`systemctl is-active $unit`)."""
    return any(word in HARMLESS or word.startswith(("is-", "list-")) for word in words)
