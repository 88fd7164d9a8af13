# ruff: noqa: E501
"""Main text, languages, near duplicates, links, addresses, sitemaps: the parts of the crawler by themselves."""

from __future__ import annotations

import gzip
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.collection.web import extract
from modelwright.collection.web.addresses import canonical, is_public, key_of, literal
from modelwright.collection.web.alike import first_alike, shared, sketch
from modelwright.collection.web.links import leads
from modelwright.collection.web.sitemaps import MOST_ADDRESSES, addresses_in
from modelwright.language import language_of
from tests.collection.web.site import prose

STORY = "".join(f"<p>{prose(f'story {at}', 40)}.</p>" for at in range(6))
SENTENCES = {
    "en": "The children were playing in the garden when it started to rain, so they went back into the house.",
    "de": "Die Kinder spielten im Garten, als es zu regnen begann, und deshalb gingen sie wieder in das Haus.",
    "fr": "Les enfants jouaient dans le jardin quand il a commencé à pleuvoir, alors ils sont rentrés à la maison.",
    "es": "Los niños jugaban en el jardín cuando empezó a llover, por lo que volvieron a la casa con su madre.",
    "it": "I bambini giocavano nel giardino quando ha cominciato a piovere, così sono tornati nella casa della nonna.",
    "pt": "As crianças brincavam no jardim quando começou a chover, por isso elas não ficaram e foram para a casa.",
    "nl": "De kinderen speelden in de tuin toen het begon te regenen, dus gingen ze weer naar het huis van hun oma.",
    "sv": "Barnen lekte i trädgården när det började regna, så de gick tillbaka till huset och drack te med mormor.",
    "da": "Børnene legede i haven, da det begyndte at regne, så de gik tilbage til huset efter en time, og de blev der.",
    "fi": "Lapset leikkivät puutarhassa, kun alkoi sataa, joten he menivät takaisin taloon, mutta se ei ollut kiva.",
    "pl": "Dzieci bawiły się w ogrodzie, kiedy zaczęło padać, więc nie zostały na dworze i wróciły do domu z babcią.",
    "cs": "Děti si hrály na zahradě, když začalo pršet, a tak se vrátily do domu, protože to bylo lepší než být venku.",
    "hu": "A gyerekek a kertben játszottak, amikor elkezdett esni az eső, ezért nem maradtak kint, és bementek a házba.",
    "ro": "Copiii se jucau în grădină când a început să plouă, așa că nu au mai stat afară și s-au întors în casă.",
    "tr": "Çocuklar bahçede oynuyordu ve yağmur başladı, bu yüzden eve döndüler, ama daha sonra bir çay için çıktılar.",
    "vi": "Những đứa trẻ đang chơi trong vườn khi trời bắt đầu mưa, và các em đã không ở lại mà về nhà với bà.",
    "id": "Anak-anak sedang bermain di taman ketika hujan mulai turun, dan mereka tidak bisa bermain lagi dengan yang lain.",
    "ru": "Дети играли в саду, когда начался дождь, и они не остались там, а вернулись в дом, где их ждала бабушка.",
    "uk": "Діти гралися в саду, коли почався дощ, і вони не залишилися там, а повернулися до хати, де їх чекала бабуся.",
    "el": "Τα παιδιά έπαιζαν στον κήπο όταν άρχισε να βρέχει.",
    "he": "הילדים שיחקו בגינה כשהתחיל לרדת גשם.",
    "ar": "كان الأطفال يلعبون في الحديقة عندما بدأ المطر، وعادوا إلى البيت مع الجدة بعد ذلك.",
    "fa": "بچه‌ها در باغ بازی می‌کردند که باران شروع شد و آنها به خانه برگشتند تا با هم چای بنوشند.",
    "ja": "子供たちは庭で遊んでいました。",
    "zh": "孩子们正在花园里玩耍，突然下起雨来。",
    "ko": "아이들은 정원에서 놀고 있었습니다.",
    "hi": "बच्चे बगीचे में खेल रहे थे।",
    "th": "เด็กๆ กำลังเล่นอยู่ในสวน",
}


@pytest.mark.parametrize("language", SENTENCES)
def test_a_sentence_tells_its_language(language: str) -> None:
    assert language_of(SENTENCES[language])[0] == language


def test_what_is_added_to_trafilatura() -> None:
    page = extract(
        f"""<html lang=de><head><title>The flood | Paper</title><meta property="og:title" content="The flood">
        <script type="application/ld+json">{{"@type": "NewsArticle", "datePublished": "2024-03-05T10:00:00Z",
        "author": [{{"name": "Ann Bee"}}]}}</script></head><body><nav><a href="/menu">Menu</a></nav>
        <article><h1>The flood</h1>{STORY}<p><a href="/other">Related: the drought of the year before that</a></p>
        <p>Sign up for our newsletter today.</p><p>Copyright 2024 Paper</p></article></body></html>""",
        "https://paper.example/flood",
    )
    assert page.text.split("\n") == [f"{prose(f'story {at}', 40)}." for at in range(6)]
    assert (page.title, page.author, page.date, page.kind) == ("The flood", "Ann Bee", "2024-03-05", "article")
    assert page.links == ("https://paper.example/menu", "https://paper.example/other")


def test_the_publishers_own_text_stands_in_where_there_is_no_other() -> None:
    body = prose("own", 80)
    head = f'<script type="application/ld+json">{{"articleBody": "{body}"}}</script>'
    assert extract(f"<html><head>{head}</head><body><div id=app></div></body></html>").text == body


