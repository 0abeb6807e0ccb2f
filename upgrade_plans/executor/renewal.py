"""Backups that are proven, or taken again: what cannot be compared any more, or is too old, is no reason to be stuck."""

from __future__ import annotations

from collections.abc import Callable

from upgrade_plans.adapters.protocols import CompactedError
from upgrade_plans.executor import acts
from upgrade_plans.executor.journal import Journal
from upgrade_plans.executor.program import Task
from upgrade_plans.executor.readings import line_of
from upgrade_plans.models.plan import Plan, Step, StepKind

TRIES = 3
"""Comparisons of one drill; before each but the first another backup is saved. Members compact every few minutes."""


def backup_step(plan: Plan, task: Task) -> tuple[int, Step] | None:
    """Return the last step before (index, step) that saves the store at the cluster version of `task`; None without one."""
    found = [(index, step) for _, index, step in plan.numbered() if index < task.position.step
             and step.kind is StepKind.BACKUP and line_of(step.from_) == line_of(task.from_)]  # fmt: skip
    return found[-1] if found else None


def drill(
    stage: Callable[[], acts.Stage], journal: Journal, task: Task, node: str, note: Callable[[str], None], *, anew: bool
) -> acts.Effect:
    """Restore and compare the newest backup of `node`; `anew`: save another one first.

    One that is gone, or whose revision the members have compacted, is saved again; each is in the journal before it is
    compared. Raises `KubedebError` as `acts.save` and `acts.compare` do, after `TRIES` comparisons what the last one said.
    """
    last: CompactedError | acts.StaleError | None = None
    source = backup_step(stage().plan, task)
    for number in range(TRIES):
        if (anew or number) and source is not None:
            saved = acts.save(stage(), *source, node)
            _keep(stage(), journal, saved)
            note(f"{node}: another backup: {saved.text}")
        try:
            compared = acts.compare(stage(), task, node)
        except (CompactedError, acts.StaleError) as error:
            last = error
            note(f"{node}: {error.brief}: {error.details}")
            continue
        _keep(stage(), journal, compared)
        return acts.Effect(compared.text)
    raise last or acts.StaleError(f"node {node}", "the drill", "no backup was compared")


def _keep(stage: acts.Stage, journal: Journal, effect: acts.Effect) -> None:
    if effect.backup is not None:
        journal.keep(effect.backup, stage.world.clock.now())
