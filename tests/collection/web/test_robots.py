"""robots.txt: the published expectations of google/robotstxt and RFC 9309, written anew."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.collection.web.robots import CLOSED, MAX_LINE_BYTES, escape, matches, parse, path_of

SITE = "http://foo.bar"
GROUPS = """allow: /foo/bar/

user-agent: FooBot
disallow: /
allow: /x/
user-agent: BarBot
disallow: /
allow: /y/


allow: /w/
user-agent: BazBot

user-agent: FooBot
allow: /z/
disallow: /
"""
STAR_FIRST = "user-agent: *\nallow: /\nuser-agent: FooBot\ndisallow: /\n"
NAMED_ONLY = "user-agent: FooBot\nallow: /\nuser-agent: BarBot\ndisallow: /\nuser-agent: BazBot\ndisallow: /\n"
FOO = "user-agent: FooBot\n"


def allowed(text: str | bytes, agent: str, path: str) -> bool:
    content = text if isinstance(text, bytes) else text.encode()
    return parse(content, agent).allowed(path if "://" in path or not path else SITE + path)


CASES: list[tuple[str, str, str, bool]] = [
    ("", "FooBot", "", True),
    (FOO + "disallow: /\n", "", "", True),
    (FOO + "disallow: /\n", "FooBot", "", False),
    # colons may be missing, names may not be unknown
    (FOO + "disallow: /\n", "FooBot", "/x/y", False),
    ("foo: FooBot\nbar: /\n", "FooBot", "/x/y", True),
    ("user-agent FooBot\ndisallow /\n", "FooBot", "/x/y", False),
    ("user-agent: FooBot\ndisallow /a /b\n", "FooBot", "/a", True),
    # groups: joined where the agent is the same, rules before any are none
    (GROUPS, "FooBot", "/x/b", True),
    (GROUPS, "FooBot", "/z/d", True),
    (GROUPS, "FooBot", "/y/c", False),
    (GROUPS, "BarBot", "/y/c", True),
    (GROUPS, "BarBot", "/w/a", True),
    (GROUPS, "BarBot", "/z/d", False),
    (GROUPS, "BazBot", "/z/d", True),
    (GROUPS, "FooBot", "/foo/bar/", False),
    (GROUPS, "BarBot", "/foo/bar/", False),
    (GROUPS, "BazBot", "/foo/bar/", False),
    # names of lines and agents in any case, paths in theirs
    ("USER-AGENT: FooBot\nALLOW: /x/\nDISALLOW: /\n", "FooBot", "/x/y", True),
    ("uSeR-aGeNt: FooBot\nAlLoW: /x/\ndIsAlLoW: /\n", "FooBot", "/a/b", False),
    ("User-Agent: FOO BAR\nAllow: /x/\nDisallow: /\n", "Foo", "/x/y", True),
    ("User-Agent: foo bar\nAllow: /x/\nDisallow: /\n", "foo", "/a/b", False),
    (FOO + "disallow: /x/\n", "FooBot", "/x/y", False),
    (FOO + "disallow: /X/\n", "FooBot", "/x/y", True),
    # an agent's name ends at the first space
    ("User-Agent: *\nDisallow: /\nUser-Agent: Foo Bar\nAllow: /x/\nDisallow: /\n", "Foo", "/x/y", True),
    ("User-Agent: *\nDisallow: /\nUser-Agent: Foo Bar\nAllow: /x/\nDisallow: /\n", "Foo Bar", "/x/y", False),
    # the star is for those who are not named
    (STAR_FIRST, "FooBot", "/x/y", False),
    (STAR_FIRST, "BarBot", "/x/y", True),
    (NAMED_ONLY, "QuxBot", "/x/y", True),
    ("user-agent: * baz\ndisallow: /\n", "FooBot", "/x", False),
    ("user-agent: *baz\ndisallow: /\n", "FooBot", "/x", True),
    # the longest rule wins, and of two as long the one that allows
    (FOO + "disallow: /x/page.html\nallow: /x/\n", "FooBot", "/x/page.html", False),
    (FOO + "allow: /x/page.html\ndisallow: /x/\n", "FooBot", "/x/page.html", True),
    (FOO + "allow: /x/page.html\ndisallow: /x/\n", "FooBot", "/x/", False),
    (FOO + "disallow: \nallow: \n", "FooBot", "/x/page.html", True),
    (FOO + "disallow: /\nallow: /\n", "FooBot", "/x/page.html", True),
    (FOO + "disallow: /x\nallow: /x/\n", "FooBot", "/x", False),
    (FOO + "disallow: /x\nallow: /x/\n", "FooBot", "/x/", True),
    (FOO + "disallow: /x/page.html\nallow: /x/page.html\n", "FooBot", "/x/page.html", True),
    (FOO + "allow: /page\ndisallow: /*.html\n", "FooBot", "/page.html", False),
    (FOO + "allow: /page\ndisallow: /*.html\n", "FooBot", "/page", True),
    (FOO + "allow: /x/page.\ndisallow: /*.html\n", "FooBot", "/x/page.html", True),
    (FOO + "allow: /x/page.\ndisallow: /*.html\n", "FooBot", "/x/y.html", False),
    ("User-agent: *\nDisallow: /x/\nUser-agent: FooBot\nDisallow: /y/\n", "FooBot", "/x/page", True),
    ("User-agent: *\nDisallow: /x/\nUser-agent: FooBot\nDisallow: /y/\n", "FooBot", "/y/page", False),
    # encoding: the rule is encoded, the address has to be
    (FOO + "Disallow: /\nAllow: /a?q=t&u=http://foo.bar?t&p\n", "FooBot", "/a?q=t&u=http://foo.bar?t&p", True),
    (FOO + "Disallow: /\nAllow: /foo/bar/ツ\n", "FooBot", "/foo/bar/%E3%83%84", True),
    (FOO + "Disallow: /\nAllow: /foo/bar/ツ\n", "FooBot", "/foo/bar/ツ", False),
    (FOO + "Disallow: /\nAllow: /foo/bar/%E3%83%84\n", "FooBot", "/foo/bar/%E3%83%84", True),
    (FOO + "Disallow: /\nAllow: /foo/bar/%62%61%7A\n", "FooBot", "/foo/bar/baz", False),
    (FOO + "Disallow: /\nAllow: /foo/bar/%62%61%7A\n", "FooBot", "/foo/bar/%62%61%7A", True),
    # star, dollar, hash
    (FOO + "Disallow: /foo/bar/quz\nAllow: /foo/*/qux\n", "FooBot", "/foo/bar/quz", False),
    (FOO + "Disallow: /foo/bar/quz\nAllow: /foo/*/qux\n", "FooBot", "/foo//quz", True),
    (FOO + "Disallow: /foo/bar$\nAllow: /foo/bar/qux\n", "FooBot", "/foo/bar", False),
    (FOO + "Disallow: /foo/bar$\nAllow: /foo/bar/qux\n", "FooBot", "/foo/bar/", True),
    (FOO + "# Disallow: /\nDisallow: /foo/quz#qux\nAllow: /\n", "FooBot", "/foo/bar", True),
    (FOO + "# Disallow: /\nDisallow: /foo/quz#qux\nAllow: /\n", "FooBot", "/foo/quz", False),
    # index.html at the end of a rule that allows is its folder too
    ("User-Agent: *\nAllow: /a/index.html\nDisallow: /\n", "foobot", "/a/", True),
    ("User-Agent: *\nAllow: /a/index.html\nDisallow: /\n", "foobot", "/a/index.htm", False),
    ("User-Agent: *\nAllow: /a/index.html\nDisallow: /\n", "foobot", "/a/index.html", True),
    ("User-Agent: *\nAllow: /a/index.html\nDisallow: /\n", "foobot", "/other", False),
    ("User-Agent: *\nDisallow: /a/index.html\n", "foobot", "/a/", True),
    # what is not known, and what is misspelt
    (FOO + "noindex: /\ndissallow: /x\nDisalow: /y\n", "FooBot", "/x", False),
    (FOO + "noindex: /\ndissallow: /x\nDisalow: /y\n", "FooBot", "/y", False),
    ("useragent: FooBot\ndisallow: /x\n", "FooBot", "/x", False),
    (FOO + "sitemap: /s.xml\nuser-agent: BarBot\ndisallow: /x\n", "FooBot", "/x", False),
]
DOCUMENTED = {
    "/fish": (
        "/fish /fish.html /fish/salmon.html /fishheads/yummy.html /fish.html?id=1",
        "/Fish.asp /catfish /?id=fish",
    ),
    "/fish*": ("/fish /fish.html /fish/salmon.html /fishheads /fish.html?id=1", "/Fish.bar /catfish /?id=fish"),
    "/fish/": ("/fish/ /fish/salmon /fish/?salmon /fish/salmon.html", "/fish /fish.html /Fish/Salmon.html"),
    "/*.php": ("/f.php /a/f.php /a/f.php?x //a/any.php.file.html /f.php/ /index?f=f.php/", "/php/ /index?php /w.PHP"),
    "/*.php$": ("/f.php /folder/f.php", "/f.php?p /f.php/ /f.php5 /php/ /f?php /aaaphpaaa //w.PHP"),
    "/fish*.php": ("/fish.php /fishheads/catfish.php?parameters", "/Fish.PHP"),
    "/$": ("/", "/page.html"),
}


@pytest.mark.parametrize(("text", "agent", "path", "expected"), CASES)
def test_a_published_expectation(text: str, agent: str, path: str, expected: bool) -> None:
    assert allowed(text, agent, path) is expected


@pytest.mark.parametrize("pattern", DOCUMENTED)
def test_the_documented_table(pattern: str) -> None:
    text = f"{FOO}disallow: /\nallow: {pattern}\n"
    yes, no = DOCUMENTED[pattern]
    assert [path for path in yes.split() if not allowed(text, "FooBot", path)] == []
    assert [path for path in no.split() if allowed(text, "FooBot", path)] == []
    assert not allowed(text, "FooBot", "/bar")


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_every_line_ending(ending: str) -> None:
    text = ending.join(["User-Agent: foo", "Allow: /some/path", "User-Agent: bar", "", "", "Disallow: /"])
    assert not allowed(text, "bar", "/x") and allowed(text, "foo", "/x")


@pytest.mark.parametrize(
    ("mark", "heard"), [(b"\xef\xbb\xbf", True), (b"\xef\xbb", True), (b"\xef", True), (b"\xef\x11\xbf", False)]
)
def test_a_byte_order_mark_and_half_of_one(mark: bytes, heard: bool) -> None:
    assert allowed(mark + b"User-Agent: foo\nDisallow: /\n", "foo", "/x") is not heard
    middle = b"User-Agent: foo\n" + mark + b"Disallow: /\n"
    assert allowed(middle, "foo", "/x")


def test_a_line_is_cut_where_google_cuts_it() -> None:
    long = "/x/" + "a" * (MAX_LINE_BYTES + 1 - 3 - len("disallow: ") + 1 - 3)
    text = f"{FOO}disallow: {long}/qux\n"
    assert allowed(text, "FooBot", "/fux")
    assert not allowed(text, "FooBot", f"{long}/fux")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("", "/"),
        ("http://www.example.com", "/"),
        ("http://www.example.com/a/b?c=http://d.e/", "/a/b?c=http://d.e/"),
        ("http://www.example.com/a/b?c=d&e=f#fragment", "/a/b?c=d&e=f"),
        ("example.com", "/"),
        ("example.com/a/", "/a/"),
        ("a", "/"),
        ("a/", "/"),
        ("/a", "/a"),
        ("a/b", "/b"),
        ("example.com?a", "/?a"),
        ("example.com/a;b#c", "/a;b"),
        ("//a/b/c", "/b/c"),
    ],
)
def test_the_path_of_an_address(url: str, path: str) -> None:
    assert path_of(url) == path


def test_escapes() -> None:
    assert [escape(one) for one in (b"/a/b/c", "á".encode(), b"%aa")] == ["/a/b/c", "%C3%A1", "%AA"]


def test_delays_and_sitemaps() -> None:
    text = b"Sitemap: http://x/1.xml\nUser-agent: *\nCrawl-delay: 2.5\nUser-agent: Foo\nCrawl-delay: soon\nAllow: /\n"
    robots = parse(text + b"site-map: http://x/2.xml", "bar")
    assert robots.delay_s == 2.5 and robots.sitemaps == ("http://x/1.xml", "http://x/2.xml")
    assert parse(text, "foo").delay_s == 0.0
    assert parse(b"user-agent: *\ncrawl-delay: 99999999999", "x").delay_s == 86_400


def test_what_cannot_be_reached_forbids() -> None:
    assert not CLOSED.allowed("http://example.org/any")


def test_ten_megabytes_and_a_thousand_stars_are_read_quickly() -> None:
    large = b"user-agent: *\n" + b"disallow: /*a*b*c*d*e*f*g*h*i*j\n" * 300_000
    began_s = time.process_time()
    robots = parse(large, "foo")
    assert robots.allowed("http://x/" + "abcdefghi" * 200)
    stars = parse(b"user-agent: *\ndisallow: /" + b"*a" * 1000 + b"$", "foo")
    assert stars.allowed("http://x/" + "a" * 999) and not stars.allowed("http://x/" + "a" * 1000)
    assert time.process_time() - began_s < 10


@given(st.text(alphabet="ab/*$", max_size=8), st.text(alphabet="ab/", max_size=10))
def test_matching_is_what_a_regular_expression_says(pattern: str, path: str) -> None:
    import re

    ends = pattern.endswith("$")
    plain = pattern[:-1] if ends else pattern
    expression = ".*".join(re.escape(piece) for piece in plain.split("*")) + ("$" if ends else "")
    assert matches(pattern, path) is bool(re.match(expression, path))


@given(st.binary(max_size=300), st.text(max_size=30))
def test_anything_is_read(content: bytes, path: str) -> None:
    assert parse(content, "foo").allowed(f"http://x/{path}") in (True, False)
