"""Values of shap for a case on disk: `exact N`, `permutation P N`, `kernel S N`, against N background rows."""

import json
import sys
import time
import warnings
from pathlib import Path

import lightgbm
import numpy as np
import shap

warnings.filterwarnings("ignore")
folder, how = Path(sys.argv[1]), sys.argv[2].split()
case = np.load(folder / "case.npz")
rows, background = case["rows"], case["background"][: int(how[-1])]
model = lightgbm.Booster(model_file=folder / "model.txt")
asked = 0


def answer(x: np.ndarray) -> np.ndarray:
    global asked
    asked += len(x)
    return model.predict(x, num_threads=1, raw_score=True)


began = time.perf_counter()
if how[0] == "exact":
    explainer = shap.TreeExplainer(model, background, feature_perturbation="interventional", model_output="raw")
    values = explainer.shap_values(rows, check_additivity=False)
elif how[0] == "permutation":
    masker = shap.maskers.Independent(background, max_samples=len(background))
    explainer = shap.explainers.Permutation(answer, masker, seed=0)
    n_columns = rows.shape[1]
    values = explainer(rows, max_evals=int(how[1]) * (2 * n_columns + 1), silent=True).values
else:
    np.random.seed(0)
    explainer = shap.KernelExplainer(answer, background)
    values = explainer.shap_values(rows, nsamples=how[1] if how[1] == "auto" else int(how[1]), silent=True)
seconds = time.perf_counter() - began
print(json.dumps({"values": np.asarray(values).tolist(), "n_asked": asked / len(rows), "seconds": seconds}))
