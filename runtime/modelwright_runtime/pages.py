"""The pages of a served model, made of its signature and a golden row: no network, no framework, all escaped."""

from __future__ import annotations

import base64
import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any
from urllib.parse import quote

from modelwright_runtime.beside import schema_beside
from modelwright_runtime.errors import UserError
from modelwright_runtime.model import Model
from modelwright_runtime.script import SCRIPT
from modelwright_runtime.signature import Task
from modelwright_runtime.unlabelled import KINDS, schema_of, words_of

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
textarea { width: 100%; height: 14rem; box-sizing: border-box; }
textarea, pre, code, output { font: 13px/1.45 ui-monospace, monospace; }
pre, output { display: block; padding: .8rem; background: #8881; overflow: auto; white-space: pre-wrap; }
.field { margin: .6rem 0; } .field b { display: block; } .field textarea { height: 4rem; }
figure { position: relative; display: inline-block; margin: .4rem 0; }
figure img { display: block; max-width: 100%; min-width: 96px; }
figure .box { position: absolute; box-sizing: border-box; border: 2px solid #f40; color: #fff; font: 11px sans-serif; }
figure .mask { position: absolute; inset: 0; width: 100%; height: 100%; opacity: .5; image-rendering: pixelated; }
.plain { display: grid; grid-template-columns: repeat(auto-fill, minmax(16rem, 1fr)); gap: 0 1rem; }
.field input { width: 100%; box-sizing: border-box; font: inherit; padding: .2rem .4rem; } small { color: #888; }
.live { background: #8881; padding: .6rem .8rem; margin: 1rem 0; } .alarm { color: #d40; font-weight: bold; }
.top { display: grid; grid-template-columns: max-content 12rem max-content; gap: .2rem .8rem; align-items: center; }
table { border-collapse: collapse; } td, th { text-align: left; padding: .2rem .9rem .2rem 0; vertical-align: top; }
"""
_DIGEST = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
SECURITY = (
    "Content-Security-Policy",
    f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{_DIGEST}'; connect-src 'self'; "
    "img-src data:; media-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
)


MOST_IN_A_LINE = 4_000
"""A longer row is not printed into a line for the shell: it is fetched from the server."""
_MOST_SHOWN = 200
MOST_FIELDS = 60


def example_row(model: Model) -> dict[str, Any]:
    """The golden training row with the fewest blanks, of these the shortest: a real row, as it was collected."""
    golden = model.facts.get("golden", {})
    pairs = zip(golden.get("rows", ()), golden.get("kinds", ()), strict=False)
    rows = [row for row, kind in pairs if kind == "training"]
    if not rows:
        return dict.fromkeys(model.columns)
    heavy = bool(model.signature.arrays)

    def rank(row: dict[str, Any]) -> tuple[int, int]:
        return sum(cell in (None, "") for cell in row.values()), len(json.dumps(row)) if heavy else 0

    fullest = min(rows, key=rank)
    return {name: fullest[name] for name in model.columns}


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row to look at: what is long, such as a picture in base64, is cut."""
    return {name: _cut(cell) if isinstance(cell, str) else cell for name, cell in row.items()}


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else f"{text[:40]} ... ({len(text):,} characters)"


def curl_line(model: Model, address: str, *, path: str = "/predict", needs_token: bool = False) -> str:
    """A line for the shell that asks a server at `address` about a real row.

    A row too long for a line (a picture) is fetched from the server's `example.json` and handed on.
    """
    token = ' -H "Authorization: Bearer $WRIGHT_TOKEN"' if needs_token else ""
    where = shlex.quote(address.rstrip("/") + path)
    asking = f"curl -s {where} -H 'content-type: application/json'{token} -d"
    row = json.dumps({"rows": [example_row(model)]}, ensure_ascii=False)
    if len(row) <= MOST_IN_A_LINE:
        return f"{asking} {shlex.quote(row)}"
    example = shlex.quote(address.rstrip("/") + path.removesuffix("predict") + "example.json")
    return f"curl -s {example}{token} | {asking} @-"


_ERROR = {"type": "object", "properties": {key: {"type": "string"} for key in ("error", "code", "hint")}}


def openapi(models: Sequence[Model], *, needs_token: bool = False) -> dict[str, Any]:
    """The service as OpenAPI 3.1, with schemas made from the columns and examples made from golden rows."""
    paths: dict[str, Any] = {"/predict": {"post": _operation(models[0], "predict")}}
    for index, model in enumerate(models):
        name = quote(model.name, safe="")
        paths[f"/models/{name}/predict"] = {"post": _operation(model, f"predict_{index}")}
    health = {"type": "object", "properties": {"status": {"type": "string"}, "models": {"type": "array"}}}
    paths["/health"] = {
        "get": {
            "operationId": "health",
            "summary": "Whether the server is up.",
            "responses": {"200": _json("Up.", health)},
        }
    }
    described: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": ", ".join(model.name for model in models), "version": "1"},
        "paths": paths,
    }
    if needs_token:
        described["components"] = {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}}
        described["security"] = [{"token": []}]
        paths["/health"]["get"]["security"] = []
        for path in paths.keys() - {"/health"}:
            paths[path]["post"]["responses"]["401"] = _json("The token is missing or wrong.", _ERROR)
    return described


def _operation(model: Model, operation_id: str) -> dict[str, Any]:
    row = {
        "type": "object",
        "properties": {name: _column(model, name) for name in model.columns},
        "required": list(model.columns),
        "additionalProperties": False,
    }
    rows = {"type": "array", "items": row}
    envelope = {"type": "object", "properties": {"rows": rows}, "required": ["rows"], "additionalProperties": False}
    example = {"rows": [_shown(example_row(model))]}
    errors = {
        "400": "The body is no JSON, or the request no HTTP.",
        "408": "It did not arrive in time.",
        "411": "No length.",
        "413": "Too many bytes or rows.",
        "415": "Not application/json.",
        "422": "A row does not fit: the answer names row and column.",
        "503": "Too much is asked at once.",
    }
    return {
        "operationId": operation_id,
        "summary": f"Predict {_what(model.signature.task)}.",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"anyOf": [envelope, row, rows]}, "example": example}},
        },
        "responses": {
            "200": _json("One prediction per row, in their order.", _answer_schema(model), example_answer(model)),
            **{status: _json(told, _ERROR) for status, told in errors.items()},
        },
    }


