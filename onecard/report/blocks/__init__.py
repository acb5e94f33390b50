"""The parts of a report's page: sections, tables, charts, numbers. No layout, no I/O."""
