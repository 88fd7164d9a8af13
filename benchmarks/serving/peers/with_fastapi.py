"""FastAPI and Pydantic as their tutorial has it: `uvicorn with_fastapi:app`, run in the peer's own environment."""

import os
from typing import Annotated

import numpy as np
import onnxruntime
from fastapi import FastAPI
from pydantic import BaseModel, Field

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["MODEL"], options)
app = FastAPI()


class Rows(BaseModel):
    rows: list[Annotated[list[float], Field(min_length=28, max_length=28)]]


class Answers(BaseModel):
    probabilities: list[list[float]]


@app.post("/predict")
def predict(asked: Rows) -> Answers:
    x = np.array(asked.rows, dtype=np.float64)
    return Answers(probabilities=session.run(None, {"numbers": x})[0].tolist())