def _what(task: Task, *, short: bool = False) -> str:
    """What is predicted: the target and the kind of task, or what is told without a target."""
    if task.kind in KINDS:
        return words_of(task)
    return task.target if short else f"{task.target} ({task.kind})"


def example_answer(model: Model) -> dict[str, Any]:
    """What the server answers to `example_row`."""
    try:
        rows = [_shown_answer(row) for row in model.predict(example_row(model)).rows()]
    except UserError:  # there is no real row to ask about, and a model of pictures does not answer without one
        rows = []
    return {"model": model.name, "version": 1, "id": "5e1f6c2b90aa-0", "predictions": rows, "warnings": []}


def _shown_answer(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _shown(value) if isinstance(value, dict) else value for name, value in row.items()}


def _json(told: str, schema: dict[str, Any], example: Any = None) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": schema}
    if example is not None:
        content["example"] = example
    return {"description": told, "content": {"application/json": content}}


def _answer_schema(model: Model) -> dict[str, Any]:
    signature = model.signature
    properties: dict[str, Any] = {}
    for task in (signature.task, *signature.more_tasks):
        start = f"{task.target}_" if signature.more_tasks else ""
        properties |= {f"{start}{name}": schema for name, schema in _task_schema(task).items()}
    row = {"type": "object", "properties": properties, "required": list(properties)}
    return {
        "type": "object",
        "properties": {
            "model": {"type": "string"},
            "version": {"type": "integer", "description": "which version of the model answered"},
            "id": {"type": "string", "description": "for feedback; of several rows the ids are id.0, id.1, ..."},
            "predictions": {"type": "array", "items": row},
            "warnings": {"type": "array", "items": {"type": "object"}},
        },
        "required": ["model", "version", "id", "predictions", "warnings"],
    }


