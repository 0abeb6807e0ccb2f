"""Judges every state that a plan can reach in the model of docs/model.md: proven, or the shortest way into trouble."""

from upgrade_plans.prover.prove import prove
from upgrade_plans.prover.verdict import Exposure, Moment, Story, Verdict, Violation

__all__ = ["Exposure", "Moment", "Story", "Verdict", "Violation", "prove"]
