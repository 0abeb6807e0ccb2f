"""A state of the model in docs/semantics.md: the world, the program that changes it, and the one outstanding fault."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

Line = tuple[int, int]
"""A minor line, (3, 4) for every 3.4.x."""


class Progress(StrEnum):
    """Where an act is on one node."""

    ISSUED = "issued"
    STOPPED = "stopped"
    UNKNOWN = "unknown"
    DONE = "done"


class Direction(StrEnum):
    """Where the program goes."""

    FORWARD = "forward"
    BACK = "back"
    ROLLED_BACK = "rolled-back"


class FaultKind(StrEnum):
    """What can fail: one at a time."""

    PROCESS = "process"
    NODE = "node"
    ROW = "row"
    LINK = "link"
    EXECUTOR = "executor"


class Fault(NamedTuple):
    """The outstanding fault; `where` is a node's or a row's name, empty for the executor."""

    kind: FaultKind
    where: str = ""


class State(NamedTuple):
    """One state: a named tuple, because hundreds of thousands of them are made and hashed.

    Tuples run over the plan's `members` in their order; `acts` over the current step's `nodes`.

    `installed` and `running` are upstream versions (None: not running); `cached` the versions that lie ready on the node;
    `cluster` the cluster version's line; `leader` a member's index; `saved` and `proven` the lines at which a backup was
    made, and restored and compared. `step` indexes the plan's steps (their number when done), `act` the step's acts;
    `acts` is empty while nothing is in flight.
    """

    installed: tuple[str, ...]
    running: tuple[str | None, ...]
    cached: tuple[frozenset[str], ...]
    cluster: Line
    leader: int | None
    saved: frozenset[Line]
    proven: frozenset[Line]
    direction: Direction
    step: int
    act: int
    acts: tuple[Progress, ...]
    fault: Fault | None
