"""Ways to divide rows into groups: one file each, named in the registry."""
