"""Why there is no plan."""

from __future__ import annotations

from dataclasses import dataclass

AGAIN = "Then read the facts again: kubedeb inspect."


@dataclass(frozen=True)
class Reason:
    """One thing that stands in the way: what, what to change, and the id of the rule that says so, if one does."""

    what: str
    remedy: str
    rule: str = ""


@dataclass(frozen=True)
class NoPlan:
    """There is no legal plan, for these reasons (all that were found, not only the first)."""

    reasons: tuple[Reason, ...]


class RefusedError(Exception):
    """Raised inside the planner to leave it with reasons; never seen outside."""

    def __init__(self, *reasons: Reason) -> None:
        super().__init__("; ".join(reason.what for reason in reasons))
        self.reasons = reasons
