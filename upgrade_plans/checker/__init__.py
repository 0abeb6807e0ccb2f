"""Checks a certificate anew: written from docs/model.md apart from the prover, with which it shares the models and the rows."""

from upgrade_plans.checker.check import check
from upgrade_plans.checker.wholecheck import check_whole

__all__ = ["check", "check_whole"]
