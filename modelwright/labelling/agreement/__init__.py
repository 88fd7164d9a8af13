"""Agreement: whether several people mean the same by a class, beyond what chance alone would give."""

from modelwright.labelling.agreement.base import Agreement, AgreementSpec, agreement, reading
from modelwright.labelling.agreement.cohen import cohen, per_pair
from modelwright.labelling.agreement.fleiss import fleiss
from modelwright.labelling.agreement.krippendorff import alpha, alpha_interval

__all__ = [
    "Agreement",
    "AgreementSpec",
    "agreement",
    "alpha",
    "alpha_interval",
    "cohen",
    "fleiss",
    "per_pair",
    "reading",
]
