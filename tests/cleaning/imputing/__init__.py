"""Tests of missing values."""
