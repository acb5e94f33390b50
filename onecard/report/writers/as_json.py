"""A page as JSON: raw values in base units, for other programs.

    {"title", "subtitle", "summary", "figures": [{"value", "note"}],
     "sections": [{"key", "title", "blocks": [{"type", ...}]}]}

type is paragraph, warning, missing, commands, listing, table, plot or cases. Rows of a table are
objects by its columns' keys: s, GiB, tokens, shares of 1.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from onecard.report.blocks.blocks import (
    Block,
    Commands,
    Gallery,
    Listing,
    Missing,
    Page,
    Paragraph,
    Plot,
    Table,
    Warn,
)
from onecard.report.blocks.chart import Bar
from onecard.report.blocks.numbers import is_number


def to_json(page: Page) -> dict[str, Any]:
    """Return plain values."""
    return {
        "title": page.title,
        "subtitle": page.subtitle,
        "summary": page.summary,
        "figures": [{"value": each.value, "note": each.note} for each in page.figures],
        "sections": [
            {
                "key": section.key,
                "title": section.title,
                "blocks": [_block(block) for block in section.blocks],
            }
            for section in page.sections
        ],
    }


def _block(block: Block) -> dict[str, Any]:
    if isinstance(block, Paragraph):
        return {"type": "paragraph", "text": block.text}
    if isinstance(block, Warn):
        return {"type": "warning", "text": block.text}
    if isinstance(block, Missing):
        return {"type": "missing", "text": block.text, "command": block.command}
    if isinstance(block, Commands):
        return {"type": "commands", "caption": block.caption, "lines": list(block.lines)}
    if isinstance(block, Listing):
        return {"type": "listing", "key": block.key, "caption": block.caption,
                "values": dict(block.values)}  # fmt: skip
    if isinstance(block, Table):
        keys = [column.key for column in block.columns]
        return {
            "type": "table",
            "key": block.key,
            "caption": block.caption,
            "rows": [
                {key: _value(cell) for key, cell in zip(keys, row, strict=True)}
                for row in block.rows
            ],
            "note": block.note,
        }
    if isinstance(block, Plot):
        return {"type": "plot", "key": block.key, "title": block.title, "alt": block.alt,
                **_drawing(block)}  # fmt: skip
    return _gallery(block)


def _drawing(block: Plot) -> dict[str, Any]:
    drawing = block.drawing
    if isinstance(drawing, Bar):
        rows = [
            {"name": name, "parts": [{"name": part.name, "size": part.size} for part in parts]}
            for name, parts in drawing.rows
        ]
        return {"unit": drawing.unit, "rows": rows}
    return {
        "x": drawing.x_label,
        "y": drawing.y_label,
        "series": [asdict(series) for series in drawing.series],
    }


def _gallery(gallery: Gallery) -> dict[str, Any]:
    return {
        "type": "cases",
        "key": gallery.key,
        "cases": [
            {
                "name": card.name,
                "question": card.question,
                "expected": card.expected,
                "given": card.given,
                "verdict": card.verdict.text,
                **dict(card.facts),
            }
            for card in gallery.cards
        ],
    }


def _value(cell: object) -> object:
    return cell if cell is None or isinstance(cell, bool) or is_number(cell) else str(cell)
