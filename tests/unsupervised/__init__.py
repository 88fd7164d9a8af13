"""Tests of learning without a target."""
