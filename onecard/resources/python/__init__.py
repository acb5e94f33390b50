"""Python environments on a box: the interpreter, its packages, wheels, checks."""
