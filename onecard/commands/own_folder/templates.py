"""`invoke templates`."""

from __future__ import annotations

from onecard.cli.task import print_rows
from onecard.errors import UsageError
from onecard.templates.own_templates import (
    built_in_templates,
    copy_template,
    own_templates,
    template_diff,
)

MEANING = {
    "current": "your copy",
    "outdated": "your copy; the built-in one has changed since",
    "own": "your own",
    "unused": "your own; replaces nothing",
}


def templates(copy: str, diff: str) -> int:
    """List the templates; copy one into the user's folder, or show how one's own differs."""
    if copy and diff:
        raise UsageError("--copy and --diff: pass one of them")
    if copy:
        path = copy_template(copy)
        print(f"copied to {path}; edit it, then see what it changes on a box:")
        print("invoke deploy --check --diff")
        return 0
    if diff:
        print(template_diff(diff) or f"templates/{diff} is the same as the built-in one")
        return 0
    own = {each.name: MEANING[each.state] for each in own_templates()}
    names = sorted({*built_in_templates(), *own})
    print_rows((name, own.get(name, "built-in")) for name in names)
    return 0
