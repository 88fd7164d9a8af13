"""One file that answers raw rows for years: the graph, how cells are read, and the rows that prove it."""

from modelwright.packaging.base import Package, package
from modelwright.packaging.spec import CompressSpec, PackageSpec

__all__ = ["CompressSpec", "Package", "PackageSpec", "package"]
