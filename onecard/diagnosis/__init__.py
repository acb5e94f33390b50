"""What a failed log means: the first true error, its cause, and the command to type.

The knowledge is data, onecard/data/diagnosis/*.yml; to add a failure, add a rule there.
"""

from __future__ import annotations

from onecard.diagnosis.engine import NO_ERROR, Diagnosis, Finding, diagnose
from onecard.diagnosis.rules import Rule, load_rules, shipped_rules

__all__ = ["NO_ERROR", "Diagnosis", "Finding", "Rule", "diagnose", "load_rules", "shipped_rules"]
