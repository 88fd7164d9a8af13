"""Spaces as properties: whatever the ranges and conditions, settings are of the space and found at their place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.errors import UserError
from modelwright.testing.tuning import SPACES
from modelwright.tuning import Parameter, Space
from modelwright.tuning.searches.grid import points
from modelwright.tuning.space import first_settings

shares = st.floats(0, 1, allow_nan=False)


@st.composite
def parameters(draw: st.DrawFn) -> dict[str, Any]:
    form = draw(st.sampled_from(["float", "log", "whole", "whole log", "step", "choices"]))
    if form == "choices":
        values = st.one_of(
            st.text(max_size=3), st.integers(-5, 5), st.none(), st.booleans(), st.lists(st.integers(), max_size=2)
        )
        found: list[Any] = []
        for value in draw(st.lists(values, min_size=1, max_size=5)):
            if value not in found:
                found.append(value)
        return {"choices": found}
    low = draw(st.integers(1, 50))
    high = low + draw(st.integers(1, 100))
    if form in ("float", "log"):
        return {"low": low / 7, "high": high / 7, "log": form == "log"}
    return {"low": low, "high": high, "integer": True, "log": form == "whole log"} if form != "step" else {
        "low": low / 4, "high": high / 4, "step": draw(st.sampled_from([0.25, 0.5, 1.0]))
    }  # fmt: skip


@given(parameters(), shares)
def test_a_share_of_the_way_gives_a_value_that_lies_there(plain: dict[str, Any], share: float) -> None:
    one = Parameter.parse(plain, where="x")
    value = one.at(share)
    assert one.holds(value) and one.nearest(value) == value
    assert 0 <= one.share(value) <= 1 and one.at(one.share(value)) == value
    if one.choices is None:
        assert one.at(0.0) <= value <= one.at(1.0)
        assert isinstance(value, int) == one.integer


@given(parameters(), st.integers(1, 9))
def test_values_of_a_grid_are_different_and_reach_both_ends(plain: dict[str, Any], n: int) -> None:
    one = Parameter.parse(plain, where="x")
    values = one.values(n)
    assert all(one.holds(value) for value in values)
    if one.choices is None:
        assert list(values) == sorted(set(values)) and len(values) <= max(n, 1)
        assert n == 1 or values[0] == one.nearest(one.low) and one.share(values[-1]) == one.share(one.nearest(one.high))


@pytest.mark.parametrize("name", SPACES)
@given(point=st.lists(shares, min_size=4, max_size=4))
def test_settings_of_a_space_come_back_from_their_place(name: str, point: list[float]) -> None:
    space = Space.parse(SPACES[name])
    settings = space.at(point[: len(space)])
    assert space.holds(settings) and space.at(space.place(settings)) == settings == space.nearest(settings)
    assert Space.parse(space.to_plain()) == space


def test_conditions() -> None:
    space = Space.parse(SPACES["conditional"])
    assert list(space.at([0.5, 0.1, 0.5, 0.5])) == ["cost", "kernel"]
    assert list(space.at([0.5, 0.9, 0.5, 0.5])) == ["cost", "kernel", "degree", "width"]
    assert not space.holds({"kernel": "linear", "cost": 1.0, "degree": 2})
    assert space.n_points is None
    few = Space.parse({"a": ["x", "y"], "b": {"low": 1, "high": 3, "integer": True, "when": {"a": "y"}}})
    assert few.n_points == 4 == len(few.grid(0))
    deep = Space.parse(
        {"c": [1, 2], "b": {"choices": [1, 2], "when": {"c": 2}}, "a": {"low": 0, "high": 1, "when": {"b": 1}}}
    )
    assert list(deep.parameters) == ["c", "b", "a"] and list(deep.at([0.9, 0.9, 0.5])) == ["c", "b"]


def test_the_order_in_which_parameters_are_written_changes_nothing() -> None:
    turned = dict(reversed(SPACES["conditional"].items()))
    assert list(Space.parse(turned).parameters) == list(Space.parse(SPACES["conditional"]).parameters)


@pytest.mark.parametrize(
    ("plain", "words"),
    [
        ({}, "names no parameter"),
        ({"x": 3}, "a range or a list of choices"),
        ({"x": {"low": 2, "high": 1}}, "low must be below high"),
        ({"x": {"low": 0, "high": 1, "log": True}}, "low above 0"),
        ({"x": {"low": 0.5, "high": 2, "integer": True}}, "must be whole"),
        ({"x": {"low": 0}}, "give low and high"),
        ({"x": {"choices": [1], "low": 0}}, "choices have no low"),
        ({"x": []}, "one or more different values"),
        ({"x": [1, 1]}, "one or more different values"),
        ({"x": {"low": 0, "high": 1, "lag": True}}, "no setting `lag`"),
        ({"x": {"low": 0, "high": 1, "when": {"y": 1}}}, "`y`, which is no parameter"),
        ({"y": {"low": 0, "high": 1}, "x": {"low": 0, "high": 1, "when": {"y": 1}}}, "which is a range"),
        ({"y": [1, 2], "x": {"low": 0, "high": 1, "when": {"y": [1, 3]}}}, "to be 3, which it never is"),
        ({"x": {"choices": [1], "when": {"y": 1}}, "y": {"choices": [1], "when": {"x": 1}}}, "in a circle: x, y"),
    ],
)
def test_a_space_that_is_none_is_refused_with_its_rule(plain: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        Space.parse(plain)


def test_first_settings_are_brought_into_the_space_once_each() -> None:
    space = Space.parse(
        {"rate": {"low": 0.01, "high": 0.1, "log": True}, "leaves": {"low": 4, "high": 64, "integer": True}}
    )
    given_ = [{"rate": 0.5, "leaves": 6}, {"rate": 0.1, "leaves": 6}, {"leaves": 6.4}]
    first = first_settings(space, given_)
    assert first == [{"leaves": 6, "rate": 0.1}, {"leaves": 6, "rate": pytest.approx(0.0316228)}]
    with pytest.raises(UserError, match="did you mean `leaves`"):
        first_settings(space, [{"leafs": 3}])


def test_a_grid_has_what_trials_allow() -> None:
    space = Space.parse(
        {"a": ["x", "y", "z"], "b": {"low": 0.0, "high": 1.0}, "c": {"low": 1, "high": 3, "integer": True}}
    )
    assert len(points(space, 20)) == 12 and len(points(space, 40)) == 36
    assert sorted({one["b"] for one in points(space, 40)}) == [0, 0.333333, 0.666667, 1] or len(points(space, 40)) == 27
    with pytest.raises(UserError, match=r"12 points, more than `trials`, 11"):
        points(space, 11)
    whole = Space.parse({"c": {"low": 1, "high": 3, "integer": True}, "d": ["u", "v"]})
    assert len(points(whole, 1000)) == 6
