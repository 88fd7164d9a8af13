"""The runtime's own command line: serve, predict and show a package. Needs no training library."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright_runtime.errors import UserError, WrightError

if TYPE_CHECKING:
    from modelwright_runtime.http import Limits
    from modelwright_runtime.model import Model
    from modelwright_runtime.server import Setup

_EXAMPLES = """examples:
  python -m modelwright_runtime serve income.wright --port 8000
  python -m modelwright_runtime predict income.wright rows.csv -o answers.csv
  python -m modelwright_runtime predict income.wright rows.jsonl -o -
  python -m modelwright_runtime predict flowers.wright photos/ -o answers.csv
  python -m modelwright_runtime show income.wright
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it did its work, 2 when the input was at fault, 1 when the machine was."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except WrightError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return problem.exit_code
    except BrokenPipeError:  # the reader of our output, such as `head`, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "wright-runtime", description="Serve, ask and show Modelwright packages.", epilog=_EXAMPLES,
        formatter_class=layout,
    )  # fmt: skip
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser(
        "serve", help="answer over HTTP until Ctrl-C", formatter_class=layout,
        epilog="examples:\n  python -m modelwright_runtime serve income.wright\n"
        "  python -m modelwright_runtime serve .wright/serving/income --workers 4\n"
        "  WRIGHT_TOKEN=... python -m modelwright_runtime serve a.wright b.wright --host 0.0.0.0\n",
    )  # fmt: skip
    serve.add_argument("packages", nargs="+", metavar="FILE",
                       help="one or more .wright files or deployment folders; the first is /predict")  # fmt: skip
    serve.add_argument("--host", default="127.0.0.1", help="other than loopback needs WRIGHT_TOKEN [127.0.0.1]")
    serve.add_argument("--port", type=_port, default=8000, help="0 takes a free one [8000]")
    add_serving(serve)
    serve.set_defaults(run=_serve)
    predict = commands.add_parser(
        "predict", help="answer a file of rows, one line per row, in its order", formatter_class=layout,
        epilog="examples:\n  python -m modelwright_runtime predict income.wright rows.csv -o answers.csv\n",
    )  # fmt: skip
    predict.add_argument("package", metavar="FILE", help="a .wright file")
    predict.add_argument("rows", help="rows.csv (with a header), rows.jsonl, or a folder of pictures or sounds")
    predict.add_argument("-o", "--output", default="-", help="answers.csv, answers.jsonl, or - for CSV here [-]")
    predict.set_defaults(run=_predict)
    show = commands.add_parser("show", help="what a package is and how good it is", formatter_class=layout,
                               epilog="examples:\n  python -m modelwright_runtime show income.wright\n")  # fmt: skip
    show.add_argument("package", metavar="FILE", help="a .wright file")
    show.set_defaults(run=_show)
    return parser


def add_serving(parser: argparse.ArgumentParser) -> None:
    """The options of a server that both command lines have."""
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes that share the port [1]")
    parser.add_argument("--tls-cert", metavar="FILE", help="serve https with this certificate (PEM)")
    parser.add_argument("--tls-key", metavar="FILE", help="and its key (PEM)")
    parser.add_argument(
        "--log-requests", action="store_true", help="a line of JSON for each request, on standard error"
    )
    parser.add_argument("--traces", default="", metavar="URL", help="OTLP collector that gets a span for each request")
    parser.add_argument("--max-rows", type=int, default=100_000, help="rows of one request [100,000]")
    parser.add_argument("--max-body-mb", type=float, default=10.0, help="size of one request in MB [10]")
    parser.add_argument("--timeout-s", type=float, default=30.0, help="seconds that a request may take to arrive [30]")


def limits_of(options: argparse.Namespace) -> Limits:
    """The limits that these options say."""
    from modelwright_runtime.http import Limits

    return Limits(
        max_rows=options.max_rows, max_body_bytes=int(options.max_body_mb * 1e6), request_timeout_s=options.timeout_s
    )


def setup_of(options: argparse.Namespace) -> Setup:
    """How the server is to run; a certificate without its key is refused."""
    from modelwright_runtime.server import Setup

    if (options.tls_cert is None) != (options.tls_key is None):
        raise UserError("serve.tls", "`--tls-cert` and `--tls-key` go together; got one of them.")
    tls = None if options.tls_cert is None else (options.tls_cert, options.tls_key)
    return Setup(workers=options.workers, tls=tls, log_requests=options.log_requests, traces=options.traces)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"must be 0 to 65535; got {text!r}")
    return int(text)


