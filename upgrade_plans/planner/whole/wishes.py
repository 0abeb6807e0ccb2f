"""What is asked for: the target, and where between risk and time the plan is to lie."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches

from kubedeb.versions import Version
from upgrade_plans.models.upgradekinds import Mode
from upgrade_plans.planner.reasons import Reason, RefusedError
from upgrade_plans.planner.stack import BY_NAME, KEPT, OF_PRODUCT


@dataclass(frozen=True)
class Request:
    """The target by product or group; `limits` (`total`, `row`, `rack`, `taint_group`, `bgp`) replace the cluster file's.

    `via`: the patch to pass a line with, by product and line (`kubernetes-1.8`).
    `also`: what else moves while a worker is empty (docker, reboot).
    `depool`: users are led to other data centres meanwhile.
    """

    target: dict[str, Version]
    mode: Mode = Mode.USUAL
    limits: dict[str, str] = field(default_factory=dict)
    via: dict[str, Version] = field(default_factory=dict)
    also: tuple[str, ...] = ()
    depool: bool = False

    def goals(self, at: dict[str, dict[str, Version]]) -> dict[str, Version]:
        """Return the version that each group is to reach; what is not named stays. Raises `RefusedError`."""
        goals = {group: max(versions.values()) for group, versions in at.items()}
        for name in sorted(self.target, key=lambda name: name in BY_NAME and name not in OF_PRODUCT):
            groups = OF_PRODUCT.get(name, (name,))
            if not set(groups) & BY_NAME.keys():
                known = sorted({*OF_PRODUCT, *BY_NAME} - {KEPT})
                near = get_close_matches(name, known, n=1)
                raise RefusedError(Reason(
                    f"no plan has a version of {name} as its target" + (f"; did you mean {near[0]!r}?" if near else ""),
                    f"Targets are {', '.join(known)}. What else moves on an empty worker is asked for by --also,"
                    " as in --also docker.",
                ))  # fmt: skip
            here = [group for group in groups if group in at]
            if not here:
                raise RefusedError(Reason(
                    f"the facts name no {name} that could move", "Read the facts again with it, or leave it out of the target.",
                ))  # fmt: skip
            goals |= dict.fromkeys(here, self.target[name])
        for group, goal in goals.items():
            if goal < max(at[group].values()):
                raise RefusedError(Reason(
                    f"{group} would go down from {max(at[group].values())} to {goal}",
                    "A plan goes up only; the way back of a run is `kubedeb rollback`.",
                ))  # fmt: skip
        return goals
