"""The table of Shapley values in tests/explanation/test_shapley.py, as the library `shap` reckons it: by its exact
explainer, over every set of columns, against the same background. Run it in the peer's environment."""

import numpy as np
import shap


def answer(x: np.ndarray) -> np.ndarray:
    """A number of five columns that work together."""
    return (
        np.tanh(x[:, 0] * x[:, 1])
        + 0.5 * x[:, 2] ** 2 * (x[:, 3] > 0)
        - 0.3 * x[:, 4]
        + x[:, 0] * x[:, 2] * x[:, 4] / 4
    )


places = np.arange(40)
background = np.sin(places[:, None] * np.array([1.0, 2.3, 3.1, 4.7, 5.9]) + 0.5)
rows = np.array([[0.5, -1.0, 2.0, 0.3, 1.0], [1.5, 0.2, -0.7, -0.4, -2.0], [0.0, 0.0, 1.0, 1.0, 0.0]])
found = shap.explainers.Exact(answer, shap.maskers.Independent(background, max_samples=40))(rows)
print(shap.__version__)
print(np.round(found.values, 10).tolist())
print(np.round(found.base_values, 10).tolist())