def _serve(options: argparse.Namespace) -> None:
    from modelwright_runtime.model import Model
    from modelwright_runtime.server import Served, curl_line, opened, serve

    alone = options.workers == 1
    served: list[Served] = [opened(path) if alone else path for path in options.packages]
    token = token_of(os.environ)

    def ready(address: str) -> None:
        names = [getattr(one, "name", str(one)) for one in served]
        print(f"serving {', '.join(names)} at {address} (Ctrl-C stops)", flush=True)
        if alone:
            first: Any = served[0]
            model = first if isinstance(first, Model) else first.model
            print(f"try it:\n{curl_line(model, address, needs_token=token is not None)}", flush=True)

    serve(served, host=options.host, port=options.port, token=token, ready=ready, limits=limits_of(options),
          setup=setup_of(options))  # fmt: skip


def token_of(environment: Mapping[str, str]) -> str | None:
    """The token callers must send: `WRIGHT_TOKEN`, or the first line of the file that `WRIGHT_TOKEN_FILE` names.

    Raises `UserError("serve.token")` when that file cannot be read: a server that was to have a token never starts
    without one.

    >>> token_of({"WRIGHT_TOKEN": "sixteen-letters-"}), token_of({})
    ('sixteen-letters-', None)
    """
    place = environment.get("WRIGHT_TOKEN_FILE")
    if environment.get("WRIGHT_TOKEN") or not place:
        return environment.get("WRIGHT_TOKEN") or None
    try:
        lines = Path(place).read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        reason = getattr(problem, "strerror", None) or "it is no ASCII text"
        raise UserError("serve.token", f"the token's file {place} cannot be read: {reason}.") from None
    if not lines or not lines[0].strip():
        raise UserError("serve.token", f"the token's file {place} is empty.")
    return lines[0].strip()


def _predict(options: argparse.Namespace) -> None:
    from modelwright_runtime.files import predict_file
    from modelwright_runtime.model import load

    n_rows, warnings = predict_file(load(options.package), options.rows, options.output)
    for warning in warnings[:20]:
        print(f"warning: {warning}", file=sys.stderr)
    if len(warnings) > 20:
        print(f"warning: ... and {len(warnings) - 20} more", file=sys.stderr)
    if options.output != "-":
        print(f"{n_rows} answers in {options.output}", file=sys.stderr)


def _show(options: argparse.Namespace) -> None:
    from modelwright_runtime.model import load

    print(describe(load(options.package)))


def describe(model: Model) -> str:
    """A package as a readable page."""
    from modelwright_runtime.beside import schema_beside

    task = model.signature.task
    lines = [f"{model.name}: {task.kind} of {task.target}"]
    for one in model.signature.tasks:
        lines += [f"and {one.kind} of {one.target}"] if one is not task else []
        lines += [f"classes: {', '.join(one.classes)}"] if one.classes else []
        lines += [f"horizon: {one.horizon} steps"] if one.horizon else []
        lines += [f"says also {name}: {about['description']}" for name, about in schema_beside(one).items()]
    if task.kind == "binary":
        lines.append(f"says {task.classes[1]!r} from probability {model.signature.threshold:g}")
    kinds = {reading.column: reading.kind for reading in model.signature.readings}
    lines.append("columns: " + ", ".join(f"{name} ({kinds[name]})" for name in model.columns))
    for metric in model.facts["metrics"].get("metrics", []):
        lines.append(f"{metric['name']}: {metric['value']:.4g} ({metric['low']:.4g} to {metric['high']:.4g})")
    data = model.facts["data"]
    lines.append(f"trained on {data['splits']['n_train']:,} of {data['raw']['n_rows']:,} rows")
    rows = model.facts["golden"]["rows"]
    lines.append(f"{len(rows)} golden rows replayed, largest difference {model.facts['largest_difference']:.1e}")
    lines.append(f"sha256: {model.facts['digest']}")
    return "\n".join([*lines, "", model.facts["card"]])


if __name__ == "__main__":
    sys.exit(main())
