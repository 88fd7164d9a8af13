"""Collect, clean and split through the store, as `wright run` does before it trains."""

import sys
import time

from modelwright.lifecycle import _Work, prepare
from modelwright.recipe import Recipe

recipe = Recipe.from_plain({"data": sys.argv[1], "target": "target", "name": "table"})
began = time.perf_counter()


def watch(event):
    if event["event"] == "end":
        print(f"{event['stage']:<12} {event['seconds']:6.1f} s   {event['told']}")


prepare(recipe, _Work.begin(recipe, sys.argv[2], watch, on_record=False))
print(f"in all       {time.perf_counter() - began:6.1f} s")
