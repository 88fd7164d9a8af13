"""The doctor: what is wrong with a training, in plain words, with one change that mends it."""

from modelwright.training.doctor.base import DoctorMode, Symptom, Verdict
from modelwright.training.doctor.observer import Doctor

__all__ = ["Doctor", "DoctorMode", "Symptom", "Verdict"]
