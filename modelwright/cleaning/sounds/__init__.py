"""Sounds: silent, clipped, noisy, of another rate, too short."""
