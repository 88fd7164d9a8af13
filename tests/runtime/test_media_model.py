"""Models of pictures, sound, series and texts: every form of rows, every kind of answer, files, folders and HTTP."""

from __future__ import annotations

import base64
import csv
import io
import json
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from modelwright.answers import predict_file as predict_any_file
from modelwright.packaging import package
from modelwright.testing.media import media_cells, media_data, media_training, wav
from modelwright_runtime import Predictions, load
from modelwright_runtime.errors import UserError
from modelwright_runtime.files import predict_file
from modelwright_runtime.http import Request
from modelwright_runtime.model import Model, largest_difference
from modelwright_runtime.pages import curl_line, docs_page, home_page, openapi
from modelwright_runtime.pictures import boxes, class_map, masks
from modelwright_runtime.service import Service
from modelwright_runtime.signature import Task
from tests.runtime.conftest import start

CLASSES = ("a", "b", "c")
TASKS = {
    "binary": Task(kind="binary", target="t", classes=CLASSES[:2]),
    "multiclass": Task(kind="multiclass", target="kind", classes=CLASSES),
    "regression": Task(kind="regression", target="price"),
    "multilabel": Task(kind="multilabel", target="labels", classes=CLASSES),
    "forecast": Task(kind="forecast", target="load", horizon=4),
    "quantiles": Task(kind="forecast", target="load", horizon=4, quantiles=(0.1, 0.5, 0.9)),
    "detection": Task(kind="detection", target="boxes", classes=CLASSES),
    "segmentation": Task(kind="segmentation", target="mask", classes=CLASSES),
}
MODELS: dict[str, tuple[list[Any], list[str]]] = {
    "photo": (["image"], ["multiclass"]),
    "sound": (["audio"], ["binary"]),
    "series": (["series", "series"], ["forecast"]),
    "bands": (["series"], ["quantiles"]),
    "text": (["text"], ["multilabel"]),
    "boxes": (["image"], ["detection"]),
    "mask": (["image"], ["segmentation"]),
    "table": (["number", "category", "boolean", "datetime"], ["regression"]),
    "many": (["image", "text", "number", "series"], ["multiclass", "regression", "detection"]),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("media")
    for name, (kinds, tasks) in MODELS.items():
        trained, cleaned = media_training(kinds, [TASKS[task] for task in tasks])
        package(trained, cleaned, path=place / f"{name}.wright", name=name)
    return place


@pytest.fixture(scope="module")
def models(folder: Path) -> dict[str, Model]:
    return {name: load(folder / f"{name}.wright") for name in MODELS}


def raw(name: str, n_rows: int = 20) -> pl.DataFrame:
    return media_data(MODELS[name][0], n_rows).frame.drop("__row__")


@pytest.mark.parametrize("name", MODELS)
def test_every_form_of_rows_gives_the_training_path_answer(models: dict[str, Model], name: str) -> None:
    kinds, tasks = MODELS[name]
    trained, cleaned = media_training(kinds, [TASKS[task] for task in tasks])
    expected = trained.predict(cleaned.kept)[:20]
    frame = raw(name)
    rows = frame.to_dicts()
    as_text = [{k: base64.b64encode(v).decode() if isinstance(v, bytes) else v for k, v in row.items()} for row in rows]
    as_json = [{k: json.dumps(v) if isinstance(v, list) else v for k, v in row.items()} for row in as_text]
    for form in (rows, frame, frame.to_dict(as_series=False), frame.to_pandas(), as_text, as_json):
        np.testing.assert_allclose(models[name].answers(form)[0], expected, atol=1e-5)
    for index in range(3):
        np.testing.assert_allclose(models[name].answers(rows[index])[0], expected[[index]], atol=1e-5)
    models[name]._chunk_rows, whole = 7, models[name]._chunk_rows
    np.testing.assert_allclose(models[name].answers(frame)[0], expected, atol=1e-5)
    models[name]._chunk_rows = whole


@pytest.mark.parametrize("name", MODELS)
def test_answers_are_told_as_plain_values(models: dict[str, Model], name: str) -> None:
    answered = models[name].predict(raw(name))
    rows = answered.rows()
    assert len(rows) == len(answered) == 20 and list(rows[0]) == answered.names() == list(answered.columns())
    assert json.loads(json.dumps(rows)) == rows
    assert repr(answered).count("\n") >= 5
    assert len(models[name].predict([])) == 0 and models[name].predict([]).names() == answered.names()


def test_each_kind_of_answer(models: dict[str, Model]) -> None:
    labels = models["text"].predict(raw("text"))
    assert labels.probabilities is not None
    for row, shares in zip(labels.prediction, labels.probabilities, strict=True):
        assert row == [name for name, share in zip(CLASSES, shares, strict=True) if share >= 0.5]
    assert models["series"].predict(raw("series")).prediction.shape == (20, 4)
    bands = models["bands"].predict(raw("bands"))
    assert bands.names() == ["prediction", "quantile_0.1", "quantile_0.5", "quantile_0.9"]
    assert bands.rows()[3]["prediction"] == bands.rows()[3]["quantile_0.5"]
    found = models["boxes"].predict(raw("boxes")).prediction
    assert any(found) and all(box["x"] >= 0 and box["x"] + box["width"] <= 12 for one in found for box in one)
    mask = models["mask"].predict(raw("mask")).prediction[0]
    drawn = np.asarray(Image.open(io.BytesIO(base64.b64decode(mask["mask"]))))
    assert drawn.shape == (mask["height"], mask["width"]) == (10, 12)
    for index, label in enumerate(CLASSES):
        assert mask["shares"][label] == pytest.approx((drawn == index).mean(), abs=1e-4)
    several = models["many"].predict(raw("many"))
    assert several.names()[0] == "kind_prediction" and several.names()[-2:] == ["price_prediction", "boxes_prediction"]
    assert [one.target for one in several.more] == ["price", "boxes"]


@pytest.mark.parametrize("fit", ["stretch", "pad", "crop"])
def test_boxes_come_back_to_where_they_were(fit: str) -> None:
    """A box in the original goes into the network's picture by `placed` and comes back out."""
    from modelwright_runtime.arrays.images import placed

    size, task = (200, 80), TASKS["detection"]
    settings = {"width": 64, "height": 48, "fit": fit}
    left, top, wide, high = placed(size, settings)
    x, y, right, bottom = 90.0, 20.0, 110.0, 60.0  # in the middle: a crop keeps it
    edges = [
        (left + x * wide / 200) / 64,
        (top + y * high / 80) / 48,
        (left + right * wide / 200) / 64,
        (top + bottom * high / 80) / 48,
    ]
    (box,) = boxes(np.array([[[*edges, 0.0, 0.9, 0.0]]]), task, [size], settings, score=0.5)[0]
    assert box["label"] == "b"
    np.testing.assert_allclose([box["x"], box["y"], box["width"], box["height"]], [90, 20, 20, 40], atol=0.05)
    assert boxes(np.zeros((1, 3, 7)), task, [None], settings, score=0.5)[0] == []


@pytest.mark.parametrize("fit", ["stretch", "pad", "crop"])
def test_masks_lie_over_the_original(fit: str) -> None:
    """A picture whose right half is of class 1, drawn by the network at its own size."""
    from modelwright_runtime.arrays.images import placed

    size, settings = (200, 80), {"width": 64, "height": 48, "fit": fit}
    left, _, wide, _ = placed(size, settings)
    raw_mask = np.zeros((2, 24, 32), dtype=np.float32)
    raw_mask[1] = ((np.arange(32) + 0.5) * 2 > left + wide / 2).astype(np.float32)
    raw_mask[0] = 1 - raw_mask[1]
    drawn = class_map(raw_mask, size, size, settings)
    assert drawn.shape == (80, 200)
    np.testing.assert_array_equal(drawn[:, :94], 0)
    np.testing.assert_array_equal(drawn[:, 106:], 1)
    large = masks(raw_mask[None], TASKS["segmentation"], [(9000, 6000)], settings)[0]
    assert large["width"] * large["height"] <= 2**22 and large["width"] / large["height"] == pytest.approx(
        1.5, rel=1e-3
    )
    assert masks(raw_mask[None], TASKS["segmentation"], [None], settings).tolist() == [None]


BROKEN = {"image": media_cells("image", 1)[0][:200], "audio": wav(np.zeros(50))[:60]}


@pytest.mark.parametrize(("name", "column"), [("photo", "image"), ("sound", "audio"), ("boxes", "image")])
def test_a_model_of_pictures_alone_refuses_a_row_without_one(models: dict[str, Model], name: str, column: str) -> None:
    good = raw(name).to_dicts()
    for cell, reason in (
        (None, "is missing"),
        (BROKEN[column], ""),
        ("no base64!", "no base64"),
        (b"", "0 bytes"),
        (3, "bytes"),
    ):
        for rows in (good[:2] + [{column: cell}], good[:12] + [{column: cell}]):
            with pytest.raises(UserError, match=f"row {len(rows) - 1}, column '{column}'.*{reason}") as caught:
                models[name].predict(rows)
            assert caught.value.code == "rows.cell"


def test_a_broken_picture_among_other_columns_is_warned_of_and_refused_when_strict(models: dict[str, Model]) -> None:
    rows = raw("many").to_dicts()
    rows[11]["image"] = BROKEN["image"]
    rows[12]["series"] = "1;x;3"
    rows[13]["image"] = None
    for part in (rows, rows[10:14]):
        answered = models["many"].predict(part)
        first = part.index(rows[11])
        assert {(note.row, note.column) for note in answered.warnings} == {(first, "image"), (first + 1, "series")}
        assert answered.more[1].prediction[first] == [] and answered.more[1].prediction[first + 2] == []
    with pytest.raises(UserError, match="row 1, column 'image'"):
        models["many"].predict(rows[10:12], strict=True)


def test_several_series_may_miss_one_but_not_all(models: dict[str, Model]) -> None:
    good = raw("series").to_dicts()[0]
    assert len(models["series"].predict({"series": None, "series_2": good["series_2"]})) == 1
    with pytest.raises(UserError, match="row 0, column 'series': is missing; the model has nothing else"):
        models["series"].predict({"series": None, "series_2": [None, float("nan")]})


def test_a_series_in_a_dict_is_one_row_and_lists_of_them_are_columns(models: dict[str, Model]) -> None:
    one, two = media_cells("series", 2)
    single = models["bands"].predict({"series": one})
    assert len(single) == 1
    for form in ([one, two], [json.dumps(one), two], np.array([one, two]), pl.Series([one, two]), [np.array(one), two]):
        table = models["bands"].predict({"series": form})
        assert len(table) == 2
        np.testing.assert_allclose(table.prediction[0], single.prediction[0], atol=1e-5)
    assert len(models["bands"].predict({"series": np.array(one)})) == 1


def test_golden_rows_of_media_are_few_small_and_real(models: dict[str, Model], folder: Path) -> None:
    for name in ("photo", "sound", "boxes", "mask", "many"):
        golden, facts = models[name].facts["golden"], models[name].facts
        assert golden["kinds"].count("training") == 8
        assert (folder / f"{name}.wright").stat().st_size < 200_000
        assert facts["largest_difference"] <= 1e-5
        assert {"torch", "pillow"} <= set(facts["environment"])
    assert {"one pixel", "one value", "gaps", "empty text", "long text", "extreme", "missing"} <= set(
        models["many"].facts["golden"]["kinds"]
    )
    assert models["photo"].facts["golden"]["kinds"] == ["training"] * 8 + ["one pixel"]
    assert "missing" not in models["sound"].facts["golden"]["kinds"]
    profile = models["many"].facts["profile"]
    assert profile["image"]["width"]["mean"] == 12 and profile["image"]["broken"] == 0
    assert profile["series"]["length"]["mean"] == 20


# Files and folders ---------------------------------------------------------------------------------------------


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Pictures in folders, with files between that are none."""
    place = tmp_path / "photos"
    for index, cell in enumerate(media_cells("image", 9)):
        path = place / ("cat" if index % 2 else "dog") / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cell)
    (place / "notes.txt").write_text("nothing")
    (place / ".hidden.png").write_bytes(b"x")
    return place


def expected_of(model: Model, photos: Path) -> dict[str, Any]:
    files = sorted(photos.rglob("[0-9].png"))
    rows = model.predict([{"image": path.read_bytes()} for path in files]).rows()
    return {path.relative_to(photos).as_posix(): row for path, row in zip(files, rows, strict=True)}


@pytest.mark.parametrize("name", ["photo", "boxes", "mask"])
def test_a_folder_is_one_row_a_file(
    models: dict[str, Model], folder: Path, photos: Path, tmp_path: Path, name: str
) -> None:
    expected = expected_of(models[name], photos)
    models[name]._chunk_rows, whole = 4, models[name]._chunk_rows
    answers = tmp_path / "answers.jsonl"
    assert predict_file(models[name], str(photos), str(answers)) == (9, [])
    models[name]._chunk_rows = whole
    rows = [json.loads(line) for line in answers.read_text().splitlines()]
    assert {row.pop("file"): row for row in rows} == expected
    table = tmp_path / "answers.csv"
    predict_file(models[name], str(photos), str(table))
    told = list(csv.DictReader(table.open()))
    assert list(told[0]) == ["file", *models[name].predict([]).names()]
    if name != "photo":
        assert json.loads(told[0]["prediction"]) == expected[told[0]["file"]]["prediction"]
    assert predict_any_file(folder / f"{name}.wright", str(photos), str(tmp_path / "other.csv")) == (9, ())
    other = list(csv.DictReader((tmp_path / "other.csv").open()))
    assert [row["file"] for row in other] == [row["file"] for row in told]
    predict_any_file(folder / f"{name}.wright", str(photos), str(tmp_path / "other.parquet"))
    kept = pl.read_parquet(tmp_path / "other.parquet")
    assert kept["prediction"].to_list() == [row["prediction"] for row in expected.values()]


def test_a_table_may_name_its_pictures(models: dict[str, Model], folder: Path, photos: Path, tmp_path: Path) -> None:
    expected = list(expected_of(models["photo"], photos).items())
    listed = photos / "rows.csv"
    listed.write_text("image,other\n" + "".join(f"{name},1\n" for name, _ in expected))
    predict_file(models["photo"], str(listed), str(tmp_path / "a.jsonl"))
    assert [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()] == [
        row for _, row in expected
    ]
    assert predict_any_file(folder / "photo.wright", str(listed), str(tmp_path / "b.csv"))[0] == 9
    told = [row["prediction"] for row in csv.DictReader((tmp_path / "b.csv").open())]
    assert told == [row["prediction"] for _, row in expected]
    listed.write_text("image\ndog/0.png\nnot/there.png\n")
    for ask in (lambda: predict_file(models["photo"], str(listed), str(tmp_path / "c.csv")),
                lambda: predict_any_file(folder / "photo.wright", str(listed), str(tmp_path / "c.csv"))):  # fmt: skip
        with pytest.raises(UserError, match="row 1, column 'image': there is no file 'not/there.png'"):
            ask()


def test_folders_that_do_not_fit_are_refused(models: dict[str, Model], photos: Path, tmp_path: Path) -> None:
    for name, place, reason in (
        ("table", photos, "answers from number"),
        ("sound", photos, "holds no audio"),
        ("many", photos, "answers from number, series, image"),
    ):
        with pytest.raises(UserError, match=reason) as caught:
            predict_file(models[name], str(place), str(tmp_path / "x.csv"))
        assert caught.value.code == "predict.folder"
    assert not (tmp_path / "x.csv").exists()


def test_a_broken_file_of_a_folder_is_named(models: dict[str, Model], folder: Path, photos: Path) -> None:
    (photos / "dog" / "cut.png").write_bytes(BROKEN["image"])
    for ask_it in (predict_file, predict_any_file):
        with pytest.raises(UserError, match="^dog/cut.png: ") as caught:
            ask_it(models["photo"] if ask_it is predict_file else folder / "photo.wright", str(photos), "-")  # type: ignore[arg-type]
        assert caught.value.code == "rows.cell"


def test_the_command_line_takes_a_folder(folder: Path, photos: Path) -> None:
    command = [sys.executable, "-m", "modelwright_runtime", "predict", str(folder / "photo.wright"), str(photos)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith("file,prediction,probability_a") and len(done.stdout.splitlines()) == 10


# HTTP ----------------------------------------------------------------------------------------------------------


def ask(service: Service, path: str, body: Any) -> tuple[int, Any]:
    answer = service.whole(Request("POST", path, {}, json.dumps(body).encode()))
    return answer.status, json.loads(answer.body)


@pytest.mark.parametrize("name", MODELS)
def test_a_served_model_says_the_same(models: dict[str, Model], name: str) -> None:
    service = Service([models[name]])
    rows = models[name].facts["golden"]["rows"][:3]
    expected = json.loads(json.dumps(models[name].predict(rows).rows()))
    assert ask(service, "/predict", {"rows": rows})[1]["predictions"] == expected
    request = Request("POST", "/predict", {b"content-length": b"0"}, b"")
    assert service.gate(request) is None
    assert service.is_slow(request)
    example = json.loads(service.whole(Request("GET", "/example.json", {})).body)
    status, answer = ask(service, f"/models/{name}/predict", example)
    assert status == 200 and len(answer["predictions"]) == 1


def test_http_never_names_a_file(models: dict[str, Model], photos: Path) -> None:
    service = Service([models["photo"]])
    for path in (str(photos / "dog" / "0.png"), "file:///etc/passwd", "/etc/passwd"):
        status, answer = ask(service, "/predict", {"image": path})
        assert status == 422 and answer["code"] == "rows.cell" and "row 0, column 'image'" in answer["error"]
    uri = "data:image/png;base64," + base64.b64encode((photos / "dog" / "0.png").read_bytes()).decode()
    assert ask(service, "/predict", {"image": uri})[0] == 200


JSON_CELLS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=30)
    | st.binary(max_size=40).map(lambda data: base64.b64encode(data).decode())
    | st.sampled_from(["[1, null, 3]", "1;2", "data:image/png;base64,", "data:,x", "[[1]]", "[1e999]", "Infinity"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=2), max_leaves=6,
)  # fmt: skip


@settings(max_examples=150)
@given(st.data())
def test_any_json_is_answered_or_refused_with_a_code(models: dict[str, Model], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(MODELS)))
    good = models[name].facts["golden"]["rows"][0]
    row = {column: data.draw(JSON_CELLS | st.just(good[column])) for column in models[name].columns}
    status, answer = ask(Service([models[name]]), "/predict", row)
    assert (status, "predictions" in answer) in ((200, True), (422, False))
    assert status == 200 or answer["code"].startswith("rows."), answer
    try:
        models[name].predict([row])
    except UserError as problem:
        assert problem.code.startswith("rows.")


def test_threads_may_share_a_model_of_media(models: dict[str, Model]) -> None:
    rows = raw("many").to_dicts()
    expected = models["many"].predict(rows).rows()
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(models["many"].predict(rows).rows())) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 6


def test_pages_tell_of_fields_and_stay_short(models: dict[str, Model]) -> None:
    page = home_page([models["many"]])
    assert (
        'type="file" accept="image/*" data-name="image"' in page
        and '<textarea spellcheck="false" data-name="text"' in page
    )
    plain = home_page([models["table"]])
    assert all(f'data-name="{name}"' in plain for name in models["table"].columns)
    described = openapi(list(models.values()))
    assert len(json.dumps(described)) < 100_000 and len(docs_page(list(models.values()), described)) < 100_000


def test_the_curl_line_of_a_picture_works(folder: Path) -> None:
    running = start(str(folder / "photo.wright"), str(folder / "text.wright"))
    try:
        for line in (running.curl,):
            done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=20, check=True)
            assert json.loads(done.stdout)["predictions"][0]["prediction"] in CLASSES
        model = load(folder / "photo.wright")
        long = curl_line(model, f"http://127.0.0.1:{running.port}", path="/models/photo/predict")
        import modelwright_runtime.pages as pages

        pages.MOST_IN_A_LINE, kept = 10, pages.MOST_IN_A_LINE
        piped = curl_line(model, f"http://127.0.0.1:{running.port}", path="/models/photo/predict")
        pages.MOST_IN_A_LINE = kept
        assert "example.json | curl" in piped and piped != long
        done = subprocess.run(["sh", "-c", piped], capture_output=True, text=True, timeout=20, check=True)
        assert json.loads(done.stdout)["predictions"][0]["prediction"] in CLASSES
        with urllib.request.urlopen(f"http://127.0.0.1:{running.port}/", timeout=10) as page:
            assert b"data-name" in page.read()
    finally:
        running.process.terminate()
        assert running.process.wait(timeout=15) == 0


def test_predictions_of_several_targets_keep_their_names() -> None:
    two = Predictions(
        prediction=np.array([1.5]), target="price", more=(Predictions(prediction=np.array([2.5]), target="size"),)
    )
    assert two.rows() == [{"price_prediction": 1.5, "size_prediction": 2.5}]
    assert "1.5; 2.5" in repr(two)
    assert largest_difference(np.array([2.0]), np.array([1.0]), relative=True) == 1.0


def test_packages_of_networks_may_differ_by_1e_4(tmp_path: Path) -> None:
    """A golden answer that is off by 5e-5 is a network's rounding; off by 1e-3 it is another model."""
    import modelwright.packaging.golden as golden

    trained, cleaned = media_training(["number"], [TASKS["multiclass"]])
    honest = golden._plain
    try:
        for off, fits in ((5e-5, True), (1e-3, False)):
            golden._plain = lambda answer, off=off: honest(answer + np.float64(off))
            if fits:
                assert package(trained, cleaned, path=tmp_path / "x.wright", name="x").largest_difference > 4e-5
                continue
            with pytest.raises(UserError, match="at most 0.0001"):
                package(trained, cleaned, path=tmp_path / "x.wright", name="x")
    finally:
        golden._plain = honest
