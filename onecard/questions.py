"""Which picture questions fit the model that a host serves."""

from __future__ import annotations

from pathlib import Path

from onecard.smoke.cases import CaseFile, load_cases

FOLDER = Path(__file__).parent / "data" / "smoke"


def case_file(served_model: str, given: str = "") -> Path:
    """Return the file given, else the one for the served model.

    The tiny model knows coloured shapes alone; any other is asked about food.
    """
    if given:
        return Path(given)
    return FOLDER / ("shapes.yml" if "tiny-vqa" in served_model else "food.yml")


def questions(served_model: str, given: str = "") -> CaseFile:
    """Return the cases. Raises UsageError for a bad file."""
    return load_cases(case_file(served_model, given))
