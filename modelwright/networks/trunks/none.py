"""No trunk: the vectors side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelwright.core.spec import Spec
from modelwright.networks.base import Part, Trunk

if TYPE_CHECKING:
    from torch import nn


class NoneSpec(Spec):
    """Nothing to set."""


def build(spec: NoneSpec, parts: tuple[Part, ...]) -> nn.Module:
    """Vectors (n, width_i) side by side, with nothing learned: heads read what encoders say.

    >>> build(NoneSpec(), (Part(width=3), Part(width=4))).width
    7
    """
    from modelwright.networks.modules.mlp import Joined

    return Joined(parts)


TRUNK = Trunk(spec=NoneSpec, build=build)
