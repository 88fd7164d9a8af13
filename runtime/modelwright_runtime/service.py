"""What the server answers: routes, checks and predictions, as functions of a whole request."""

from __future__ import annotations

import hmac
import itertools
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote

import msgspec

from modelwright_runtime import formats, oip
from modelwright_runtime.batching import MOST_ROWS, Batcher, Job, Reply, Told, answer
from modelwright_runtime.errors import UserError, WrightError
from modelwright_runtime.feedback import kept_feedback
from modelwright_runtime.http import Limits, Request, Response, guarded
from modelwright_runtime.metrics import Samples, exposition, label, process_samples
from modelwright_runtime.model import Model
from modelwright_runtime.pages import SECURITY, docs_page, example_row, home_page, openapi
from modelwright_runtime.records import row_ids
from modelwright_runtime.refusals import RequestError
from modelwright_runtime.routing import Arm, Route, plain_route

__all__ = ["RequestError", "Service", "predict_path"]
_HTML = "text/html; charset=utf-8"
_OPEN_PATHS = frozenset({"/health", "/v2/health/live", "/v2/health/ready"})
_SMALL_BODY_BYTES = 32_768  # smaller bodies are answered at once; a thread costs more than they do
_encode = msgspec.json.Encoder().encode
Handler = Callable[[Request], Response]


@dataclass(frozen=True, slots=True)
class Asking:
    """An endpoint that asks a model: by rows or by tensors, whoever answers now or one version."""

    name: str
    tensors: bool
    version: int | None = None


@dataclass(slots=True)
class Known:
    """What the head of a request has told: its path, the model that it asks, the format of its body."""

    path: str
    asking: Asking | None
    kind: str


@lru_cache(maxsize=256)
def _format(content_type: bytes, tensors: bool) -> str | None:  # noqa: FBT001
    kind = content_type.split(b";")[0].strip().lower()
    return formats.JSON if tensors and kind == b"application/octet-stream" else formats.NAMES.get(kind)


