"""What the server answers: routes, checks and predictions, as functions of a whole request."""

from __future__ import annotations

import hmac
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from modelwright_runtime.errors import UserError, WrightError
from modelwright_runtime.http import Limits, Request, Response
from modelwright_runtime.model import Model
from modelwright_runtime.pages import SECURITY, docs_page, example_row, home_page, openapi

_HTML = "text/html; charset=utf-8"
_OPEN_PATHS = frozenset({"/health"})
_encode = msgspec.json.Encoder().encode
Handler = Callable[[Request], Response]


class RequestError(Exception):
    """A request that is refused, with the status that says so."""

    def __init__(self, status: int, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.plain = {"error": message, "code": code, "hint": hint}


class Service:
    """Models by name; the first is the one that `/predict` asks.

    Every refusal has a JSON body of `error`, `code` and `hint`. A row that does not fit the model's columns is
    answered 422, naming row and column; what is no JSON, 400.
    """

    def __init__(self, models: Sequence[Model], *, token: str | None = None, limits: Limits | None = None) -> None:
        self.models = {model.name: model for model in models}
        if not models or len(self.models) != len(models):
            raise UserError(
                "serve.models",
                f"`models` must be one or more, each with its own name; got {[model.name for model in models]}.",
            )
        self.limits = limits or Limits()
        self._token = None if token is None else f"Bearer {token}".encode()
        described = openapi(models, needs_token=token is not None)
        default = models[0]
        self._routes: dict[str, tuple[str, Handler]] = {
            "/": ("GET", _page(home_page(models))),
            "/docs": ("GET", _page(docs_page(models, described))),
            "/openapi.json": ("GET", _constant(_encode(described))),
            "/health": ("GET", _constant(_encode({"status": "ok", "models": list(self.models)}))),
            "/predict": ("POST", self._predictor(default)),
        }
        self._routes["/example.json"] = ("GET", _constant(_encode({"rows": [example_row(default)]})))
        for model in models:
            self._routes[f"/models/{model.name}/predict"] = ("POST", self._predictor(model))
            example = _encode({"rows": [example_row(model)]})
            self._routes[f"/models/{model.name}/example.json"] = ("GET", _constant(example))
        self._slow = {f"/models/{model.name}/predict" for model in models if model.signature.arrays}
        self._slow |= {"/predict"} if default.signature.arrays else set()

    def gate(self, request: Request) -> Response | None:
        """Refuse by the head alone: token, path, method, length and type."""
        try:
            self._check_head(request)
        except RequestError as refused:
            return self._refused(refused)
        return None

    def is_slow(self, request: Request) -> bool:
        """Whether answering takes a network: it is not done between the bytes of other connections."""
        return bool(self._slow) and _path(request) in self._slow

    def answer(self, request: Request) -> Response:
        """Answer a request that has passed the gate."""
        _, handler = self._routes[_path(request)]
        try:
            return handler(request)
        except RequestError as refused:
            return self._refused(refused)
        except WrightError as problem:
            return Response(422 if isinstance(problem, UserError) else 500, _encode(problem.as_plain()))

    def refusal(self, status: int, code: str, message: str, hint: str = "") -> Response:
        """A refusal with its JSON body."""
        return self._refused(RequestError(status, code, message, hint))

    def _refused(self, refused: RequestError) -> Response:
        headers: tuple[tuple[str, str], ...] = ()
        if refused.status == 401:
            headers = (("WWW-Authenticate", "Bearer"),)
        if refused.status == 405:
            headers = (("Allow", refused.plain["hint"].removeprefix("use ")),)
        return Response(refused.status, _encode(refused.plain), headers=headers)

    def _check_head(self, request: Request) -> None:
        path = _path(request)
        if self._token is not None and path not in _OPEN_PATHS:
            given = request.headers.get(b"authorization", b"")
            if not hmac.compare_digest(given, self._token):
                raise RequestError(
                    401, "request.token", "the token is missing or wrong.", "Authorization: Bearer TOKEN"
                )
        if path not in self._routes:
            known = ", ".join(list(self._routes)[:20])
            raise RequestError(404, "request.path", f"there is nothing at {path[:100]}.", f"there is {known}")
        method, _ = self._routes[path]
        allowed = ("GET", "HEAD") if method == "GET" else ("POST",)
        if request.method not in allowed:
            hint = f"use {', '.join(allowed)}"
            raise RequestError(405, "request.method", f"{path} does not take {request.method}.", hint)
        if method == "POST":
            self._check_body_head(request.headers)

    def _check_body_head(self, headers: Mapping[bytes, bytes]) -> None:
        length = headers.get(b"content-length")
        if length is None and b"transfer-encoding" not in headers:
            raise RequestError(411, "request.length", "the request has no Content-Length.", "send a JSON body")
        if length is not None and int(length) > self.limits.max_body_bytes:
            raise RequestError(
                413,
                "request.size",
                f"the body has {int(length):,} bytes; at most {self.limits.max_body_bytes:,} are taken.",
                "send the rows in several requests",
            )
        kind = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
        encoding = headers.get(b"content-encoding", b"identity").strip().lower()
        if kind not in (b"application/json", b"") or encoding != b"identity":
            given = (kind if encoding == b"identity" else encoding)[:60].decode("latin-1")
            raise RequestError(
                415, "request.type", f"the body must be plain JSON; got {given}.", "Content-Type: application/json"
            )

    def _predictor(self, model: Model) -> Handler:
        def predict(request: Request) -> Response:
            rows = rows_of(request.body, model)
            if len(rows) > self.limits.max_rows:
                raise RequestError(
                    413,
                    "request.rows",
                    f"there are {len(rows):,} rows; at most {self.limits.max_rows:,} are taken at once.",
                    "send the rows in several requests",
                )
            answered = model.predict(rows, strict=True)
            body: dict[str, Any] = {"model": model.name, "predictions": answered.rows(), "warnings": answered.warnings}
            if answered.n_more_warnings:
                body["n_more_warnings"] = answered.n_more_warnings
            return Response(200, _encode(body))

        return predict


def _constant(body: bytes, content_type: str = "application/json") -> Handler:
    response = Response(200, body, content_type, (SECURITY,) if content_type == _HTML else ())
    return lambda _: response


def _page(page: str) -> Handler:
    return _constant(page.encode(), _HTML)


def _path(request: Request) -> str:
    return unquote(request.path.partition("?")[0])


def predict_path(model: Model) -> str:
    """The path that asks this model by its name."""
    return f"/models/{quote(model.name, safe='')}/predict"


def rows_of(body: bytes, model: Model) -> list[Any]:
    """The rows of a body: `{"rows": [...]}`, one object, or a bare list. Raises `RequestError` 400 or 422."""
    try:
        value = msgspec.json.decode(body)
    except msgspec.ValidationError:
        raise _out_of_range(body, model) from None
    except RecursionError:
        raise RequestError(400, "request.json", "the body is nested too deeply.", _shape(model)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        reason = "the body is empty" if not body.strip() else f"the body is no JSON: {problem}"
        hint = "JSON has no NaN and no Infinity; send null for a missing value"
        raise RequestError(
            400, "request.json", f"{reason}.", hint if b"NaN" in body or b"Infinity" in body else _shape(model)
        ) from None
    if isinstance(value, dict) and "rows" in value and "rows" not in model.columns:
        others = sorted(set(value) - {"rows"})
        if others or not isinstance(value["rows"], list):
            problem_text = f"beside 'rows' there is {others[0][:60]!r}" if others else "'rows' is no list"
            raise RequestError(422, "request.shape", f"{problem_text}.", _shape(model))
        value = value["rows"]
    if isinstance(value, dict):
        return [value]
    if not isinstance(value, list):
        raise RequestError(422, "request.shape", "the body is neither an object nor a list.", _shape(model))
    return value


def _shape(model: Model) -> str:
    names = ", ".join(f'"{name}": ...' for name in model.columns[:3])
    return f'send {{"rows": [{{{names}}}]}}'


def _out_of_range(body: bytes, model: Model) -> RequestError:
    """Name the cell whose number no float64 can hold; the decoder itself does not say where it is."""

    def size(text: str) -> float:
        return math.inf if math.isinf(float(text)) else 0.0

    try:
        value = json.loads(body, parse_float=size, parse_int=size)
    except (ValueError, RecursionError):  # something else is wrong further on
        value = None
    rows = value.get("rows", [value]) if isinstance(value, dict) else value
    for index, row in enumerate(rows if isinstance(rows, list) else []):
        for name, cell in row.items() if isinstance(row, dict) else ():
            if cell == math.inf:
                return RequestError(
                    422, "rows.cell", f"row {index}, column {name[:100]!r}: the number is beyond a 64-bit float.",
                    "send null for a missing value",
                )  # fmt: skip
    return RequestError(422, "request.json", "a number is beyond a 64-bit float.", _shape(model))
