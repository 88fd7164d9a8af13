"""Ways to choose the next settings, one file each."""
