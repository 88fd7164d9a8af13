"""Detectors of odd rows: one file each, named in the registry."""
