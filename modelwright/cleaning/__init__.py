"""Cleaning: kept + removed = input, always."""

from modelwright.cleaning.base import CleanSpec, clean
from modelwright.cleaning.log import summary

__all__ = ["CleanSpec", "clean", "summary"]
