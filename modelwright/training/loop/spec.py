"""`LoopSpec`: how a network is trained. Light: no torch here."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from modelwright.core.spec import Spec
from modelwright.core.use import Use


class LoopSpec(Spec):
    """How a network is trained. What is `None` follows from the data, and is told.

    >>> LoopSpec(optimizer={"adamw": {"learning_rate": 0.01}}, clip_norm=1.0).optimizer.settings
    {'learning_rate': 0.01}
    """

    epochs: float = Field(default=20.0, gt=0, description="passes over the training rows")
    max_steps: int | None = Field(default=None, ge=1, description="steps in place of epochs")
    batch_size: int = Field(default=32, ge=1, description="rows of one step, over all processes together")
    accumulate: int = Field(default=1, ge=1, description="parts that a batch is worked on in, to save memory")
    optimizer: Use = Field(default=Use(method="adamw"), description="method of the optimizers, with settings")
    schedule: Use = Field(default=Use(method="one_cycle"), description="course of the learning rate")
    clip_norm: float | None = Field(default=None, gt=0, description="largest length of the whole gradient")
    clip_value: float | None = Field(default=None, gt=0, description="largest size of any part of the gradient")
    l1: float = Field(default=0.0, ge=0, description="weight of the sum of absolute weights in the loss")
    average: float | None = Field(
        default=None, gt=0, lt=1, description="keep a running mean of the weights with this memory, such as 0.999"
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        default="auto", description="auto: bf16 where the hardware multiplies it, else fp32"
    )
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="auto: the first CUDA device, else CPU")
    compile: bool = Field(default=False, description="let torch.compile rewrite the network: minutes at the start")
    patience: int | None = Field(
        default=None, ge=1, description="stop after so many validations without gain; by default never"
    )
    validations: int = Field(
        default=40, ge=1, description="most often that the validation rows are scored; never more than once an epoch"
    )
    checkpoint_every_s: float = Field(default=60.0, ge=0, description="seconds between checkpoints")
    keep_checkpoints: int = Field(default=2, ge=1, description="how many of the last checkpoints are kept")
    n_workers: int = Field(default=2, ge=0, description="threads that fetch rows that do not fit in memory")
    share: Literal["auto", "ddp", "fsdp"] = Field(
        default="auto", description="with several processes (torchrun): copies of the network, or shares of it"
    )

    @model_validator(mode="after")
    def _parts_fit(self) -> LoopSpec:
        if self.batch_size % self.accumulate:
            raise ValueError(f"accumulate must divide batch_size ({self.batch_size}); got {self.accumulate}")
        return self
