"""Schedules: how the learning rate goes through a run, as pure functions of the step."""

from modelwright.training.schedules.base import Schedule, ScheduleSpec, make_schedule

__all__ = ["Schedule", "ScheduleSpec", "make_schedule"]
