"""LitServe as its tutorial has it: `python with_litserve.py PORT`, run in the peer's own environment."""

import os
import sys

import litserve
import numpy as np
import onnxruntime


class Higgs(litserve.LitAPI):
    def setup(self, device):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options)

    def decode_request(self, request):
        return np.array(request["rows"], dtype=np.float64)

    def predict(self, x):
        return self.session.run(None, {"numbers": x})[0]

    def encode_response(self, output):
        return {"probabilities": output.tolist()}


if __name__ == "__main__":
    litserve.LitServer(Higgs(), accelerator="cpu").run(port=int(sys.argv[1]), generate_client_file=False)
