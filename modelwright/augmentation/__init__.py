"""Augmentation: training batches in, changed batches out, labels kept true."""

from modelwright.augmentation.base import Augmentation, AugmentSpec, Step, augment, augmenter, prepare
from modelwright.augmentation.check import Checked, Survival, check
from modelwright.augmentation.defaults import default_steps
from modelwright.augmentation.preview import Preview, preview
from modelwright.augmentation.translated import Made, back_translate, translator, with_made_rows

__all__ = [
    "AugmentSpec",
    "Augmentation",
    "Checked",
    "Made",
    "Preview",
    "Step",
    "Survival",
    "augment",
    "augmenter",
    "back_translate",
    "check",
    "default_steps",
    "prepare",
    "preview",
    "translator",
    "with_made_rows",
]
