"""The report: recorded runs become a page model, and that becomes HTML, Markdown or JSON.

records ── sections ──▶ Page: tables, charts, cases     pure, no I/O
                          │
                          └──▶ html, markdown, as_json  the same content, three times
"""
