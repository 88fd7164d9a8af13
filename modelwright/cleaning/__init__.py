"""Cleaning: kept + removed = input, always; and mending: what is wrong is put right, and can be taken back."""

from modelwright.cleaning.base import CleanSpec, clean
from modelwright.cleaning.history import Group, History
from modelwright.cleaning.log import summary
from modelwright.cleaning.mend import Mended, MendSpec, Method, mend

__all__ = ["CleanSpec", "Group", "History", "MendSpec", "Mended", "Method", "clean", "mend", "summary"]
