"""Tests of outliers."""
