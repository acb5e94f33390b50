"""What each task does, one module a family: thin, between flags and the parts."""
