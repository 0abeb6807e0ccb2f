"""Facts, cluster, target, knowledge → a plan, or why there is none. Pure: nothing is read and nothing is changed."""

from upgrade_plans.planner.make import make_plan
from upgrade_plans.planner.reasons import NoPlan, Reason

__all__ = ["NoPlan", "Reason", "make_plan"]
