"""Read-only questions to a node that a preflight asks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from upgrade_plans.adapters.hosts import must
from upgrade_plans.adapters.protocols import Hosts, RefusedError

QUICK = 60.0


class NodeProbes:
    """Asked with which, df, dpkg and systemctl."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts

    def missing(self, node: str, programs: Sequence[str]) -> tuple[str, ...]:
        """Return the programs that are not on the node's path."""
        outcome = must(self._hosts.run(node, ("which", *programs), timeout=QUICK), node, "looking for programs", ok=(0, 1))
        found = {line.rpartition("/")[2] for line in outcome.text.splitlines()}
        return tuple(program for program in programs if program not in found)

    def free(self, node: str, path: str) -> int:
        """Return the free bytes of the file system that `path` is on, or will be on once it is made."""
        for place in (PurePosixPath(path), *PurePosixPath(path).parents):
            outcome = self._hosts.run(node, ("df", "--output=avail", "-B1", str(place)), timeout=QUICK)
            if outcome.status == 0:
                return int(outcome.text.split()[-1])
        raise RefusedError(f"node {node}", f"asking for the free space of {path}", outcome.stderr.decode(errors="replace"))

    def unfinished(self, node: str) -> str:
        """Return what dpkg says of half-installed packages; empty when there are none."""
        return must(self._hosts.run(node, ("dpkg", "--audit"), timeout=QUICK), node, "asking dpkg", ok=(0, 1)).text.strip()

    def enabled(self, node: str, unit: str) -> str:
        """Return systemd's word: `systemctl is-enabled` prints it whatever its status."""
        outcome = self._hosts.run(node, ("systemctl", "is-enabled", unit), timeout=QUICK)
        return outcome.text.strip() or outcome.stderr.decode(errors="replace").strip()
