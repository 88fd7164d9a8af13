"""From a sensor stream to an alarm: three pumps report over MQTT, one of them sticks and then spikes.

    python examples/sensors/run.py            the folder examples/sensors/out holds the broker's files and the dataset

A real broker (mosquitto, `apt-get install mosquitto`) is started on this machine. Readings are collected into versions
of the dataset `plant` while they come; then the newest version is looked through, and what is wrong is told with its
pump and time. The same in the shell: `wright collect mqtt://host/plant/+ --as plant --for 60s`, then
`wright clean dataset:plant`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import random
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from modelwright.cleaning.mend import MendSpec, mend
from modelwright.collection.base import CollectSpec
from modelwright.collection.streams import listen
from modelwright.collection.versions import open_version
from modelwright.core.store import Store

HERE = Path(__file__).resolve().parent
PUMPS = ("north", "south", "west")
N_READINGS = 600
STUCK, SPIKES = range(300, 360), {450: 35, 470: -28, 481: 31, 502: -40}
START = datetime(2026, 3, 1, 6, tzinfo=UTC)


def reading(pump: str, minute: int, rng: random.Random) -> dict[str, Any]:
    """What a pump says of one minute. The south one sticks for an hour, and four of its readings jump."""
    level = 60 + 5 * math.sin(minute / 90) + {"north": 0, "south": 4, "west": -3}[pump]
    value = level + rng.gauss(0, 0.4)
    if pump == "south" and minute in STUCK:
        value = 61.5
    if pump == "south":
        value += SPIKES.get(minute, 0)
    time_of = START + timedelta(minutes=minute)
    return {"id": f"{pump}-{minute}", "pump": pump, "at": time_of.isoformat(), "temperature": round(value, 2)}


@contextlib.contextmanager
def broker(folder: Path) -> Iterator[int]:
    """mosquitto on a free port of this machine."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        raise SystemExit("mosquitto is not here: apt-get install mosquitto")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    folder.mkdir(parents=True)
    (folder / "mosquitto.conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    with subprocess.Popen([program, "-c", folder / "mosquitto.conf"], stderr=(folder / "log").open("w")) as process:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.05)
        try:
            yield port
        finally:
            process.terminate()


def publish(port: int) -> None:
    """The pumps: all readings of ten hours, in a few seconds."""
    import paho.mqtt.client as mqtt

    rng = random.Random(7)
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="pumps")
    client.connect("127.0.0.1", port)
    client.loop_start()
    for minute in range(N_READINGS):
        for pump in PUMPS:
            said = client.publish(f"plant/{pump}", json.dumps(reading(pump, minute, rng)), qos=1)
        said.wait_for_publish(timeout=30)
    client.loop_stop()
    client.disconnect()


def main() -> None:
    """Collect while the pumps talk, look, and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE / "out")
    out: Path = parser.parse_args().out
    shutil.rmtree(out, ignore_errors=True)
    store = Store.open(out / "store")
    with broker(out / "broker") as port:
        source = {"source": f"mqtt://127.0.0.1:{port}/plant/+", "stream": {"time": "at", "id": "id", "every": "2s"}}
        spec = CollectSpec.parse({"sources": [source]}, where="data")
        listen(spec, "plant", store=store, seconds=0.5)  # subscribes: from now on the broker keeps what comes
        pumps = threading.Thread(target=publish, args=(port,))
        pumps.start()
        gathered = listen(spec, "plant", store=store, rows=N_READINGS * len(PUMPS), seconds=120)
        pumps.join()
    print(f"{gathered.version.label}: {gathered.version.n_rows:,} readings")
    data = open_version(store, "plant")
    findings = mend(data, MendSpec(methods=("signals",))).findings
    odd = pl.concat([table.select("__row__", "reason") for table in (findings.flags, findings.cells)])
    told = odd.join(data.frame.select("__row__", "pump", "at"), on="__row__", how="left").sort("at")
    for pump, at, reason in told.select("pump", "at", "reason").iter_rows():
        print(f"ALARM  {at}  {pump:6} {reason}")
    wrong = told.filter(pl.col("pump") != "south").height
    print(f"{told.height} alarms, {wrong} of them of a pump that is well")


if __name__ == "__main__":
    main()
