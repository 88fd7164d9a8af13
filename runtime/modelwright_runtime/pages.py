"""The pages of a served model, made of its signature and a golden row: no network, no framework, all escaped."""

from __future__ import annotations

import base64
import hashlib
import json
import shlex
from collections.abc import Sequence
from html import escape
from typing import Any
from urllib.parse import quote

from modelwright_runtime.model import Model

_SCRIPT = """
for (const form of document.querySelectorAll("form")) form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const out = form.querySelector("output");
  out.textContent = "asking ...";
  try {
    const answer = await fetch(form.dataset.path, {method: "POST", headers: {"content-type": "application/json"},
      body: form.querySelector("textarea").value});
    out.textContent = JSON.stringify(await answer.json(), null, 1);
  } catch (problem) { out.textContent = String(problem); }
});
"""
_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
textarea { width: 100%; height: 14rem; box-sizing: border-box; }
textarea, pre, code, output { font: 13px/1.45 ui-monospace, monospace; }
pre, output { display: block; padding: .8rem; background: #8881; overflow: auto; white-space: pre-wrap; }
table { border-collapse: collapse; } td, th { text-align: left; padding: .2rem .9rem .2rem 0; vertical-align: top; }
"""
_DIGEST = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
SECURITY = (
    "Content-Security-Policy",
    f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{_DIGEST}'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
)


def example_row(model: Model) -> dict[str, Any]:
    """The golden training row with the fewest blanks: a real row, as it was collected."""
    golden = model.facts.get("golden", {})
    pairs = zip(golden.get("rows", ()), golden.get("kinds", ()), strict=False)
    rows = [row for row, kind in pairs if kind == "training"]
    if not rows:
        return dict.fromkeys(model.columns)
    fullest = min(rows, key=lambda row: sum(cell in (None, "") for cell in row.values()))
    return {name: fullest[name] for name in model.columns}


def curl_line(model: Model, address: str, *, path: str = "/predict", needs_token: bool = False) -> str:
    """A line for the shell that asks a server at `address` about a real row."""
    row = json.dumps({"rows": [example_row(model)]}, ensure_ascii=False)
    token = ' -H "Authorization: Bearer $WRIGHT_TOKEN"' if needs_token else ""
    where = shlex.quote(address.rstrip("/") + path)
    return f"curl -s {where} -H 'content-type: application/json'{token} -d {shlex.quote(row)}"


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
    example = {"rows": [example_row(model)]}
    errors = {
        "400": "The body is no JSON.",
        "411": "No length.",
        "413": "Too many bytes or rows.",
        "415": "Not application/json.",
        "422": "A row does not fit: the answer names row and column.",
    }
    error = {"type": "object", "properties": {key: {"type": "string"} for key in ("error", "code", "hint")}}
    return {
        "operationId": operation_id,
        "summary": f"Predict {model.signature.task.target} ({model.signature.task.kind}).",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"anyOf": [envelope, row, rows]}, "example": example}},
        },
        "responses": {
            "200": _json("One prediction per row, in their order.", _answer_schema(model), example_answer(model)),
            **{status: _json(told, error) for status, told in errors.items()},
        },
    }


def example_answer(model: Model) -> dict[str, Any]:
    """What the server answers to `example_row`."""
    answered = model.predict(example_row(model))
    return {"model": model.name, "predictions": answered.rows(), "warnings": []}


def _json(told: str, schema: dict[str, Any], example: Any = None) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": schema}
    if example is not None:
        content["example"] = example
    return {"description": told, "content": {"application/json": content}}


def _answer_schema(model: Model) -> dict[str, Any]:
    task = model.signature.task
    properties: dict[str, Any] = {"prediction": {"type": "number"}}
    if task.is_classification:
        properties = {"prediction": {"type": "string", "enum": list(task.classes)}}
        properties |= {f"probability_{name}": {"type": "number", "minimum": 0, "maximum": 1} for name in task.classes}
    row = {"type": "object", "properties": properties, "required": list(properties)}
    return {
        "type": "object",
        "properties": {
            "model": {"type": "string"},
            "predictions": {"type": "array", "items": row},
            "warnings": {"type": "array", "items": {"type": "object"}},
        },
        "required": ["model", "predictions", "warnings"],
    }


def _column(model: Model, name: str) -> dict[str, Any]:
    """A column's schema. Texts are taken where numbers are meant, read as in training; so no numeric bounds."""
    reading = next(reading for reading in model.signature.readings if reading.column == name)
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
    """A form per model, filled with a real row."""
    parts = []
    for model in models:
        row = json.dumps({"rows": [example_row(model)]}, ensure_ascii=False, indent=1)
        task = model.signature.task
        parts.append(
            f"<h2>{escape(model.name)}</h2><p>Predicts <b>{escape(task.target)}</b> ({task.kind}) from "
            f"{len(model.columns)} columns. This is a real row; change it and ask.</p>"
            f'<form data-path="/models/{escape(quote(model.name, safe=""))}/predict">'
            f'<textarea aria-label="rows" spellcheck="false">{escape(row)}</textarea>'
            "<p><button>Predict</button></p><output></output></form>"
        )
    return _html("Predict", "".join(parts) + '<p><a href="/docs">How to ask from a program</a></p>')


def docs_page(models: Sequence[Model], described: dict[str, Any]) -> str:
    """Endpoints, columns, a curl line and an answer for each model, and where the OpenAPI document lies."""
    parts = []
    for model in models:
        path = f"/models/{quote(model.name, safe='')}/predict"
        rows = "".join(
            f"<tr><td><code>{escape(name)}</code><td>{escape(_column(model, name)['description'])}</tr>"
            for name in model.columns
        )
        line = curl_line(model, "http://127.0.0.1:PORT", path=path, needs_token="security" in described)
        answer = json.dumps(example_answer(model), ensure_ascii=False, indent=1)
        parts.append(
            f"<h2>POST {escape(path)}</h2><p>Predicts <b>{escape(model.signature.task.target)}</b>.</p>"
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
        f"<h1>{escape(title)}</h1>{body}<script>{_SCRIPT}</script></html>"
    )
