"""Wrong labels: rows whose label the rest of the data speaks against, ranked, with the label that it speaks for."""

from modelwright.cleaning.labels.base import LabelErrors, label_errors
from modelwright.cleaning.labels.confident import Noise, noise_of

__all__ = ["LabelErrors", "Noise", "label_errors", "noise_of"]
