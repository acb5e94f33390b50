"""Diagnose the log of a failure: the first true error, its cause, and the command to run.

The rules are data, onecard/diagnosis/rules/*.yml; to add a failure, add a rule there.
"""

from __future__ import annotations

from onecard.diagnosis.advice import advice
from onecard.diagnosis.engine import diagnose
from onecard.diagnosis.rule import Rule, load_rules, shipped_rules
from onecard.diagnosis.verdict import NO_ERROR, NOT_SEEN_TO_ANSWER, Diagnosis, Finding

__all__ = [
    "NOT_SEEN_TO_ANSWER",
    "NO_ERROR",
    "Diagnosis",
    "Finding",
    "Rule",
    "advice",
    "diagnose",
    "load_rules",
    "shipped_rules",
]