def _task_schema(task: Task) -> dict[str, Any]:
    """The columns that tell one task's answer."""
    if task.kind in KINDS:
        return schema_of(task)
    number: dict[str, Any] = {"type": "number"}
    share: dict[str, Any] = {"type": "number", "minimum": 0, "maximum": 1}
    text = {"type": "string", "enum": list(task.classes)}
    shares = {f"probability_{name}": share for name in task.classes}
    if task.kind in ("binary", "multiclass"):
        return {"prediction": text, **shares, **schema_beside(task)}
    if task.kind == "multilabel":
        return {"prediction": {"type": "array", "items": text}, **shares}
    if task.kind == "forecast":
        steps = {"type": "array", "items": number, "minItems": task.horizon, "maxItems": task.horizon}
        return {"prediction": steps, **{f"quantile_{level:g}": steps for level in task.quantiles}}
    if task.kind == "detection":
        sides = dict.fromkeys(("x", "y", "width", "height"), number)
        box = {"type": "object", "properties": {"label": text, "score": share, **sides}}
        return {"prediction": {"type": "array", "items": box}}
    if task.kind == "segmentation":
        told: dict[str, Any] = {"mask": {"type": "string", "description": "PNG of class numbers, base64"}}
        told |= dict.fromkeys(("width", "height"), {"type": "integer"})
        told |= {"shares": {"type": "object", "properties": dict.fromkeys(task.classes, share)}}
        return {"prediction": {"type": "object", "properties": told}}
    return {"prediction": number, **schema_beside(task)}


def _column(model: Model, name: str) -> dict[str, Any]:
    """A column's schema. Texts are taken where numbers are meant, read as in training; so no numeric bounds."""
    reading = next(reading for reading in model.signature.readings if reading.column == name)
    if reading.kind in ("image", "audio", "mask"):
        return {"type": ["string", "null"], "description": f"{reading.kind}: the file in base64, or a data: URI"}
    if reading.kind == "series":
        return {"type": ["array", "string", "null"], "items": {"type": ["number", "null"]}, "description": "series"}
    types = {"number": ["number", "string", "null"], "datetime": ["string", "null"], "text": ["string", "null"]}
    return {
        "type": types.get(reading.kind, ["string", "number", "boolean", "null"]),
        "description": f"{reading.kind}{_seen(model, name)}",
    }


def _seen(model: Model, name: str) -> str:
    if name in model.signature.levels:
        levels = model.signature.levels[name]
        return "; seen in training: " + ", ".join(levels[:20]) + (" ..." if len(levels) > 20 else "")
    reading = next(reading for reading in model.signature.readings if reading.column == name)
    if name in model.signature.ranges and reading.kind == "number":
        low, high = model.signature.ranges[name]
        return f"; seen in training: {low:g} to {high:g}"
    if reading.kind == "boolean":
        return f"; {'/'.join(reading.true)} or {'/'.join(reading.false)}"
    return f"; {' or '.join(reading.formats)}" if reading.formats else ""


def home_page(models: Sequence[Model]) -> str:
    """Who answers now, how fast, and what monitoring says; and a form per model, filled with a real row."""
    parts = ['<section id="live" aria-live="polite"></section>']
    for model in models:
        told = " and ".join(
            f"<b>{escape(_what(task, short=True))}</b>" + ("" if task.kind in KINDS else f" ({task.kind})")
            for task in (model.signature.task, *model.signature.more_tasks)
        )
        columns = "one column" if len(model.columns) == 1 else f"{len(model.columns)} columns"
        fields, row = _fields(model), {"rows": [example_row(model)]}
        text = json.dumps(row, ensure_ascii=False, indent=1)
        inner = fields or f'<textarea aria-label="rows" spellcheck="false">{escape(text)}</textarea>'
        given = f' data-row="{escape(json.dumps(row["rows"][0]))}"' if fields else ""
        parts.append(
            f'<h2 data-model="{escape(model.name)}">{escape(model.name)}</h2><p>Predicts {told} from {columns}. '
            "This is a real row; change it and ask.</p>"
            f'<form data-path="/models/{escape(quote(model.name, safe=""))}/predict"{given}>{inner}'
            "<p><button>Predict</button></p><output></output></form>"
        )
    return _html("Predict", "".join(parts) + '<p><a href="/docs">How to ask from a program</a></p>')


