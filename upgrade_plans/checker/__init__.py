"""Checks a certificate anew: written from docs/semantics.md apart from the prover, sharing the models and the rows with it."""

from upgrade_plans.checker.check import check
from upgrade_plans.checker.wholecheck import check_whole

__all__ = ["check", "check_whole"]
