"""The picture questions that fit the model that a host serves."""

from __future__ import annotations

from pathlib import Path

from onecard.smoke.case import CaseFile, load_cases

FOLDER = Path(__file__).parent / "cases"


def case_file(served_model: str, given: str = "") -> Path:
    """Return the path of the given file, else of the one for the served model.

    The tiny model knows only coloured shapes; every other model gets questions about food.
    """
    if given:
        return Path(given)
    return FOLDER / ("shapes.yml" if "tiny-vqa" in served_model else "food.yml")


def questions(served_model: str, given: str = "") -> CaseFile:
    """Return the cases. Raises UsageError for an invalid file."""
    return load_cases(case_file(served_model, given))
