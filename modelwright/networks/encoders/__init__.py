"""Encoders: one array in, one vector a row out. Each file holds a Spec and its `ENCODER`."""
