"""A page as Markdown: the same sentences and tables, plots as tables of their numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

from onecard.report.blocks.blocks import (
    Block,
    Code,
    Commands,
    Gallery,
    Listing,
    Missing,
    Page,
    Paragraph,
    Plot,
    Section,
    Table,
    Verdict,
    Warn,
)
from onecard.report.blocks.numbers import Kind

_SPECIAL = re.compile(r"([\\`*_\[\]|#~])")


def to_markdown(page: Page) -> str:
    """Return the page's text in GitHub's Markdown."""
    lines = [f"# {plain(page.title)}", "", plain(page.subtitle), "", plain(page.summary), ""]
    lines += [f"- **{plain(each.value)}** {plain(each.note)}" for each in page.figures]
    for section in page.sections:
        lines += ["", *_section(section)]
    lines += ["", "---", "", plain(page.foot), ""]
    return "\n".join(lines)


def plain(text: object) -> str:
    """Return text in one line, escaped for Markdown and HTML."""
    line = " ".join(str(text).split())
    return _SPECIAL.sub(r"\\\1", escape(line, quote=False))


def code(text: object) -> str:
    """Return text as a code span, escaped; `|` too, which would end a table's cell."""
    line = " ".join(str(text).split())
    longest = max((len(run) for run in re.findall("`+", line)), default=0)
    fence = "`" * (longest + 1)
    gap = " " if "`" in line else ""
    return f"{fence}{gap}{line}{gap}{fence}".replace("|", "\\|") if line else ""


def _section(section: Section) -> Iterator[str]:
    yield f"## {plain(section.title)}"
    for block in section.blocks:
        yield ""
        yield from _block(block)


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Paragraph):
        yield plain(block.text)
    elif isinstance(block, Warn):
        yield f"> **{plain(block.text)}**"
    elif isinstance(block, Missing):
        yield f"{plain(block.text)} {code(block.command)}"
    elif isinstance(block, Commands):
        yield plain(block.caption)
        yield ""
        yield from (f"    {line}" for line in block.lines)
    elif isinstance(block, Listing):
        yield "<details>"
        yield f"<summary>{escape(block.caption)}</summary>"
        yield ""
        yield from (f"    {line}" for line in block.lines)
        yield ""
        yield "</details>"
    elif isinstance(block, Plot):
        yield from _table(block.table())
    elif isinstance(block, Table):
        yield from _table(block)
    elif isinstance(block, Gallery):
        yield from _gallery(block)


def _table(table: Table) -> Iterator[str]:
    yield f"**{plain(table.caption)}**"
    yield ""
    titles = (f"{title} ({unit})" if unit else title for title, unit in table.headings())
    yield "| " + " | ".join(plain(title) for title in titles) + " |"
    marks = ("---" if column.kind is Kind.TEXT else "---:" for column in table.columns)
    yield "|" + "|".join(marks) + "|"
    for raw, texts in zip(table.rows, table.texts(), strict=True):
        yield "| " + " | ".join(map(_cell, raw, texts)) + " |"
    if table.note:
        yield ""
        yield plain(table.note)


def _cell(raw: object, text: str) -> str:
    if isinstance(raw, Verdict):
        return f"{raw.tone.sign} {plain(text)}"
    return code(text) if isinstance(raw, Code) else plain(text)


def _gallery(gallery: Gallery) -> Iterator[str]:
    yield "| case | question | expected | answer | |"
    yield "|---|---|---|---|---|"
    for card in gallery.cards:
        cells = (card.name, card.question, card.expected, card.given)
        verdict = f"{card.verdict.tone.sign} {plain(card.verdict.text)}"
        facts = ", ".join(f"{term} {fact}" for term, fact in card.facts)
        yield "| " + " | ".join(map(plain, cells)) + f" | {verdict}, {plain(facts)} |"
