"""Requirements: what the task needs of its data, held against what is there."""

from modelwright.profiling.requirements.base import Finding, Met, SourceRows, met
from modelwright.profiling.requirements.spec import RequirementsSpec

__all__ = ["Finding", "Met", "RequirementsSpec", "SourceRows", "met"]
