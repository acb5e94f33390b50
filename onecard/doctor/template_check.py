"""Check the templates of the user's folder against the built-in ones. Needs no box."""

from __future__ import annotations

from onecard.doctor.check import Check
from onecard.templates.own_templates import own_templates


def template_checks() -> tuple[Check, ...]:
    """Return one check, or none where the user has no templates of their own."""
    found = own_templates()
    if not found:
        return ()
    outdated = [each.name for each in found if each.state == "outdated"]
    unused = [each.name for each in found if each.state == "unused"]
    if outdated:
        check = Check(
            "templates",
            "warning",
            f"templates/{outdated[0]}: the built-in one has changed since it was copied",
            f"see what differs (invoke templates --diff {outdated[0]}), move yours away, copy it "
            "again and repeat your changes",
        )
    elif unused:
        check = Check(
            "templates",
            "warning",
            f"templates/{unused[0]} replaces nothing: there is no built-in one of this name",
            "rename it (invoke templates lists the names), or remove it",
        )
    else:
        check = Check("templates", "ok", f"{len(found)} of your own")
    return (check,)
