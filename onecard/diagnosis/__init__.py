"""What a failed log means: the first true error, its cause, and the command to type.

The knowledge is data, onecard/data/diagnosis/*.yml; to add a failure, add a rule there.
"""

from __future__ import annotations

from onecard.diagnosis.advice import advice
from onecard.diagnosis.engine import diagnose
from onecard.diagnosis.rules import Rule, load_rules, shipped_rules
from onecard.diagnosis.verdict import NO_ERROR, Diagnosis, Finding

__all__ = [
    "NO_ERROR",
    "Diagnosis",
    "Finding",
    "Rule",
    "advice",
    "diagnose",
    "load_rules",
    "shipped_rules",
]
