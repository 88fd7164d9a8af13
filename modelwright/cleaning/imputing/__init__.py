"""Missing values: guessed from the other columns, once or as several draws, and pooled."""

from modelwright.cleaning.imputing.base import Imputed, ImputeSpec, apply, impute, learn
from modelwright.cleaning.imputing.pooling import Pooled, pool

__all__ = ["ImputeSpec", "Imputed", "Pooled", "apply", "impute", "learn", "pool"]
