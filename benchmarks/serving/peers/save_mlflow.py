"""The model as MLflow saves it, with its signature: `python save_mlflow.py MODELS FOLDER`, in MLflow's environment."""

import sys
from pathlib import Path

import lightgbm
import mlflow
import numpy as np
import onnx

models, folder = Path(sys.argv[1]), Path(sys.argv[2])
x = np.load(models / "rows.npy")
booster = lightgbm.Booster(model_file=str(models / "model.txt"))
signature = mlflow.models.infer_signature(x, booster.predict(x))
mlflow.lightgbm.save_model(booster, str(folder / "lightgbm"), signature=signature)
wide = mlflow.models.infer_signature(x.astype(np.float64), np.zeros((len(x), 2), dtype=np.float32))
mlflow.onnx.save_model(onnx.load(models / "model.onnx"), str(folder / "onnx"), signature=wide)