class Service:
    """Routes by name; the first is the one that `/predict` asks. A model alone is a route of one version.

    Every refusal has a JSON body of `error`, `code` and `hint`. A row that does not fit the model's columns is
    answered 422, naming row and column; what is no JSON, 400. `replace` puts other routes in the place of these:
    what has begun is finished by the version that it began with.
    """

    def __init__(
        self, models: Sequence[Model | Route], *, token: str | None = None, limits: Limits | None = None,
        others: Callable[[], Sequence[Samples]] = lambda: (),
    ) -> None:  # fmt: skip
        self.limits = limits or Limits()
        self._needs_token = token is not None
        self._token = b"" if token is None else f"Bearer {token}".encode()
        self._batcher = Batcher(self._of_problem)
        self._statuses: dict[int, int] = {}
        self._others = others
        self._prefix, self._numbers = os.urandom(6).hex(), itertools.count()
        self.n_connections: Callable[[], int] = lambda: 0
        self.replace([model if isinstance(model, Route) else plain_route(model) for model in models])

    def replace(self, routes: Sequence[Route]) -> None:
        """Serve these routes from the next request on."""
        by_name = {route.name: route for route in routes}
        if not routes or len(by_name) != len(routes):
            raise UserError(
                "serve.models",
                f"`models` must be one or more, each with its own name; got {[route.name for route in routes]}.",
            )
        asking: dict[str, Asking] = {"/predict": Asking(routes[0].name, tensors=False)}
        for route in routes:
            own, tensors = f"/models/{route.name}", f"/v2/models/{route.name}"
            asking[f"{own}/predict"] = Asking(route.name, tensors=False)
            asking[f"{tensors}/infer"] = Asking(route.name, tensors=True)
            for arm in route.arms:
                asking[f"{own}/versions/{arm.version}/predict"] = Asking(route.name, False, arm.version)
                asking[f"{tensors}/versions/{arm.version}/infer"] = Asking(route.name, True, arm.version)
        pages = self._pages(routes)
        self.routes, self._asking, self._constants = by_name, asking, pages

    def _pages(self, routes: Sequence[Route]) -> dict[str, tuple[str, Handler]]:
        described = openapi([route.model for route in routes], needs_token=self._needs_token)
        found: dict[str, tuple[str, Handler]] = {
            "/": ("GET", _page(home_page([route.model for route in routes]))),
            "/docs": ("GET", _page(docs_page([route.model for route in routes], described))),
            "/openapi.json": ("GET", _constant(described)),
            "/health": ("GET", _constant({"status": "ok", "models": [route.name for route in routes]})),
            "/metrics": ("GET", self._metrics),
            "/status": ("GET", self._status),
            "/feedback": ("POST", self._feedback),
            "/example.json": ("GET", _constant({"rows": [example_row(routes[0].model)]})),
            "/v2": ("GET", _constant(oip.SERVER | {"version": _version()})),
            "/v2/health/live": ("GET", _constant({"live": True})),
            "/v2/health/ready": ("GET", _constant({"ready": True})),
        }
        for route in routes:
            versions = [arm.version for arm in route.arms]
            told = _constant(oip.metadata(route.name, versions, route.model))
            ready = _constant({"name": route.name, "ready": True})
            found[f"/models/{route.name}/example.json"] = ("GET", _constant({"rows": [example_row(route.model)]}))
            for path in (f"/v2/models/{route.name}", *(f"/v2/models/{route.name}/versions/{v}" for v in versions)):
                found |= {path: ("GET", told), f"{path}/ready": ("GET", ready)}
        return found

    # The head of a request ---------------------------------------------------------------------------------------

    def gate(self, request: Request) -> Response | None:
        """Refuse by the head alone: token, path, method, length and type."""
        try:
            self._check_head(request)
        except RequestError as refused:
            return self._refused(refused)
        return None

    def _check_head(self, request: Request) -> None:
        path = _path(request)
        if self._needs_token and path not in _OPEN_PATHS:
            given = request.headers.get(b"authorization", b"")
            if not hmac.compare_digest(given, self._token):
                raise RequestError(
                    401, "request.token", "the token is missing or wrong.", "Authorization: Bearer TOKEN"
                )
        asking = self._asking.get(path)
        if asking is None and path not in self._constants:
            known = ", ".join([*self._asking, *self._constants][:20])
            raise RequestError(404, "request.path", f"there is nothing at {path[:100]}.", f"there is {known}")
        method = "POST" if asking is not None else self._constants[path][0]
        if request.method != method and not (method == "GET" and request.method == "HEAD"):
            hint = "use GET, HEAD" if method == "GET" else "use POST"
            raise RequestError(405, "request.method", f"{path} does not take {request.method}.", hint)
        kind = ""
        if method == "POST":
            kind = self._check_body_head(request.headers, tensors=asking is not None and asking.tensors)
        request.known = Known(path, asking, kind)

    def _check_body_head(self, headers: Mapping[bytes, bytes], *, tensors: bool) -> str:
        """Refuse by length and type; the format of the body."""
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
        content_type, encoding = headers.get(b"content-type", b""), headers.get(b"content-encoding")
        kind = _format(content_type, tensors)
        if kind is None or (encoding is not None and encoding.strip().lower() != b"identity"):
            given = (content_type if kind is None else encoding or b"")[:60].decode("latin-1")
            raise RequestError(
                415, "request.type", f"the body must be plain JSON, JSON lines, CSV or Arrow; got {given}.",
                "Content-Type: application/json",
            )  # fmt: skip
        return kind

    # Answering -----------------------------------------------------------------------------------------------------

    def begin(self, request: Request, reply: Reply, *, alone: bool) -> Response | None:
        """Answer at once; or, of a few rows, with what arrives at the same time: then `reply` is called soon.

        `alone` says that no other client is there to be waited for.
        """
        known: Known = request.known
        if known.asking is None:
            return self.answer(request)
        try:
            job = self._job(request, known.asking, known.kind)
        except Exception as problem:  # noqa: BLE001  the edge
            return self._of_problem(problem)
        if alone or not isinstance(job.rows, list) or job.n_rows > MOST_ROWS:
            return self._guarded(lambda: answer(job))
        self._batcher.add(job, reply)
        return None

    def is_slow(self, request: Request) -> bool:
        """Whether answering takes long: it is not done between the bytes of other connections."""
        known: Known = request.known
        if known.asking is None:
            return known.path in ("/metrics", "/feedback", "/status")
        if len(request.body) > _SMALL_BODY_BYTES or known.kind != formats.JSON:
            return True
        route = self.routes.get(known.asking.name)
        return route is None or bool(route.model.signature.arrays)

    def whole(self, request: Request) -> Response:
        """Gate and answer a request that is there whole, for who has it from another server."""
        length = {b"content-length": str(len(request.body)).encode()}
        request.headers = {**request.headers, **length} if request.method == "POST" else request.headers
        return self.gate(request) or self.answer(request)

    def answer(self, request: Request) -> Response:
        """Answer a request that has passed the gate, from a thread or between others."""
        known: Known = request.known
        asking = known.asking
        if asking is None:
            if known.path not in self._constants:  # the routes were replaced meanwhile
                return self.refusal(404, "request.path", f"there is nothing at {known.path[:100]} any more.")
            _, handler = self._constants[known.path]
            return self._guarded(lambda: handler(request))
        return self._guarded(lambda: answer(self._job(request, asking, known.kind)))

    def _guarded(self, do: Callable[[], Response]) -> Response:
        """The answer, or the refusal that says what is wrong; a defect of ours must not take the server down."""
        try:
            return do()
        except Exception as problem:  # noqa: BLE001  the edge
            return self._of_problem(problem)

    def _of_problem(self, problem: Exception) -> Response:
        if isinstance(problem, RequestError):
            return self._refused(problem)
        return self._problem(problem) if isinstance(problem, WrightError) else guarded(problem, self)

    def refusal(self, status: int, code: str, message: str, hint: str = "") -> Response:
        """A refusal with its JSON body."""
        return self._refused(RequestError(status, code, message, hint))

    def _refused(self, refused: RequestError) -> Response:
        headers: tuple[tuple[str, str], ...] = ()
        if refused.status == 401:
            headers = (("WWW-Authenticate", "Bearer"),)
        if refused.status == 405:
            headers = (("Allow", refused.plain["hint"].removeprefix("use ")),)
        if refused.status == 503:
            headers = (("Retry-After", "1"),)
        return Response(refused.status, _encode(refused.plain), headers=headers)

    def _problem(self, problem: WrightError) -> Response:
        return Response(422 if isinstance(problem, UserError) else 500, _encode(problem.as_plain()))

    def _job(self, request: Request, asking: Asking, kind: str) -> Job:
        began_s = time.perf_counter()
        route = self.routes.get(asking.name)
        if route is None:
            raise RequestError(404, "request.path", f"the model {asking.name!r} is not served any more.")
        if self._batcher.n_rows > self.limits.max_queue_rows:
            raise RequestError(503, "request.busy", "too many rows wait to be answered.", "try again in a moment")
        own_id = request.headers.get(b"x-request-id", b"")
        key = _id(own_id) if own_id else f"{self._prefix}-{next(self._numbers):x}"
        if asking.tensors:
            return self._tensor_job(request, asking, route, key, began_s)
        arm = _arm(route, asking.version, request, key)
        model = arm.model
        rows = (
            formats.rows_of(request.body, model)
            if kind == formats.JSON
            else (formats.read_rows(kind, request.body, model))
        )
        n_rows = formats.n_rows_of(rows)
        if n_rows > self.limits.max_rows:
            raise RequestError(
                413, "request.rows", f"there are {n_rows:,} rows; at most {self.limits.max_rows:,} are taken at once.",
                "send the rows in several requests",
            )  # fmt: skip
        wanted = request.headers.get(b"accept")
        form = kind if wanted is None or wanted == b"*/*" else _accepted(wanted, kind)
        write = _json_answer if form == formats.JSON else lambda told: _other_answer(form, told)
        return Job(key, route, arm, rows, n_rows, write, self._problem, began_s)

    def _tensor_job(self, request: Request, asking: Asking, route: Route, key: str, began_s: float) -> Job:
        arm = _arm(route, asking.version, request, key)
        length = request.headers.get(oip.LENGTH_HEADER)
        infer = oip.read_infer(request.body, length, arm.model, max_rows=self.limits.max_rows)

        def write(told: Told) -> Response:
            return oip.write_infer(told, infer)

        def refuse(problem: WrightError) -> Response:
            return Response(400 if isinstance(problem, UserError) else 500, _encode(problem.as_plain()))

        return Job(infer.id or key, route, arm, infer.rows, infer.n_rows, write, refuse, began_s)

    # What the server tells of itself -------------------------------------------------------------------------------

    def samples(self) -> Samples:
        """What this worker has counted."""
        found: Samples = {"http_connections": {"": float(self.n_connections())}, **process_samples()}
        found["http_requests_total"] = {f'{{status="{code}"}}': float(n) for code, n in sorted(self._statuses.items())}
        for route in list(self.routes.values()):
            for arm in route.arms:
                labels = f'model="{label(route.name)}",version="{arm.version}",role="{arm.role}"'
                for family, values in arm.tally.samples(labels).items():
                    found.setdefault(family, {}).update(values)
                found.setdefault("model_info", {})[f"{{{labels}}}"] = 1.0
            of_model = f'{{model="{label(route.name)}"}}'
            if route.recorder is not None:
                found.setdefault("prediction_log_rows_total", {})[of_model] = float(route.recorder.n_kept)
                found.setdefault("prediction_log_lost_rows_total", {})[of_model] = float(route.recorder.n_lost)
            if route.shadow is not None:
                found.setdefault("shadow_lost_rows_total", {})[of_model] = float(route.shadow.n_lost)
        return found

    def count(self, status: int) -> None:
        """One answer of that status was written."""
        self._statuses[status] = self._statuses.get(status, 0) + 1

    def _metrics(self, _: Request) -> Response:
        from modelwright_runtime.metrics import merged

        return Response(200, exposition(merged([self.samples(), *self._others()])), "text/plain; version=0.0.4")

    def _status(self, _: Request) -> Response:
        """Who answers, how fast, and what monitoring last said: what the page shows."""
        told = []
        for route in list(self.routes.values()):
            arms = [
                {"version": arm.version, "role": arm.role, "requests": arm.tally.n_requests, "rows": arm.tally.n_rows,
                 "errors": arm.tally.n_errors, "p50_s": arm.tally.quantile_s(0.5), "p99_s": arm.tally.quantile_s(0.99)}
                for arm in route.arms
            ]  # fmt: skip
            monitor = _latest(route.folder / "monitor.json") if route.folder else None
            told.append({"model": route.name, "revision": route.revision, "mode": route.mode, "share": route.share,
                         "arms": arms, "monitor": monitor})  # fmt: skip
        return Response(200, _encode({"models": told}))

    def _feedback(self, request: Request) -> Response:
        names = parse_qs(request.path.partition("?")[2]).get("model", [next(iter(self.routes))])
        route = self.routes.get(names[0])
        if route is None or route.folder is None:
            raise RequestError(
                404, "request.feedback", f"what turned out to be true is not kept for {names[0][:100]!r}.",
                "serve it from a deployment: `wright serve NAME`",
            )  # fmt: skip
        return Response(200, _encode({"kept": kept_feedback(request.body, request.known.kind, route)}))


