"""Ways to give rows few coordinates: one file each, named in the registry."""
