"""A labelling round: three annotators over a real server, how well they agree, what is true, and a model. One command:

    python examples/labelling/run.py

The rows are made here: short messages to a shop, of which the truth is known only to this file. Of the annotators two
are careful and one does not look; each is an HTTP client of `wright label`, as the page is. Nothing is kept but `out/`.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import unquote

import polars as pl

import modelwright as mw
from modelwright.labelling import labels, open_project
from modelwright.labelling.stats import agreement_told, differing, people_table

HERE = Path(__file__).resolve().parent
CLASSES = ("order", "complaint", "question")
SAYINGS = {
    "order": ("please send me {n} {thing}", "I would like to buy {n} {thing}", "we need {n} more {thing} by Friday"),
    "complaint": (
        "the {thing} arrived broken",
        "{n} {thing} are missing from my box",
        "the {thing} does not work at all",
    ),
    "question": (
        "is the {thing} in stock",
        "how long does a {thing} take to arrive",
        "which {thing} is the lighter one",
    ),
}
THINGS = ("lamp", "kettle", "chair", "blanket", "clock", "basket")
CARE = {"ada": 0.95, "ben": 0.90, "cy": 0.40}
"""How often each annotator says what is true; else anything."""


def made(n_rows: int) -> tuple[pl.DataFrame, list[str]]:
    """Messages, and what they are."""
    chance = random.Random(0)
    truth = [chance.choice(CLASSES) for _ in range(n_rows)]
    texts = [
        f"Message {row}: {chance.choice(SAYINGS[kind])}, thank you".format(
            n=chance.randint(2, 9), thing=chance.choice(THINGS)
        )
        for row, kind in enumerate(truth)
    ]
    return pl.DataFrame({"text": texts}), truth


def annotate(address: str, person: str, truth: list[str]) -> None:
    """One annotator: asks for tasks and answers them until there are none."""
    where, _, token = address.partition("/#")
    connection = http.client.HTTPConnection("127.0.0.1", int(re.findall(r":(\d+)", where)[-1]), timeout=60)
    head = {"authorization": f"Bearer {unquote(token)}"}
    chance = random.Random(person)

    def ask(path: str, plain: dict[str, object]) -> dict[str, list[dict[str, int]]]:
        connection.request("POST", path, json.dumps(plain), head)
        answer = connection.getresponse()
        told: dict[str, list[dict[str, int]]] = json.loads(answer.read())
        if answer.status != 200:
            raise SystemExit(f"{path}: {told}")
        return told

    while tasks := ask("/api/next", {"n": 10})["tasks"]:
        for task in tasks:
            row = task["row"]
            value = truth[row] if chance.random() < CARE[person] else chance.choice(CLASSES)
            ask("/api/label", {"row": row, "value": value, "key": f"{person}-answer-{row}", "took_s": 2.0})


def round_of(store: Path, team: Path, truth: list[str]) -> None:
    """Serve the project and let everybody label at once."""
    command = [sys.executable, "-m", "modelwright", "label", "messages", "--store", str(store), "--team", str(team)]
    server = subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        people = json.loads(server.stdout.readline())["people"]
        print(f"serving on {people[0]['address'].partition('/#')[0]} for {', '.join(CARE)}", flush=True)
        threads = [
            threading.Thread(target=annotate, args=(one["address"], one["person"], truth))
            for one in people
            if one["person"] in CARE
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        server.terminate()
        server.wait(timeout=30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE / "out")
    out = parser.parse_args().out
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    frame, truth = made(300)
    frame.write_csv(out / "messages.csv")
    (out / "team.yaml").write_text("head: owner\n" + "".join(f"{name}: annotator\n" for name in CARE))
    store = out / ".wright"
    begin = ["label", str(out / "messages.csv"), "--as", "text", "--classes", ",".join(CLASSES), "--overlap", "3",
             "--store", str(store), "--target", "kind", "--status"]  # fmt: skip
    subprocess.run([sys.executable, "-m", "modelwright", *begin], check=True, stdout=subprocess.DEVNULL)
    round_of(store, out / "team.yaml", truth)
    project = open_project(store, "messages")
    agreed = agreement_told(project)
    print(f"\n{agreed['shared_rows']} rows by three people: {agreed['alike']:.1%} alike, alpha {agreed['alpha']:.3f}; "
          f"{len(differing(project, limit=1000))} rows to settle")  # fmt: skip
    for one in people_table(project):
        print(f"  {one['person']:4} {one['labels']} labels, like the others {one['agrees']:.1%}")
    for method in ("majority", "dawid_skene"):
        said = labels(project, method=method).values()
        right = sum(truth[row] == value for row, value in said.items()) / len(said)
        print(f"  {method:12} is right on {right:.1%}")
    recipe = mw.Recipe.from_plain({
        "data": str(out / "messages.csv"), "labels": "messages", "target": "kind", "train": {"models": ["linear"]},
    })  # fmt: skip
    record = mw.run(recipe, store=store)
    model = mw.load(record.facts["package"])
    fresh, fresh_truth = made(500)
    found = model.predict(fresh[300:].to_dicts()).prediction.tolist()
    right = sum(a == b for a, b in zip(found, fresh_truth[300:], strict=True)) / 200
    print(
        f"\nmodel     {record.facts['headline']}\n          right on {right:.1%} of 200 messages that nobody labelled"
    )
    print(f"page      wright label messages --store {store}\nreport    {Path(record.facts['folder']) / 'report.html'}")


if __name__ == "__main__":
    main()
