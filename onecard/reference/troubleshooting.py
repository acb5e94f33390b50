"""docs/troubleshooting.md: every rule of the diagnosis as symptom, cause and fix."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Final

from onecard.diagnosis.rule import Rule, shipped_rules
from onecard.diagnosis.texts import exact_text

HEAD: Final = """\
# Troubleshooting

<!-- Made by `make docs` from the rules of diagnosis; changes belong there. -->

The failures that `invoke diagnose`, and `deploy` after a failed start, recognise. The symptom is a
line of a log; a word in capitals stands for a value that varies. To diagnose a log:

    invoke diagnose --host a100-1        # the journal of the box
    invoke diagnose --log saved.log      # a file

Missing a case? [A rule is a few lines of YAML](contributing.md#add-a-diagnosis-rule).
"""
STAGES: Final = {
    "apt": "Debian packages",
    "driver": "The NVIDIA driver",
    "cuda": "CUDA libraries",
    "python": "Python packages",
    "build": "Compilers and headers",
    "model": "The model's files",
    "memory": "GPU memory",
    "start": "The server's start",
    "service": "The systemd service",
    "run": "The running server",
    "request": "Requests",
    "hardware": "Hardware",
}
KINDS: Final = {
    "symptom": "A consequence, not the cause itself: the cause is elsewhere in the log.",
    "wrapper": "It hides the cause, which is elsewhere in the log.",
    "note": "No failure of the server.",
}


def troubleshooting_page() -> str:
    """Return the page's text."""
    order = list(STAGES)
    rules = sorted(shipped_rules(), key=lambda rule: order.index(rule.stage))
    text = [HEAD]
    for stage, listed in groupby(rules, key=lambda rule: rule.stage):
        text.append(f"\n## {STAGES[stage]}\n")
        for rule in listed:
            text += _rule(rule)
    return "".join(text)


def _rule(rule: Rule) -> Iterator[str]:
    yield f"\n### {rule.id}\n\n"
    yield f"``` {{ .text .wrap }}\n{rule.example.strip()}\n```\n"
    yield f"\n**Cause:** {_plain(rule.cause)}"
    if rule.kind in KINDS:
        yield f" {KINDS[rule.kind]}"
    yield f"\n\n**Fix:** {_plain(rule.fix)}\n"
    typed = [
        f"    {_plain(command, escape=False)}{where}\n"
        for command, where in ((rule.command, ""), (rule.on_box, "    # on the box"))
        if command
    ]
    if typed:
        yield "\n" + "".join(typed)


def _plain(text: str, *, escape: bool = True) -> str:
    """Return a template with capitals for its captures, as Markdown unless `escape` is off."""
    shown = re.sub(r"\{(\w+)\}", lambda found: found[1].upper(), exact_text(text)).strip()
    if not escape:
        return shown.replace("{{", "{").replace("}}", "}")
    return re.sub(r"([\\`*_<>\[\]#|])", r"\\\1", shown).replace("{{", "{").replace("}}", "}")
