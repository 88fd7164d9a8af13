"""The closed loop on a drifting stream: train, serve over HTTP, log, notice, retrain, promote, roll back; one picture.

    make loop                       a stream made here, in the manner of SEA (Street and Kim 2001): four concepts, noise
    make loop FROM=path/to/elec2    real: electricity prices of New South Wales (elec2_data.dat, elec2_label.dat, also
                                    gzipped; from github.com/vlosing/driftDatasets, realWorld/Elec2)

The server is a process of its own and is asked as any client would ask it. After each batch its labels come by
POST /feedback, and one turn of the loop decides. In the middle somebody promotes a model made of wrong labels.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import http.client
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import modelwright as mw
from modelwright.core.store import Store
from modelwright.monitoring import MonitorSpec
from modelwright.operating import Place, deploy, step
from modelwright.operating.story import Point, story_page
from modelwright.operating.supervise import promote

HERE = Path(__file__).resolve().parent
N_BATCHES = 32
SABOTAGE = 12  # the batch after which a bad model is promoted by hand
MONITOR = {
    "every": "1h", "false_alarms": "1 per 4d", "keep_watch": "1s",
    "retrain_when": {"score_drop": 0.05, "new_rows": 8000}, "promote_when": {"gain": 0.005, "confidence": 0.95},
}  # fmt: skip


def made(n_rows: int = 40_000) -> pl.DataFrame:
    """The label says whether two of three numbers together are below a threshold, which moves three times."""
    rng = np.random.default_rng(7)
    x = rng.uniform(0, 10, (n_rows, 3)).round(3)
    threshold = np.repeat([8.0, 11.0, 5.5, 10.0], -(-n_rows // 4))[:n_rows]
    y = (x[:, 0] + x[:, 1] <= threshold) ^ (rng.uniform(size=n_rows) < 0.1)
    return pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y": np.where(y, "yes", "no")})


def elec2(folder: Path) -> pl.DataFrame:
    """Whether the price of electricity goes up, half-hour by half-hour, 1996 to 1998."""

    def lines(name: str) -> list[str]:
        path = next(iter(sorted(folder.glob(f"{name}*"))), None)
        if path is None:
            raise SystemExit(f"{folder} has no {name}: it is had at github.com/vlosing/driftDatasets, realWorld/Elec2")
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        return [line for line in data.decode().splitlines() if line.strip()]

    rows = [list(map(float, line.split())) for line in lines("elec2_data")]
    names = ("date", "day", "period", "nswprice", "nswdemand", "vicprice", "vicdemand", "transfer")
    frame = pl.DataFrame(rows, schema=list(names), orient="row").drop("date", "nswprice")
    return frame.with_columns(y=pl.Series(["up" if float(one) > 0 else "down" for one in lines("elec2_label")]))


@contextlib.contextmanager
def serving(name: str, store: Path) -> Iterator[int]:
    """`wright serve NAME` in a process of its own; its port."""
    command = [sys.executable, "-m", "modelwright", "serve", name, "--store", str(store), "--port", "0", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(re.findall(r":(\d+)", json.loads(process.stdout.readline())["address"])[-1])
    finally:
        process.terminate()
        process.wait(timeout=30)


def post(port: int, path: str, plain: Any) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", path, json.dumps(plain), {"content-type": "application/json"})
    response = connection.getresponse()
    told = json.loads(response.read())
    connection.close()
    if response.status != 200:
        raise SystemExit(f"{path}: {told}")
    return told


def bad_model(recipe: mw.Recipe, rows: pl.DataFrame, store: Store, folder: Path) -> Path:
    """A package made of labels that are the wrong way round, as after a mix-up of two columns."""
    one, other = sorted(rows["y"].unique().to_list())
    rows = rows.with_columns(y=pl.when(pl.col("y") == one).then(pl.lit(other)).otherwise(pl.lit(one)))
    rows.write_csv(folder / "mixed-up.csv")
    wrong = recipe.but(name="mixed-up", data={"sources": [str(folder / "mixed-up.csv")]})
    return Path(mw.run(wrong, store=store).facts["package"])


def live(place: Place, port: int, batch: pl.DataFrame, first: Any) -> tuple[float, float, int]:
    """Ask about a batch and bring its labels: the share of right answers, that of the first model, who answered."""
    rows = batch.drop("y")
    told = post(port, "/predict", {"rows": rows.to_dicts()})
    right = [one["prediction"] == y for one, y in zip(told["predictions"], batch["y"], strict=True)]
    truths = [{"id": f"{told['id']}.{index}", "truth": y} for index, y in enumerate(batch["y"])]
    post(port, "/feedback", {"rows": truths})
    time.sleep(0.6)  # the log is written four times a second
    own = first.predict(rows.to_dicts()).prediction.tolist()
    return (
        float(np.mean(right)),
        float(np.mean([a == b for a, b in zip(own, batch["y"], strict=True)])),
        told["version"],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of the elec2 files; else a stream is made here")
    parser.add_argument("--batches", type=int, default=N_BATCHES)
    options = parser.parse_args()
    stream = elec2(options.data) if options.data else made()
    folder = HERE / "out"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    n_first = stream.height // 10
    stream[:n_first].write_csv(folder / "start.csv")
    recipe = mw.Recipe.from_plain({
        "name": "stream", "data": str(folder / "start.csv"), "target": "y", "clean": {"skip": ["duplicates"]},
        "train": {"models": ["boosting"]}, "monitor": MONITOR,
    })  # fmt: skip
    store = Store.open(folder / ".wright")
    print(f"training on the first {n_first:,} rows", flush=True)
    mw.run(recipe, store=store)
    place = deploy(store, "stream")
    spec, first = MonitorSpec.parse(MONITOR, where="monitor"), place.model(1)
    points: list[Point] = []
    rest = stream[n_first:]
    size = -(-rest.height // options.batches)
    with serving("stream", store.root) as port:
        print(f"serving on port {port}; {options.batches} batches of {size:,} rows", flush=True)
        for number in range(options.batches):
            batch = rest[number * size : (number + 1) * size]
            score, first_score, version = live(place, port, batch, first)
            told = step(place, spec)
            points.append(
                Point(score=score, first_score=first_score, version=version, kind=told.kind, words=told.words)
            )
            print(f"{number + 1:3}  version {version}  right {score:.3f}  first model {first_score:.3f}  {told.kind:9} "
                  f"{told.words[:90]}", flush=True)  # fmt: skip
            if number == SABOTAGE:
                _sabotage(place, recipe, rest[max(0, number - 4) * size : (number + 1) * size], folder)
            time.sleep(0.6)  # a server looks for another champion four times a second
    mean, first_mean = (float(np.mean([getattr(point, name) for point in points])) for name in ("score", "first_score"))
    kinds = [point.kind for point in points]
    counts = {kind: kinds.count(kind) for kind in ("retrain", "promote", "roll back")}
    words = (f"{rest.height:,} rows in {options.batches} batches, each answered before its labels came. The loop was "
             f"right {mean:.1%} of the time, the first model alone {first_mean:.1%}. Retrained {counts['retrain']} "
             f"times, promoted {counts['promote']} times, rolled back {counts['roll back']} times.")  # fmt: skip
    (folder / "story.html").write_text(story_page("A model that looks after itself", points, words=words))
    print(f"\n{words}\npicture   {folder / 'story.html'}\nlast look {place.folder / 'monitor.html'}")
    print(f"decisions `wright status stream --store {store.root}`")


def _sabotage(place: Place, recipe: mw.Recipe, rows: pl.DataFrame, folder: Path) -> None:
    """Somebody promotes a model that was made of mixed-up labels."""
    package = bad_model(recipe, rows, place.store, folder)
    deploy(place.store, place.name, package)
    number = place.state().versions[-1].number
    promote(place, number, "Promoted by hand, in a hurry.", by="somebody")
    print(f"     somebody promotes version {number}, made of mixed-up labels", flush=True)


if __name__ == "__main__":
    main()