@given(st.one_of(st.binary(max_size=400), st.text(alphabet="<>/aph1 ='\"&;!-", max_size=200)))
def test_anything_is_a_page(content: bytes | str) -> None:
    assert isinstance(extract(content).text, str)


def test_a_deep_and_a_large_page_are_read_in_time() -> None:
    began_s = time.process_time()
    for content in ("<ul><li>" * 5000 + "deep", "<p>word " * 100_000, "<a href=x>" * 50_000):
        extract(content)
    assert time.process_time() - began_s < 30


def test_near_duplicates_are_found_and_others_kept() -> None:
    base = prose("base", 300)
    near = base.replace(base.split()[100], "changed", 1)
    half = " ".join(base.split()[:150]) + " " + prose("else", 150)
    texts = [base, prose("other", 300), near, half, base]
    assert first_alike([sketch(text) for text in texts], texts) == {2: 0, 4: 0}
    assert shared(base, near) > 0.95 and shared(base, half) < 0.5


def test_links_of_a_page() -> None:
    found = leads(
        b"""<base href="/folder/"><a href="a?b=1#c">x</a><a href=" b ">y</a><a rel="nofollow" href="n">n</a>
        <iframe src="//other.test/f"></iframe><meta http-equiv="refresh" content="0; url='r'"><link rel=next href="2">
        <link rel=stylesheet href="s.css"><a href="data:text/html,x">d</a><a href="mailto:a@b.c">m</a><a>none</a>""",
        "http://a.test/x",
        {},
    )
    paths = ["a?b=1", "b", "r", "2"]
    assert set(found.links) == {f"http://a.test/folder/{path}" for path in paths} | {"http://other.test/f"}
    assert not leads(b"<a href=x>x</a>", "http://a.test/", {"x-robots-tag": "bot: nofollow, noindex"}).links


@pytest.mark.parametrize(
    ("link", "spelt"),
    [
        ("HTTP://EXAMPLE.org:80", "http://example.org/"),
        ("http://example.org/a/./b/../c/", "http://example.org/a/c/"),
        ("http://example.org/%7euser/%3a%zz", "http://example.org/~user/%3A%25zz"),
        ("http://bücher.example/ü?ö=ä", "http://xn--bcher-kva.example/%C3%BC?%C3%B6=%C3%A4"),
        ("http://example.org/a;jsessionid=12?x=1&PHPSESSID=3&gclid=4", "http://example.org/a?x=1"),
        ("http://user:pass@example.org/", None),
        ("http://exa mple.org/", None),
        ("http://[::1", None),
        ("ftp://example.org/", None),
        ("vbscript:x", None),
        ("http://example.org:99999/", None),
        ("http://example.org/" + "a" * 3000, None),
        ("http://[::FFFF:10.0.0.1]/", "http://[::ffff:a00:1]/"),
        ("http://127.1/", "http://127.0.0.1/"),
    ],
)
def test_one_spelling(link: str, spelt: str | None) -> None:
    assert canonical(link) == spelt


@given(st.text(max_size=60))
def test_one_spelling_stays_as_it_is(text: str) -> None:
    once = canonical(text, "http://example.org/a/b")
    assert once is None or canonical(once) == once and key_of(once) == key_of(key_of(once))


def test_private_addresses_in_every_form() -> None:
    private = (
        "0.0.0.0 10.1.1.1 127.8.8.8 169.254.169.254 172.16.0.1 192.168.0.1 100.64.0.1 192.0.0.8 198.18.0.1 224.0.0.1"
    )
    private += " 240.0.0.1 255.255.255.255 ::1 :: fe80::1 fc00::1 fec0::1 ff02::1 ::ffff:127.0.0.1 2002:7f00:1::"
    private += " 64:ff9b::a00:1 2001:db8::1 fe80::1%eth0"
    assert [one for one in private.split() if is_public(one)] == []
    assert all(is_public(one) for one in ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
    spellings = ["0x7f000001", "0177.0.0.1", "127.1", "2130706433", "0x7f.0.0x0.1", "127.0.0.1"]
    assert {literal(one) for one in spellings} == {"127.0.0.1"}


def test_sitemaps_of_every_kind_and_bombs() -> None:
    index = b'<?xml version="1.0"?><sitemapindex xmlns="x"><sitemap><loc>/a.xml</loc></sitemap></sitemapindex>'
    assert addresses_in(index, "http://a.test/s.xml") == ([], ["http://a.test/a.xml"])
    urls = b"".join(b"<url><loc>http://a.test/%d</loc></url>" % at for at in range(MOST_ADDRESSES + 100))
    pages, _ = addresses_in(gzip.compress(b"<urlset>" + urls + b"</urlset>"), "http://a.test/")
    assert len(pages) == MOST_ADDRESSES
    assert addresses_in(b"http://a.test/1\nhttp://a.test/2\njavascript:x\n", "http://a.test/")[0] == [
        "http://a.test/1",
        "http://a.test/2",
    ]
    laughs = b'<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><urlset><url><loc>/&b;</loc></url></urlset>'
    outside = b'<!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/passwd">]><urlset><url><loc>/&a;</loc></url></urlset>'
    assert "haha" not in repr(addresses_in(laughs, "http://a.test/"))
    assert "root" not in repr(addresses_in(outside, "http://a.test/"))
    began_s = time.process_time()
    addresses_in(gzip.compress(bytes(300 * 2**20), 1), "http://a.test/")
    addresses_in(b"<urlset>" + b"<url><loc>/a</loc>" * 20_000, "http://a.test/")
    assert time.process_time() - began_s < 10
    assert addresses_in(b"\x1f\x8bdamaged", "http://a.test/") == ([], [])
