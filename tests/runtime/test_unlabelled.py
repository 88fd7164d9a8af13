"""Answers without a target: their columns, rows in no group, and a package of them beside older ones."""

from __future__ import annotations

import json

import numpy as np

from modelwright_runtime.model import _told
from modelwright_runtime.signature import Task
from modelwright_runtime.unlabelled import schema_of, shape_of, words_of

GROUPS = Task(kind="clusters", target="cluster", classes=("1", "2"))


def test_a_row_in_no_group_is_told_so() -> None:
    told = _told(GROUPS, np.array([[0.2, 0.7], [0.0, 0.0]]), 0.5)
    assert told.rows() == [{"cluster": "2", "probability": 0.7}, {"cluster": None, "probability": 0.0}]
    assert json.dumps(told.rows()) and told.probabilities is not None and told.probabilities.shape == (2, 2)


def test_coordinates_have_their_names() -> None:
    task = Task(kind="embedding", target="embedding", classes=("x1", "x2", "x3"))
    told = _told(task, np.arange(6.0).reshape(2, 3), 0.5)
    assert told.columns() == {"x1": [0.0, 3.0], "x2": [1.0, 4.0], "x3": [2.0, 5.0]}
    assert told.prediction.tolist() == [0.0, 3.0] and "x2 1" in repr(told)


def test_schemas_name_the_columns_that_are_told() -> None:
    tasks = (GROUPS, Task(kind="anomaly", target="anomaly", classes=("age",)),
             Task(kind="embedding", target="embedding", classes=("x1",)))  # fmt: skip
    for task in tasks:
        told = _told(task, np.zeros(shape_of(task, 3)), 0.5)
        assert told.names() == list(schema_of(task)) and words_of(task)
        assert len(told) == 3


def test_no_rows_have_no_answers() -> None:
    for task in (GROUPS, Task(kind="anomaly", target="anomaly", classes=("age",))):
        assert _told(task, np.empty(shape_of(task, 0)), 0.5).rows() == []
