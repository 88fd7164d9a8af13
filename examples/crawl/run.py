"""From a crawl to a classifier: a local site of scikit-learn's documentation, walked politely; which part is a page of?

    python examples/crawl/run.py            the folder examples/crawl/out holds the walk, the table and the run

The site is made here from docstrings, one page for each public function and class of six parts of scikit-learn, with
menus, footers, a robots.txt and drafts that it forbids. The crawler sees what any visitor sees. The label is the
first folder of the address; the text does not contain it as such.
"""

from __future__ import annotations

import argparse
import html
import http.server
import importlib
import inspect
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

import modelwright as mw
from modelwright.collection.web import WebSpec, crawl

HERE = Path(__file__).resolve().parent
PARTS = ("linear_model", "ensemble", "cluster", "metrics", "preprocessing", "datasets")
ROBOTS = "User-agent: *\nDisallow: /drafts/\nCrawl-delay: 0.01\n"


def pages() -> dict[str, str]:
    """Addresses and their HTML."""
    made: dict[str, list[str]] = {}
    site: dict[str, str] = {}
    for part in PARTS:
        module = importlib.import_module(f"sklearn.{part}")
        for name in module.__all__:
            text = inspect.getdoc(getattr(module, name, None)) or ""
            if len(text) > 300:
                made.setdefault(part, []).append(name)
                site[f"/{part}/{name}.html"] = page(name, text)
    lists = {part: "".join(link(f"/{part}/{name}.html", name) for name in names) for part, names in made.items()}
    site |= {f"/{part}/": shell(part, f"<ul>{items}</ul>") for part, items in lists.items()}
    site["/"] = shell("Start", "".join(link(f"/{part}/", part) for part in PARTS) + link("/drafts/", "drafts"))
    site["/drafts/"] = shell("Drafts", "<p>Nobody who obeys robots.txt comes here.</p>")
    return site


def link(target: str, name: str) -> str:
    """One item of a menu."""
    return f'<li><a href="{target}">{html.escape(name)}</a></li>'


def page(name: str, text: str) -> str:
    """A docstring as an article; what would give the answer away (its own module's name) is left out."""
    for part in PARTS:
        text = text.replace(f"sklearn.{part}", "sklearn").replace(f"{part}.", "")
    plain = text.partition("Examples\n---")[0].partition(">>>")[0]
    paragraphs = "".join(f"<p>{html.escape(' '.join(one.split()))}</p>" for one in plain.split("\n\n") if one.strip())
    return shell(name, f"<article><h1>{html.escape(name)}</h1>{paragraphs}</article>")


def shell(title: str, body: str) -> str:
    """The frame that all pages share."""
    menu = "".join(link(f"/{part}/", part.replace("_", " ")) for part in PARTS)
    return (
        f"<!doctype html><html lang=en><title>{html.escape(title)}</title><body><nav><ul>{menu}</ul></nav>{body}"
        "<footer><p>Copyright 2024. All rights reserved.</p></footer></body></html>"
    )


@contextmanager
def serving(site: dict[str, str]) -> Iterator[str]:
    """The site on this machine."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version, wbufsize = "HTTP/1.1", -1

        def do_GET(self) -> None:
            body = (ROBOTS if self.path == "/robots.txt" else site.get(self.path, "")).encode()
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()


def main() -> None:
    """Crawl, look, train, and say where the report lies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE / "out")
    out = parser.parse_args().out
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    with serving(pages()) as address:
        spec = WebSpec(start=address, delay_s=0, allow_private=True, contact="examples/crawl")
        found = crawl(spec, out / "walk")
    print(f"{found.pages.height} pages; dropped {found.told['dropped']}; ended {found.told['outcomes']}")
    part = pl.col("url").str.extract(r"//[^/]+/([^/]+)/[^/]+\.html$", 1)
    table = found.pages.select("text", part.alias("part")).drop_nulls()
    table.write_csv(out / "pages.csv")
    recipe = mw.Recipe.from_plain(
        {
            "name": "parts",
            "target": "part",
            "data": str(out / "pages.csv"),
            "train": {"models": ["linear"], "network": "off", "budget": "quick"},
        }
    )
    run = mw.run(recipe, store=out / "store")
    print(f"report: {Path(run.facts['folder']) / 'report.html'}")


if __name__ == "__main__":
    main()
