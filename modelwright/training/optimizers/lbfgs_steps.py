"""torch's L-BFGS, which says how it wants to be called."""

from torch.optim import LBFGS


class Lbfgs(LBFGS):
    """torch's, unchanged."""

    needs_closure = True
