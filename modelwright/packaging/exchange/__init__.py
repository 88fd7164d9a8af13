"""Packages to other houses and back: MLflow model directories, and layers as container registries keep them."""

from modelwright.packaging.exchange.layers import read_layers, write_layers
from modelwright.packaging.exchange.mlflow import read_mlflow, write_mlflow

__all__ = ["read_layers", "read_mlflow", "write_layers", "write_mlflow"]
