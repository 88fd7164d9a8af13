"""Active learning: which rows to label next, so that few labels teach the model most."""

from modelwright.labelling.active.base import ActiveSpec, choose, worth
from modelwright.labelling.active.spread import spread_out, typical
from modelwright.labelling.active.stopping import Progress, progress

__all__ = ["ActiveSpec", "Progress", "choose", "progress", "spread_out", "typical", "worth"]
