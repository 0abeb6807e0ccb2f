"""What a proof comes to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Violation:
    """A broken invariant (its id in docs/semantics.md), which of its clauses, what is wrong, at which step, by which rules."""

    invariant: str
    clause: str
    what: str
    step: str | None = None
    rules: tuple[str, ...] = ()


def wrong(what: str, step: str | None = None) -> Violation:
    """Return that a document says what no plan can say: invariant `plan`, before any state is judged."""
    return Violation("plan", "static", what, step)


@dataclass(frozen=True)
class Exposure:
    """A stretch in which one more fault of a class would take the majority, and nothing can be done about it.

    `states` is the number of states, `seconds` how long the step is expected to take (p50), `recovery` what helps then.
    """

    step: str
    fault: str
    states: int
    seconds: float
    recovery: str


@dataclass(frozen=True)
class Moment:
    """One transition of a story: what happened, and what runs where afterwards (by node).

    `planned`: nobody has to fail or to turn back for it; `ends_step`: the step is done with it.
    """

    what: str
    where: dict[str, str]
    cluster_version: str
    step: str
    planned: bool = True
    ends_step: bool = False


@dataclass(frozen=True)
class Story:
    """A shortest way from an initial state into a violation."""

    begins: dict[str, str]
    leader: str
    moments: tuple[Moment, ...]
    ends: Violation


@dataclass(frozen=True)
class Verdict:
    """The outcome: no violation means proven; `states` is None when the plan was refused without exploring.

    `visited` is how many of the states were visited, each standing for all that reductions make equal to it; `evidence` are the
    digests of these by place, for a checker.

    `facts` is the sha256 of the facts that the plan was compared with, None when there were none.
    """

    violations: tuple[Violation, ...]
    states: int | None
    levels: dict[str, int] = field(default_factory=dict)
    exposures: tuple[Exposure, ...] = ()
    findings: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    inferred: tuple[str, ...] = ()
    counterexample: Story | None = None
    facts: str | None = None
    visited: int | None = None
    evidence: dict[str, Any] | None = None

    @property
    def proven(self) -> bool:
        """Say whether no reachable state violates an invariant."""
        return not self.violations
