"""Jinja templates of the folder templates/; undefined variables are errors."""
