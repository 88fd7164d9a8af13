"""fairlearn's thresholds by group on scores on disk: accuracy and gaps on the other half, means over divisions."""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate, true_positive_rate
from fairlearn.postprocessing import ThresholdOptimizer
from sklearn.base import BaseEstimator, ClassifierMixin

warnings.filterwarnings("ignore")
case = np.load(Path(sys.argv[1]) / "case.npz")
score, truth, group = case["score"], case["truth"].astype(int), case["group"]
METRICS = {"selection": selection_rate, "found": true_positive_rate, "false": false_positive_rate}


class Scores(BaseEstimator, ClassifierMixin):
    """An estimator whose rows are their scores."""

    fitted_ = True

    def fit(self, x, y):
        return self

    def predict_proba(self, x):
        return np.column_stack([1 - x[:, 0], x[:, 0]])

    def predict(self, x):
        return (x[:, 0] >= 0.5).astype(int)


rates = {}
for constraint in ("demographic_parity", "true_positive_rate_parity", "equalized_odds"):
    made = []
    for number, order in enumerate(case["halves"]):
        one, two = order[: len(order) // 2], order[len(order) // 2 :]
        optimizer = ThresholdOptimizer(
            estimator=Scores(), constraints=constraint, objective="accuracy_score", prefit=True,
            predict_method="predict_proba",
        )  # fmt: skip
        optimizer.fit(score[one, None], truth[one], sensitive_features=group[one])
        told = optimizer.predict(score[two, None], sensitive_features=group[two], random_state=number)
        frame = MetricFrame(metrics=METRICS, y_true=truth[two], y_pred=told, sensitive_features=group[two])
        made.append([(told == truth[two]).mean(), *frame.difference().to_numpy()])
    rates[constraint] = np.mean(made, axis=0).tolist()
whole = MetricFrame(metrics=METRICS, y_true=truth, y_pred=(score >= 0.5).astype(int), sensitive_features=group)
print(json.dumps({"rates": rates, "frame": whole.by_group.to_numpy().tolist()}))
