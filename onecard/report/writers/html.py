"""A page as one self-contained HTML file, which loads nothing from the network."""

from __future__ import annotations

from markupsafe import Markup

from onecard.report.blocks.blocks import Page, Plot
from onecard.report.writers.svg import draw
from onecard.templates.render import render


def to_html(page: Page) -> str:
    """Return the file's text. Everything but the drawings is escaped on its way in."""
    svgs = {
        block.key: [
            # Matplotlib escapes the text in what it draws; svg.py escapes title and description.
            (width, Markup(svg))  # noqa: S704
            for width, svg in draw(block.key, block.title, block.alt, block.drawing)
        ]
        for section in page.sections
        for block in section.blocks
        if isinstance(block, Plot)
    }
    return render("report.html.j2", {"page": page, "svgs": svgs}, escape=True)
