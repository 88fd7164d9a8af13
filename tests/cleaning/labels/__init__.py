"""Tests of wrong labels."""
