"""What is known about versions: YAML rows beside this file, one rule a row, each with its source; read by `load`."""

from kubedeb.knowledge.loader import Knowledge, load
from kubedeb.knowledge.schema import Confidence, Detect, Flag, Rule, RuleKind, Severity

__all__ = ["Confidence", "Detect", "Flag", "Knowledge", "Rule", "RuleKind", "Severity", "load"]
