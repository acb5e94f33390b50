"""What each task does, one module a family: flags checked, one call, output printed."""
