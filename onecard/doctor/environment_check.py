"""Check that no file of the environment's packages is missing."""

from __future__ import annotations

from onecard.checks import files_check, read
from onecard.doctor.check import Check


def environment(output: str) -> Check:
    """Check the environment's files. output: of `files_check`; empty without an environment."""
    if not output:
        return Check("environment", "ok", "none is installed yet")
    outcome = read(files_check(), output)
    if outcome.trouble:
        return Check("environment", "warning", outcome.trouble, "invoke provision")
    packages = sum(key == "package" for key, _ in outcome.values)
    return Check("environment", "ok", f"the files of {packages} packages are all there")
