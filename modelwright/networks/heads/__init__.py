"""Heads: the vector, map or past that is read, to the answer of one task. Each file holds a Spec and its `HEAD`."""
