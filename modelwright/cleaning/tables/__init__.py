"""Wrong cells of tables: found and put right without labels."""

from modelwright.cleaning.tables.base import WrongCellsSpec, propose

__all__ = ["WrongCellsSpec", "propose"]