def _arm(route: Route, version: int | None, request: Request, key: str) -> Arm:
    if version is None:
        sticky = request.headers.get(b"x-wright-key") if route.mode == "ab" else None
        return route.pick(key if sticky is None else sticky.decode("latin-1"))
    for arm in route.arms:
        if arm.version == version:
            return arm
    raise RequestError(404, "request.path", f"version {version} of {route.name!r} is not served any more.")


def _id(given: bytes) -> str:
    """An id of the caller's own."""
    text = given.decode("latin-1")
    if len(text) > 200 or not text.isascii() or not text.isprintable():
        raise RequestError(400, "request.id", "X-Request-Id must be at most 200 printable ASCII characters.")
    return text


def _json_answer(told: Told) -> Response:
    body: dict[str, Any] = {
        "model": told.arm.name, "version": told.arm.version, "id": told.id, "predictions": told.rows(),
        "warnings": told.warnings,
    }  # fmt: skip
    if told.n_more_warnings:
        body["n_more_warnings"] = told.n_more_warnings
    return Response(200, _encode(body))


def _other_answer(form: str, told: Told) -> Response:
    headers = (("X-Wright-Version", str(told.arm.version)), ("X-Request-Id", told.id),
               ("X-Wright-Warnings", str(len(told.warnings) + told.n_more_warnings)))  # fmt: skip
    if form == formats.JSON:
        return _json_answer(told)
    return Response(200, formats.write_answers(form, row_ids(told.id, told.n_rows), told.columns), form, headers)


def _accepted(wanted: bytes, given: str) -> str:
    """The form of the answer: the first that is asked for and known, else as the rows came."""
    for part in wanted.split(b","):
        kind = part.split(b";")[0].strip().lower()
        if kind and kind in formats.NAMES:
            return formats.NAMES[kind]
    return given


def _latest(place: Path) -> Any:
    """What monitoring wrote last, or None."""
    try:
        return msgspec.json.decode(place.read_bytes())
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def _constant(plain: Any) -> Handler:
    response = Response(200, _encode(plain))
    return lambda _: response


def _page(page: str) -> Handler:
    response = Response(200, page.encode(), _HTML, (SECURITY,))
    return lambda _: response


def _path(request: Request) -> str:
    path = request.path
    if "%" in path or "?" in path:
        return unquote(path.partition("?")[0])
    return path


def _version() -> str:
    from modelwright_runtime import __version__

    return __version__


def predict_path(model: Model) -> str:
    """The path that asks this model by its name."""
    return f"/models/{quote(model.name, safe='')}/predict"
