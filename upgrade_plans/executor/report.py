"""What a run came to: for each member the version before, the version that runs now, and the time its change took."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

from upgrade_plans.adapters.protocols import World
from upgrade_plans.executor.journal import Run, RunStatus, Taken
from upgrade_plans.executor.readings import MemberReading, read_members
from upgrade_plans.executor.runs import RunFolder
from upgrade_plans.models.plan import Act, Plan
from upgrade_plans.models.state import Progress


@dataclass(frozen=True)
class MemberReport:
    """One member: versions before and now (None: it does not answer), seconds that its installs and restarts took."""

    node: str
    before: str
    now: str | None
    cluster_version: str | None
    healthy: bool
    seconds: float


@dataclass(frozen=True)
class Report:
    """A run at its end, or where it stands."""

    run: str
    folder: str
    status: RunStatus
    seconds: float
    members: tuple[MemberReport, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it as `--json` prints it."""
        return asdict(self)


def report(world: World, folder: RunFolder) -> Report:
    """Read the members once more and put what the journal knows beside it."""
    plan = folder.plan()
    with closing(folder.journal()) as journal:
        run, acts = journal.run(), journal.acts()
    readings = read_members(world, [member.node for member in plan.members])
    members = tuple(_member(member.node, member.running, readings[member.node], acts) for member in plan.members)
    return Report(run.id, str(folder.path), run.status, (run.ended or world.clock.now()) - run.created, members)


def _member(node: str, before: str, reading: MemberReading, acts: tuple[Taken, ...]) -> MemberReport:
    changes = [taken for taken in acts if taken.node == node and taken.name in (Act.INSTALL, Act.RESTART)]
    seconds = sum(taken.ended - taken.issued for taken in changes if taken.issued is not None and taken.ended is not None)
    return MemberReport(node, before, reading.running, reading.cluster_version, reading.healthy, round(seconds, 2))


def step_states(plan: Plan, run: Run, acts: tuple[Taken, ...]) -> list[dict[str, str]]:
    """Return where each step of the plan is: done, in progress, to do, or taken back."""
    found = []
    for phase, index, step in plan.numbered():
        mine = [taken for taken in acts if taken.step == index]
        back = [taken for taken in mine if taken.direction != "forward"]
        if back:
            state = "taken back" if all(taken.state is Progress.DONE for taken in back) else "being taken back"
        elif index < run.position.step or run.status is RunStatus.DONE:
            state = "done"
        else:
            state = "begun" if mine else "to do"
        found.append({"phase": phase.id, "step": step.id, "nodes": ",".join(step.nodes), "state": state,
                      "detail": next((taken.detail for taken in mine if taken.detail), "")})  # fmt: skip
    return found
