"""From the bytes of a saved log to the text that its programs wrote."""
