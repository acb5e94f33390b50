"""The report of a failure to attach to an issue, redacted."""

from __future__ import annotations

from collections.abc import Mapping

from onecard.diagnosis.redaction import NOTHING_KNOWN, Known, redact
from onecard.diagnosis.verdict import Diagnosis

LOG_LINES = 400
_HEAD = """\
# A failure, diagnosed by onecard

Secrets, addresses, host names and user names are replaced by placeholders. Read it before you
publish it: what a prompt or a path says of you is not recognised.
"""


def problem_report(
    found: Diagnosis, log: str, sections: Mapping[str, str], known: Known = NOTHING_KNOWN
) -> str:
    """Return the report as Markdown: the diagnosis, the sections, and the log's last lines.

    sections: title -> text; an empty one is left out.
    """
    summary = [
        ("rule", found.rule or "none"),
        ("cause", found.cause),
        (f"line {found.line_number}", found.line),
    ]
    parts = {
        "Diagnosis": "\n".join(f"{title}: {text}" for title, text in summary if text),
        "The lines around it": "\n".join(found.context),
        **sections,
        f"The log's last {LOG_LINES} lines": "\n".join(log.splitlines()[-LOG_LINES:]),
    }
    body = "".join(
        f"\n## {title}\n\n````text\n{text.strip(chr(10))}\n````\n"
        for title, text in parts.items()
        if text.strip()
    )
    return _HEAD + redact(body, known)
