"""The daemon's unit on a node, through systemctl."""

from __future__ import annotations

from upgrade_plans.adapters.hosts import change, must
from upgrade_plans.adapters.protocols import Hosts, RefusedError

START_SECONDS = 120.0
SETTLE_SECONDS = 900.0
LOG_LINES = "15"


class SystemdUnits:
    """One unit, by the same name on every node."""

    def __init__(self, hosts: Hosts, unit: str) -> None:
        self._hosts = hosts
        self._unit = unit

    def settle(self, node: str) -> None:
        """Wait for the lock that every command which changes a node holds."""
        must(change(self._hosts, node, ("true",), timeout=SETTLE_SECONDS), node, "waiting for an earlier command")

    def restart(self, node: str) -> None:
        """Restart the unit; a failed start says what the unit logged."""
        # A unit that failed often in a row is refused by systemd until this is forgotten.
        change(self._hosts, node, ("systemctl", "reset-failed", self._unit), timeout=SETTLE_SECONDS)
        outcome = change(self._hosts, node, ("systemctl", "restart", self._unit), timeout=START_SECONDS)
        if outcome.status:
            log = self._hosts.run(
                node, ("journalctl", "-u", self._unit, "-n", LOG_LINES, "--no-pager", "-o", "cat"), timeout=30
            )
            try:
                must(outcome, node, f"restarting {self._unit}")
            except RefusedError as error:
                raise RefusedError(f"node {node}", f"restarting {self._unit}", f"{error.details}\n{log.text.strip()}") from None
