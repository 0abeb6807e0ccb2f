"""The plan of a whole stack: the order from `climb`, each change written out as its procedure says, nodes counted."""

from upgrade_plans.planner.whole.make import make_upgrade
from upgrade_plans.planner.whole.wishes import Request

__all__ = ["Request", "make_upgrade"]
