"""The passes over the workers that an order of stages makes: what moves on each node while it is empty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kubedeb.versions import Version
from upgrade_plans.planner.climb import Climb

WITH_KUBELET = ("kubelet", "kube-proxy", "CNI plugins")
"""What one node step moves: kube-proxy has the kubelet's minor in every rest state, and the plugins are the minor's."""


@dataclass(frozen=True)
class Pass:
    """Every worker is emptied once and `moves` are done on it then. `stage` is the number of the climb's stage, if any."""

    stage: int | None
    old: Version | None
    new: Version | None
    moves: tuple[str, ...]


def passes(found: Climb, also: Sequence[str] = ()) -> tuple[Pass, ...]:
    """Return the passes of a climb. What else needs an empty node (`also`: docker, a reboot) shares the first of them.

    docker moves only when it is named. Raises `ValueError` for Calico: its 3.x nodes move inside a window in which nothing is
    drained (calico-datastore), so it never shares a drain.
    """
    if shared := [what for what in also if "calico" in what.lower()]:
        raise ValueError(f"{shared[0]} shares no drain: nothing may be drained inside the Calico window")
    made = [
        Pass(number, stage.move.old, stage.move.new, WITH_KUBELET)
        for number, stage in enumerate(found.stages) if stage.move.group == "workers"
    ]  # fmt: skip
    if not made:
        return (Pass(None, None, None, tuple(also)),) if also else ()
    first = made[0]
    return (Pass(first.stage, first.old, first.new, (*first.moves, *also)), *made[1:])
