"""Kills, flipped bits and full disks."""
