"""Learning without a target: which rows are odd, which belong together, few coordinates in place of many columns."""

from modelwright.unsupervised.anomalies import anomalies
from modelwright.unsupervised.clusters import clusters
from modelwright.unsupervised.embedding import embedding
from modelwright.unsupervised.spec import AnomalySpec, ClustersSpec, EmbeddingSpec, spec_of

__all__ = ["AnomalySpec", "ClustersSpec", "EmbeddingSpec", "anomalies", "clusters", "embedding", "spec_of"]
