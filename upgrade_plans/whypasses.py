"""Why the workers of a whole stack's plan are not emptied less often: what each pass is needed for, by the rows of skew."""

from __future__ import annotations

from kubedeb.knowledge import Knowledge
from kubedeb.versions import Version
from upgrade_plans.models.upgrade import Step, Upgrade
from upgrade_plans.models.upgradekinds import StepKind
from upgrade_plans.prover.stackskew import Skew


def why_not_fewer(plan: Upgrade, step: Step, knowledge: Knowledge) -> str:
    """Return why a step over workers could not be left to the pass after it, or joined with the one before; empty: not known.

    Looked at are kubelets beside API servers only; what else needs a pass stands in its phase's reason.
    """
    if step.kind is not StepKind.WORKERS or step.from_ is None or step.to is None:
        return ""
    skew = Skew(knowledge)
    steps = list(plan.steps)
    at = steps.index(step)
    for later in steps[at:]:
        if later.kind is StepKind.APISERVER and later.to and (rules := _broken(skew, step.from_, later.to)):
            return f"kubelets of {step.from_} may not be beside API servers of {later.to} ({later.id}) [{', '.join(rules)}]"
    before = [number for number, one in enumerate(steps[:at]) if one.kind is StepKind.WORKERS and one.to == step.from_]
    if before and (server := _server(steps[: before[-1]])) and (rules := _broken(skew, step.to, server)):
        earlier = steps[before[-1]].id
        return f"at {earlier} API servers were {server}, and kubelets of {step.to} may not be beside them [{', '.join(rules)}]"
    return ""


def _server(steps: list[Step]) -> str | None:
    """Return the version that the newest change of API servers among the steps leads to."""
    return next((one.to for one in reversed(steps) if one.kind is StepKind.APISERVER and one.to), None)


def _broken(skew: Skew, kubelet: str, server: str) -> tuple[str, ...]:
    try:
        return skew.pair("kubelet", Version.parse(kubelet), Version.parse(server))
    except ValueError:  # A plan written by hand may say anything; the prover refuses it.
        return ()
