"""`kubedeb repo phase`: let an upgrade reach a part of the hosts first.

`Phased-Update-Percentage` in a stanza: apt (2.1.16 and later) draws a number from the host's machine-id, the package and the
version, and keeps an upgrade back where it is above the percentage. A version that somebody names, and a first installation,
come at once. It is a matter of the suite, not of the package: its bytes stay.
"""

from __future__ import annotations

import re

from kubedeb.errors import ExitCode, KubedebError
from repo.audit import Why
from repo.live import Live
from repo.models import SOURCE
from repo.place import Repository
from repo.publish import Published, Wish, publish_together
from repo.queries import asked_for
from repo.snapshots import Applied, Snapshot, apply, rows_of
from repo.transaction import Say, Transaction

FIELD = "Phased-Update-Percentage"
LINE = re.compile(rf"^{FIELD}: [^\n]*\n", re.MULTILINE)
ALL = 100


def phased(stanza: str, percent: int) -> str:
    """Return a stanza with the percentage of hosts that upgrade; 100 is everybody, and needs no field."""
    without = LINE.sub("", stanza)
    return without if percent >= ALL else f"{without}{FIELD}: {percent}\n"


def phase(repository: Repository, suite: str, query: str, percent: int, say: Say, reason: str = "") -> Published:
    """Give the published packages that `query` names this percentage, as a generation of its own; the draft waits on.

    Raises `KubedebError`: USAGE for what is no query; PACKAGE when the suite has no such package; as `publish`.
    """
    asked = asked_for(query)

    def target(opened: Transaction, live: Live | None) -> Applied:
        before = live.snapshot if live else Snapshot()
        found = [row for row in rows_of(opened.load, before) if row.architecture != SOURCE and asked.matches(*row.key)]
        if not found:
            raise KubedebError(f"nothing that {suite} serves is {query!r}", hint=f"kubedeb repo list --suite {suite}",
                               code=ExitCode.PACKAGE)  # fmt: skip
        return apply(before, opened.load, set(), [row._replace(stanza=phased(row.stanza, percent)) for row in found])

    name = repository.suite(suite).name
    wish = Wish(name, target, Why("phase", reason, query), f"{query} for {percent} % of the hosts", again=False)
    return publish_together(repository, [wish], say)[0]
