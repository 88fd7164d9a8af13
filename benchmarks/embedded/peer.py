"""Run in the peers' environment: the fitted models as C by m2cgen and by emlearn. `python peer.py FOLDER`"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path


def main(folder: Path) -> None:
    import emlearn
    import joblib
    import m2cgen

    told = {
        "versions": {name: version(name) for name in ("m2cgen", "emlearn", "scikit-learn", "lightgbm")},
        "notes": {},
    }
    for path in sorted(folder.glob("*.joblib")):
        model, name = joblib.load(path), path.stem
        try:
            sys.setrecursionlimit(100_000)
            (folder / f"{name}_m2cgen.h").write_text(m2cgen.export_to_c(model))
        except Exception as problem:  # noqa: BLE001  a peer's failure is a result
            told["notes"][f"{name} m2cgen"] = str(problem).splitlines()[0][:100]
        try:
            made = emlearn.convert(model, method="inline", dtype="float")
            made.save(file=str(folder / f"{name}_emlearn.h"), name="m")
        except Exception as problem:  # noqa: BLE001
            told["notes"][f"{name} emlearn"] = str(problem).splitlines()[0][:100]
    told["include"] = emlearn.includedir
    (folder / "told.json").write_text(json.dumps(told))


main(Path(sys.argv[1]))
