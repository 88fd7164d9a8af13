"""Rules that stop a trial before its end, one file each."""
