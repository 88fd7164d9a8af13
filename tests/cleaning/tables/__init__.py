"""Tests of wrong cells in tables."""
