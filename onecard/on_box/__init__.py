"""Programs that are sent to a box and run there: one file each, the standard library alone."""
