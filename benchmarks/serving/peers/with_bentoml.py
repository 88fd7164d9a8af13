"""BentoML as its tutorial has it: `bentoml serve with_bentoml:Higgs`, run in the peer's own environment."""

import os

import bentoml
import numpy as np
import onnxruntime


@bentoml.service
class Higgs:
    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options)

    @bentoml.api
    def predict(self, rows: np.ndarray) -> np.ndarray:
        return self.session.run(None, {"numbers": rows.astype(np.float64)})[0]
