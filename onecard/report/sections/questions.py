"""The picture questions of the newest smoke test, with their pictures and answers."""

from __future__ import annotations

from collections.abc import Mapping

from onecard.report.blocks import numbers
from onecard.report.blocks.blocks import (
    Block,
    CaseCard,
    Gallery,
    Missing,
    Paragraph,
    Section,
    Tone,
    Verdict,
    Warn,
)
from onecard.report.evidence.evidence import Event, Evidence
from onecard.report.evidence.provenance import source


def section(evidence: Evidence) -> Section:
    """Return the cases and the control without pictures, or the command that measures them."""
    smoke = evidence.smoke
    if smoke is None:
        nothing = Missing(
            "No picture question has been answered.", f"invoke smoke --host {evidence.host}"
        )
        return Section("questions", "Picture questions", (nothing,))
    blocks: list[Block] = []
    control: Event = smoke.summary.get("picture_control") or {}
    if control.get("failure"):
        blocks.append(Warn(f"Picture control failed: {control['failure']}."))
    elif control:
        blocks.append(
            Paragraph(
                f"Control: sent again without their pictures, {control.get('right_without')} of "
                f"{control.get('asked')} were answered right, so the answers do come from the "
                "pictures."
            )
        )
    blocks.append(Gallery("cases", tuple(_card(case, evidence.pictures) for case in smoke.cases)))
    blocks.append(Paragraph(source(smoke.run)))
    return Section("questions", "Picture questions", tuple(blocks))


def _card(case: Event, pictures: Mapping[str, str]) -> CaseCard:
    picture = (case.get("picture") or {}).get("file", "")
    tokens = (case.get("prompt_tokens"), case.get("completion_tokens"))
    facts = [("latency", numbers.seconds(case.get("latency_s")))]
    if None not in tokens:
        facts.append(("tokens", f"{numbers.count(tokens[0])} + {numbers.count(tokens[1])}"))
    right = bool(case.get("passed"))
    return CaseCard(
        name=str(case.get("name", "")),
        picture=pictures.get(picture, ""),
        question=str(case.get("question", "")),
        expected=" or ".join(str(word) for word in case.get("expected") or ()),
        given=str(case.get("error") or case.get("given") or "(empty)"),
        verdict=Verdict("right", Tone.GOOD) if right else Verdict("wrong", Tone.BAD),
        facts=tuple(facts),
    )
