"""Trunks: what the encoders say, joined into one vector a row. Each file holds a Spec and its `TRUNK`."""
