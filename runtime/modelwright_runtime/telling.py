"""What is told of each request, where that is asked for: a line of JSON, a span of OpenTelemetry."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, TextIO

import msgspec

from modelwright_runtime.errors import UserError
from modelwright_runtime.http import Request, Response

Tell = Callable[[Request, Response, float], None]
_encode = msgspec.json.Encoder().encode


def access_log(stream: TextIO | None = None) -> Tell:
    """One line of JSON for each request: time, method, path, status, bytes, milliseconds, and the caller's own id."""
    out = stream or sys.stderr

    def tell(request: Request, response: Response, seconds: float) -> None:
        line: dict[str, Any] = {
            "time": round(time.time(), 3), "method": request.method, "path": request.path[:500],
            "status": response.status, "bytes": len(response.body), "ms": round(seconds * 1e3, 3),
        }  # fmt: skip
        if own := request.headers.get(b"x-request-id"):
            line["request_id"] = own.decode("latin-1")[:200]
        if parent := request.headers.get(b"traceparent"):
            line["traceparent"] = parent.decode("latin-1")[:100]
        out.write(_encode(line).decode() + "\n")
        out.flush()

    return tell


def traces(endpoint: str) -> tuple[Tell, Callable[[], None]]:
    """A span for each request, sent in batches to an OTLP collector over HTTP; and what ends it, sending the rest.

    A caller's `traceparent` is the span's parent. Needs `modelwright-runtime[traces]`; raises `UserError`
    `serve.traces` without it. Reference: OpenTelemetry's semantic conventions for HTTP servers.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace import SpanKind, StatusCode
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
    except ImportError:
        raise UserError(
            "serve.traces",
            "`--traces` needs OpenTelemetry, which is not installed here.",
            hint="pip install 'modelwright-runtime[traces]'",
        ) from None
    provider = TracerProvider(resource=Resource.create({"service.name": "modelwright"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")))
    tracer, reader = provider.get_tracer("modelwright_runtime"), TraceContextTextMapPropagator()

    def tell(request: Request, response: Response, seconds: float) -> None:
        parent = request.headers.get(b"traceparent")
        context = reader.extract({"traceparent": parent.decode("latin-1")}) if parent else None
        ended_ns = time.time_ns()
        path = request.path.partition("?")[0][:500]
        span = tracer.start_span(
            f"{request.method} {path}", context=context, kind=SpanKind.SERVER, start_time=ended_ns - int(seconds * 1e9),
            attributes={"http.request.method": request.method, "url.path": path,
                        "http.response.status_code": response.status},
        )  # fmt: skip
        if response.status >= 500:
            span.set_status(StatusCode.ERROR)
        span.end(ended_ns)

    return tell, provider.shutdown


def several(tells: Sequence[Tell]) -> Tell | None:
    """All of them as one; None where there are none."""
    if len(tells) < 2:
        return tells[0] if tells else None

    def tell(request: Request, response: Response, seconds: float) -> None:
        for one in tells:
            one(request, response, seconds)

    return tell
