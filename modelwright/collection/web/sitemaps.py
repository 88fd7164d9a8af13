"""Sitemaps: XML, an index of others, or plain lines; also gzipped.

Reference: sitemaps.org, "Sitemaps XML format" (protocol 0.9): 50,000 addresses and 50 MB at most.
"""

from __future__ import annotations

import io
import zlib

from modelwright.collection.web.addresses import canonical

MOST_ADDRESSES = 50_000
MOST_BYTES = 50 * 2**20


def addresses_in(content: bytes, url: str) -> tuple[list[str], list[str]]:
    """The pages and the further sitemaps that a sitemap names. What is broken or too large is read as far as it goes.

    >>> addresses_in(b"<urlset><url><loc>http://example.org/a</loc></url></urlset>", "http://example.org/")
    (['http://example.org/a'], [])
    """
    if content[:2] == b"\x1f\x8b":
        content = _opened(content)
    content = content[:MOST_BYTES]
    if not content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        lines = content.decode("utf-8", "replace").split("\n")
        return _known(lines, url), []
    pages, others = _from_xml(content)
    return _known(pages, url), _known(others, url)


def _from_xml(content: bytes) -> tuple[list[str], list[str]]:
    from lxml import etree

    pages: list[str] = []
    others: list[str] = []
    walk = etree.iterparse(
        io.BytesIO(content), events=("end",), recover=True, resolve_entities=False, no_network=True, huge_tree=False
    )
    try:
        for _, element in walk:
            if not isinstance(element.tag, str):
                continue
            name = etree.QName(element).localname
            if name == "loc" and element.text:
                parent = element.getparent()
                above = etree.QName(parent).localname if parent is not None else ""
                (others if above == "sitemap" else pages).append(element.text)
            if name in ("url", "sitemap"):
                element.clear()
            if len(pages) + len(others) >= MOST_ADDRESSES:
                break
    except etree.XMLSyntaxError:
        pass
    return pages, others


def _opened(content: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(content, MOST_BYTES)
    except zlib.error:
        return b""


def _known(links: list[str], url: str) -> list[str]:
    return list(dict.fromkeys(link for one in links[:MOST_ADDRESSES] if one.strip() and (link := canonical(one, url))))
