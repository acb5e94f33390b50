"""Commands on the files of one's own folder: made, its templates copied, a host exported."""
