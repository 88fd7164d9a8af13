"""Tuning: settings tried in turn, the next ones chosen by what the last ones came to. Over any function."""

from modelwright.tuning.base import StudySpec, TuneSpec, tune
from modelwright.tuning.space import Parameter, Space
from modelwright.tuning.study import Study, Tried
from modelwright.tuning.tuner import Trial, Tuner

__all__ = ["Parameter", "Space", "Study", "StudySpec", "Trial", "Tried", "TuneSpec", "Tuner", "tune"]
