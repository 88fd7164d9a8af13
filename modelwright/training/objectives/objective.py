"""The module that a training loop calls: one loss, or several and their weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from modelwright.core.errors import UserError
from modelwright.training.objectives.base import Loss, LossFunction
from modelwright.training.objectives.multi import Weighting


class Term(NamedTuple):
    """The loss of one task."""

    loss: Loss
    spec: Any
    function: LossFunction
    target: str


class Objective(nn.Module):
    """`objective(outputs, targets, weights=None)`: the losses of all tasks, weighed and added up.

    Its parameters (those of the uncertainty weighting) go to the optimizer as `more_parameters`, its state is
    part of a checkpoint. Where `needs_balance`, the loop calls, before it goes backward,
    `objective.balance(losses, shared_parameter)` with `losses = objective.losses(...)`, and goes backward from
    `objective.total(losses)`.
    """

    weighting: Weighting | None

    def __init__(self, terms: Sequence[Term], weighting: Weighting | None) -> None:
        super().__init__()
        self.terms = tuple(terms)
        self.functions = nn.ModuleList(term.function for term in terms if isinstance(term.function, nn.Module))
        self.weighting = weighting
        self._is_new = True
        # A list hides the function from nn.Module, which would make reading it slow.
        self._first = [term.function for term in terms][:1] if weighting is None else []

    @property
    def needs_balance(self) -> bool:
        """Whether the loop is to call `balance`."""
        return self.weighting is not None and self.weighting.needs_balance

    def forward(self, outputs: Sequence[Tensor], targets: Sequence[Tensor], weights: Tensor | None = None) -> Tensor:
        """The number to make smaller, a scalar."""
        if self._is_new:
            self._check(outputs, targets)
        if self._first:
            return self._first[0](outputs[0], targets[0], weights)
        return self.total(self.losses(outputs, targets, weights))

    def losses(
        self, outputs: Sequence[Tensor], targets: Sequence[Tensor], weights: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """Each task's own loss, unweighed: what is shown to people."""
        if self._is_new:
            self._check(outputs, targets)
        pairs = zip(self.terms, outputs, targets, strict=True)
        return tuple(term.function(output, target, weights) for term, output, target in pairs)

    def total(self, losses: tuple[Tensor, ...]) -> Tensor:
        """The weighed sum of the tasks' losses."""
        return losses[0] if self.weighting is None else self.weighting.total(losses)

    def balance(self, losses: tuple[Tensor, ...], shared_parameter: Tensor) -> None:
        """Let the weights follow the gradients that each loss sends to a parameter that all tasks share."""
        if self.weighting is not None:
            self.weighting.balance(losses, shared_parameter)

    def _check(self, outputs: Sequence[Tensor], targets: Sequence[Tensor]) -> None:
        if not len(outputs) == len(targets) == len(self.terms):
            raise UserError(
                "objective.tasks",
                f"{len(self.terms)} tasks need as many outputs and targets; got {len(outputs)} and {len(targets)}.",
                hint="a network answers with one tensor per task",
            )
        for term, output, target in zip(self.terms, outputs, targets, strict=True):
            shapes = tuple(output.shape), tuple(target.shape)
            if not term.loss.fits(*shapes, term.spec):
                raise UserError(
                    "objective.shape",
                    f"the loss `{term.loss.name}` of {term.target!r} takes {term.loss.takes}; "
                    f"got outputs {shapes[0]} and targets {shapes[1]}.",
                    hint="give the network an output of that form, or name another loss",
                )
        self._is_new = False
