"""Outliers without labels, each with the columns that make it odd."""

from modelwright.cleaning.outliers.base import Outliers, outliers

__all__ = ["Outliers", "outliers"]
