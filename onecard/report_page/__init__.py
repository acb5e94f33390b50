"""The report: recorded runs to a page model, and the page as HTML, Markdown or JSON.

records ── sections ──▶ Page: tables, charts, cases     pure, no I/O
                          │
                          └──▶ html, markdown, as_json  the same content, three times
"""
