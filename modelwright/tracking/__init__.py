"""Tracking: what a run tells its watcher, laid out in TensorBoard, MLflow and Weights & Biases."""

from modelwright.tracking.base import Sink, Tracker, Tracking, track
from modelwright.tracking.notes import File, Note, Scalar, Settings, Text, notes_of

__all__ = [
    "File",
    "Note",
    "Scalar",
    "Settings",
    "Sink",
    "Text",
    "Tracker",
    "Tracking",
    "notes_of",
    "track",
]
