"""What a recipe says of the package. Light: nothing but settings."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from modelwright.core import registry
from modelwright.core.spec import Spec

Target = Literal["server", "mobile", "embedded"]


class CompressSpec(Spec):
    """Which compressions are tried, and what they may cost."""

    batch_size: int = Field(1, ge=1, le=65_536, description="rows asked at once, for which time is measured")
    tolerance: float = Field(
        0.01, ge=0, le=0.5, description="most that the score may fall, on all rows or a slice, and calibration worsen"
    )
    methods: tuple[str, ...] | None = Field(
        None, description="methods of the compression stage to try; by default all that suit the model"
    )

    @field_validator("methods")
    @classmethod
    def _known(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        known = registry.entries("compression")
        for name in names or ():
            if name not in known:
                raise ValueError(f"there is no compression `{name}`; known: {', '.join(sorted(known))}")
        return names


class PackageSpec(Spec):
    """What is packed, and for where.

    >>> PackageSpec(compress={"batch_size": 32}).compression().batch_size
    32
    >>> PackageSpec().compression() is None
    True
    """

    compress: Literal["off", "auto"] | CompressSpec = Field(
        "off",
        description="try smaller and faster forms of the model and keep one only if it is measured to be no worse; off "
        "by default, for what is chosen by measured time makes the package's bytes depend on the machine",
    )
    targets: tuple[Target, ...] = Field(("server",), description="where the model is to run")

    @field_validator("compress", mode="before")
    @classmethod
    def _words(cls, given: Any) -> Any:
        return {True: "auto", False: "off"}[given] if isinstance(given, bool) else given

    def compression(self) -> CompressSpec | None:
        """The settings of compression, or None when it is off."""
        if isinstance(self.compress, CompressSpec):
            return self.compress
        return CompressSpec() if self.compress == "auto" else None
