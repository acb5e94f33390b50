"""The writers of a report's page: HTML, Markdown and JSON, with charts as SVG."""
