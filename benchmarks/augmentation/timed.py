"""One side of the race, a process of its own: reads the name of a case, writes CPU seconds per image, and again.

`python timed.py ours PHOTOS.npy` or, in the peer's environment, `python timed.py peer PHOTOS.npy`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.augmentation.cases import OURS, peers

Once = Callable[[int], None]


def ours(photos: np.ndarray) -> dict[str, Once]:
    import torch

    from modelwright.augmentation import augment, prepare
    from modelwright.core.use import Use
    from modelwright.training.loop.batch import Batch
    from modelwright_runtime.signature import ArrayInput

    torch.set_num_threads(1)
    inputs = (ArrayInput(form="image", columns=("photo",)),)
    batch = Batch((torch.from_numpy(photos),), ())

    def case(name: str) -> Once:
        steps = prepare([Use(method=method, settings=settings) for method, settings in OURS[name]], inputs, ())
        return lambda step: augment(batch, inputs, (), steps, seed=0, epoch=0, step=step) and None

    return {name: case(name) for name in OURS}


def peer(photos: np.ndarray) -> dict[str, Once]:
    import cv2

    cv2.setNumThreads(1)

    def case(transform: Callable[..., dict[str, np.ndarray]]) -> Once:
        def once(step: int) -> None:
            for photo in photos:
                transform(image=photo)

        return once

    return {name: case(transform) for name, transform in peers().items()}


def main() -> None:
    photos = np.load(sys.argv[2])
    cases = {"ours": ours, "peer": peer}[sys.argv[1]](photos)
    print("ready", flush=True)
    for step, line in enumerate(sys.stdin):
        once = cases[line.strip()]
        began = time.process_time()
        once(step)
        print((time.process_time() - began) / len(photos), flush=True)


if __name__ == "__main__":
    main()