def _fields(model: Model) -> str:
    """One field per column, with what training saw beside it; "" for very wide tables, whose row is a text."""
    kinds = {reading.column: reading.kind for reading in model.signature.readings}
    if len(model.columns) > MOST_FIELDS:
        return ""
    row = example_row(model)
    parts: list[str] = []
    for name in model.columns:
        kind, value = kinds[name], row[name]
        mark = f'data-name="{escape(name)}" data-kind="{kind}" aria-label="{escape(name)}"'
        if kind in ("image", "audio"):
            field = f'<input type="file" accept="{kind}/*" {mark}><br><figure></figure>'
        elif kind in ("series", "text"):
            text = value if isinstance(value, str) else json.dumps(value)
            field = f'<textarea spellcheck="false" {mark}>{escape("" if value is None else text)}</textarea>'
        else:
            levels = model.signature.levels.get(name, ())[:_MOST_SHOWN]
            options = "".join(f'<option value="{escape(level)}"></option>' for level in levels)
            known = f'<datalist id="levels-{len(parts)}">{options}</datalist>' if levels else ""
            listed = f' list="levels-{len(parts)}"' if levels else ""
            field = f'<input {mark}{listed} value="{escape("" if value is None else str(value))}">{known}'
        seen = _column(model, name)["description"]
        parts.append(f'<div class="field"><b>{escape(name)}</b>{field} <small>{escape(_cut(seen))}</small></div>')
    inner = "".join(parts)
    whole = any(kinds[name] in ("image", "audio", "series", "text") for name in model.columns)
    return inner if whole else f'<div class="plain">{inner}</div>'


def docs_page(models: Sequence[Model], described: dict[str, Any]) -> str:
    """Endpoints, columns, a curl line and an answer for each model, and where the OpenAPI document lies."""
    parts = []
    for model in models:
        path = f"/models/{quote(model.name, safe='')}/predict"
        targets = ", ".join(_what(task, short=True) for task in (model.signature.task, *model.signature.more_tasks))
        rows = "".join(
            f"<tr><td><code>{escape(name)}</code><td>{escape(_column(model, name)['description'])}</tr>"
            for name in model.columns
        )
        line = curl_line(model, "http://127.0.0.1:PORT", path=path, needs_token="security" in described)
        answer = json.dumps(example_answer(model), ensure_ascii=False, indent=1)
        parts.append(
            f"<h2>POST {escape(path)}</h2><p>Predicts <b>{escape(targets)}</b>.</p>"
            f"<pre>{escape(line)}</pre><pre>{escape(answer)}</pre>"
            f"<table><tr><th>column<th>what it takes</tr>{rows}</table>"
        )
    routes = "".join(f"<li><code>{escape(path)}</code></li>" for path in described["paths"])
    body = (
        f"<p><code>/predict</code> asks {escape(models[0].name)}. Rows are "
        '<code>{"rows": [...]}</code>, one object, or a list; every column is needed, null means missing. '
        "Errors have <code>error</code>, <code>code</code> and <code>hint</code> and name row and column.</p>"
        f'<ul>{routes}</ul><p><a href="/openapi.json">OpenAPI document</a> · <a href="/">Try it</a></p>'
    )
    return _html("How to ask", body + "".join(parts))


def _html(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<title>{escape(title)}</title><link rel="icon" href="data:,"><style>{_STYLE}</style>'
        f"<h1>{escape(title)}</h1>{body}<script>{SCRIPT}</script></html>"
    )
