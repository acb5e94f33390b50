"""Download of a model from the Hugging Face hub: one program, sent to the box as one archive."""
