"""Augmentation of photos on one core against albumentations 2.0.8, in turn, and boxes and masks against the analytic
transform. `make bench NAME=augmentation`; `--rounds 3` for a quick look.

Times are CPU seconds of one thread (`time.process_time`), a process each, both sides timed in turn: on a busy machine
they still rise, for caches are shared; the peer's figures say how much.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.augmentation.cases import HEIGHT, OURS, WIDTH
from benchmarks.augmentation.places import worst
from benchmarks.common import ROOT, bar, machine

HERE = Path(__file__).resolve().parent
PEER = ROOT / "benchmarks" / ".peers" / "augmentation"
NEEDS = ("albumentations==2.0.8", "opencv-python-headless", "numpy")
BARS = {"elastic": 160.0, "noise": 450.0, "crop and flip": 2300.0}
N_PHOTOS = 16
lines: list[str] = []


def tell(text: str) -> None:
    print(text, flush=True)
    lines.append(text)


def peer_python() -> str:
    """The peer's own environment, made once; it is not part of ours."""
    python = PEER / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", PEER], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *NEEDS], check=True)
    return str(python)


def photos() -> np.ndarray:
    """uint8 (16, 375, 500, 3): the two photos that come with scikit-learn, in turn."""
    from PIL import Image
    from sklearn.datasets import load_sample_images

    two = [np.asarray(Image.fromarray(image).resize((WIDTH, HEIGHT))) for image in load_sample_images().images]
    return np.stack([two[number % 2] for number in range(N_PHOTOS)])


class Side:
    """A process that times one round of a case when asked."""

    def __init__(self, python: str, side: str, file: Path) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "NO_ALBUMENTATIONS_UPDATE": "1"}
        self.process = subprocess.Popen(
            [python, str(HERE / "timed.py"), side, str(file)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        assert self._line() == "ready"

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        if not line:
            raise SystemExit("a timed process ended: see its message above")
        return line

    def seconds(self, case: str) -> float:
        """CPU seconds per image."""
        assert self.process.stdin is not None
        self.process.stdin.write(case + "\n")
        self.process.stdin.flush()
        return float(self._line())

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def race(rounds: int) -> dict[str, tuple[list[float], list[float]]]:
    """Seconds per image of ours and of the peer, round by round, after one round that does not count."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "photos.npy"
        np.save(file, photos())
        ours, peer = Side(sys.executable, "ours", file), Side(peer_python(), "peer", file)
        times: dict[str, tuple[list[float], list[float]]] = {}
        for case in OURS:
            ours.seconds(case), peer.seconds(case)
            pairs = [(ours.seconds(case), peer.seconds(case)) for _ in range(rounds)]
            times[case] = ([pair[0] for pair in pairs], [pair[1] for pair in pairs])
        ours.end(), peer.end()
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="how often each case is timed on each side [15]")
    options = parser.parse_args()
    tell(f"# augmentation\n\n{machine()}, load {os.getloadavg()[0]:.1f}\n")
    tell(
        f"Photos of {WIDTH}x{HEIGHT}, images per second of one core: the median of {options.rounds} rounds (the best),"
    )
    tell("ours in batches of 16, the peer photo by photo; `times` is the median of the ratios, round by round.\n")
    tell("| | ours | albumentations 2.0.8 | times |\n|---|---|---|---|")
    bars = []
    for case, (ours, peer) in race(options.rounds).items():
        rate, peers_rate = 1 / statistics.median(ours), 1 / statistics.median(peer)
        ratio = statistics.median(b / a for a, b in zip(ours, peer, strict=True))
        tell(
            f"| {case} | {rate:,.0f} ({1 / min(ours):,.0f}) | {peers_rate:,.0f} ({1 / min(peer):,.0f}) | {ratio:.1f} |"
        )
        if case in BARS:
            bars.append(bar(f"{case.replace(' ', '_')}_per_s", rate, BARS[case], at_least=True))
    tell("\nBoxes and masks, pixels from the analytic transform at most, over 200 draws:\n")
    tell("| | boxes | masks |\n|---|---|---|")
    errors = worst()
    for name, (boxes, masks) in errors.items():
        tell(f"| {name} | {boxes:.4f} | {masks:.4f} |")
    bars.append(bar("boxes_px", max(boxes for boxes, _ in errors.values()), 0.5))
    bars.append(bar("masks_px", max(masks for _, masks in errors.values()), 0.5))
    tell("\n" + "\n".join(bars))
    (HERE / "RESULTS.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
