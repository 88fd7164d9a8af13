"""Which language a text is in: its script, and for shared scripts its commonest short words.

Reference: Grefenstette (1995), "Comparing two language identification schemes", JADT: short words against n-grams.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import cache

MOST_CHARACTERS = 20_000
LEAST_SHARE = 0.06
_SCRIPTS = {
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "HANGUL": "ko",
    "GREEK": "el",
    "HEBREW": "he",
    "THAI": "th",
    "DEVANAGARI": "hi",
    "BENGALI": "bn",
    "TAMIL": "ta",
    "TELUGU": "te",
    "GEORGIAN": "ka",
    "ARMENIAN": "hy",
}
_WORDS = {
    "en": (
        "the of and to in is that it was for on are with as his they be at this have from or had by but not what "
        "all were we when your can said there an which their if will each about how up out them then she many some "
        "so these would other into has more her two him see time could no make than been its who now people my "
        "made over did down only way find use may water long little very after words called just where most know"
    ),
    "de": (
        "der die das und ist in zu den von mit sich auf für nicht es dem ein eine im auch als an nach wie werden "
        "aus er hat dass sie wird bei einer um am sind noch einem über einen so zum war haben nur oder aber vor "
        "zur bis mehr durch man sein wurde sei wenn kann ich wir"
    ),
    "fr": (
        "le la les de des du et est en un une que qui dans pour pas au sur plus par je il elle ne se ce son sa ses "
        "avec nous vous mais ou où être été sont cette aux ont comme leur tout fait même aussi ces deux bien peut"
    ),
    "es": (
        "el la los las de del y en que es un una por con para no se su al lo como más pero sus le ya o este sí "
        "porque esta entre cuando muy sin sobre también me hasta hay donde quien desde todo nos durante fue ser "
        "han son ha está"
    ),
    "it": (
        "il la lo gli le di del della che e è in un una per con non si da al dei nel alla come più ma anche sono "
        "ha questo o suo delle se dal ed nella ai su essere degli ci sua tra stato cui hanno dalla"
    ),
    "pt": (
        "o a os as de do da dos das e que em um uma para com não no na se por mais ao como mas foi ele seu sua ou "
        "ser quando muito há nos já está eu também só pelo pela até isso ela entre era depois sem mesmo aos são"
    ),
    "nl": (
        "de het een van en in is dat op te zijn met voor niet aan er om ook als bij maar door ze hij uit naar dan "
        "nog wordt over heeft was worden of tot deze kan wel geen zich hun ik je we die meer werd"
    ),
    "sv": (
        "och i att det som en på är av för med den till inte om ett han men var jag sig från vi så kan hade har "
        "när hon ska eller nu mot efter ut där också sin mycket över man vid de denna"
    ),
    "da": (
        "og i at det er en til af på den som for ikke med de der var han et har fra sig jeg men om kan vil hun "
        "eller ved efter også blev nu havde være over mod hvor skal så når sin"
    ),
    "no": (
        "og i det er en til av på som for ikke med den at de var han et har fra seg jeg men om kan vil hun eller "
        "ved etter også ble nå hadde være over mot hvor skal så når sin opp"
    ),
    "fi": (
        "ja on ei se että oli hän en mutta kun ovat joka myös jos niin kuin sen ole mukaan olla tai jo vain sekä "
        "hänen ollut sitä nyt mitä voi vuoden sitten olisi kanssa näin vielä tämä"
    ),
    "pl": (
        "i w na z do się nie to że jest o jak po co ale od za przez dla czy są tego był ma jego która które który "
        "także już oraz być tylko może było tym jej ich pod przed"
    ),
    "cs": (
        "a v se na je že s z do o i to jako za by ale pro si po od které jsem který jeho být bylo podle jsou také "
        "až již není nebo byl když však tak může při aby pod co"
    ),
    "sk": (
        "a v sa na je že s z do o i to ako za by ale pre si po od ktoré som ktorý jeho byť bolo podľa sú aj až už "
        "nie alebo bol keď však tak môže pri aby pod čo"
    ),
    "hu": (
        "a az és hogy nem is egy ez meg volt de csak már mint ha még el ki be sem vagy van azt lehet majd lesz "
        "után ezt akkor minden ami aki kell nagyon több szerint között"
    ),
    "ro": (
        "și în de la cu a pe nu o este un că pentru din care mai au fost se prin sau dar ca după al ale sunt le ce "
        "lui ei i-a sa acest această fi până între fără către"
    ),
    "tr": (
        "ve bir bu da de için ile çok olarak daha ne o en gibi ancak olan var kadar sonra değil ki mi ise her ya "
        "yok ama olduğu göre tarafından üzerinde iki oldu etti"
    ),
    "id": (
        "yang dan di itu dengan untuk tidak ini dari dalam akan pada juga saya ke karena ada mereka sudah bisa "
        "oleh telah atau adalah kami anda lebih seperti dapat para bagi saat"
    ),
    "vi": (
        "và của là có trong cho được không một người với các những đã này để từ khi đến cũng như về ra năm tại vào "
        "nhiều trên sẽ phải"
    ),
    "ca": (
        "el la els les de del i en que és un una per amb no es al com més però seus va ha són aquest aquesta també "
        "des fins molt ser entre sobre sense quan hi ho"
    ),
    "ru": (
        "и в не на что с он как я это по но из у за к от так его то было для а все о же мы вы они бы был еще при "
        "до или их во"
    ),
    "uk": (
        "і в не на що з він як я це по але із у за до від так його то було для а все про же ми ви вони та є був ще "
        "при або їх й"
    ),
    "bg": (
        "и в не на че с той като аз това по но от за до така го то беше са а всички ние вие те би е още при или се "
        "да ще"
    ),
    "sr": "и у не на да с је као ја то по али из за до тако га се било су а све о ми ви они би још при или",
    "ar": "في من على إلى أن هذا التي الذي عن مع كان هذه ما لا كل بعد قد بين ذلك كما أو لم",
    "fa": "در از به که این را با است برای آن یک می تا بر خود هم شد کرد های ما نیز",
    "ur": "کے میں کی ہے اور سے کا کو نے پر کہ اس یہ ہیں بھی نہیں تھا ایک",
}
_SHARED = {
    "LATIN": tuple(name for name in _WORDS if name not in ("ru", "uk", "bg", "sr", "ar", "fa", "ur")),
    "CYRILLIC": ("ru", "uk", "bg", "sr"),
    "ARABIC": ("ar", "fa", "ur"),
}
_TELLING = {"uk": "їєґ", "ru": "ыэё", "sr": "ђћџљњј", "fa": "پچگی", "ur": "ٹڈڑے", "sk": "ľĺŕô", "cs": "řěů"}


def language_of(text: str, hint: str = "") -> str:
    """The language's two letters (ISO 639-1), or "" where the text is too short or strange to tell.

    35 languages. `hint`, such as a page's `lang`, decides only where the text does not.

    >>> language_of("Der Hund und die Katze sind nicht in dem Haus."), language_of("これは日本語です。")
    ('de', 'ja')
    """
    sample = text[:MOST_CHARACTERS].lower()
    hinted = hint.strip().lower()[:2]
    script = _script(sample)
    if script in _SCRIPTS:
        return _SCRIPTS[script]
    if script == "CJK":
        return "zh"
    if script not in _SHARED:
        return hinted if not script else ""
    words = Counter(re.findall(r"[^\W\d_]+", unicodedata.normalize("NFC", sample)))
    n_words = words.total()
    scores = {one: _score(one, words, sample) / max(1, n_words) for one in _SHARED[script]}
    best = max(scores, key=lambda one: (scores[one], one == hinted))
    return best if n_words >= 4 and scores[best] >= LEAST_SHARE else hinted


def _score(language: str, words: Counter[str], sample: str) -> float:
    weights = _weights()
    common = sum(count * weights[word] for word, count in words.items() if word in _lists()[language])
    letters = sum(sample.count(letter) for letter in _TELLING.get(language, ""))
    return common + letters


@cache
def _lists() -> dict[str, frozenset[str]]:
    return {language: frozenset(words.split()) for language, words in _WORDS.items()}


@cache
def _weights() -> dict[str, float]:
    """A word that few languages have says more."""
    spread = Counter(word for words in _lists().values() for word in words)
    return {word: 1.0 / count for word, count in spread.items()}


def _script(sample: str) -> str:
    """The script of most letters; Japanese where there is any Kana among Han."""
    counts: Counter[str] = Counter()
    for character, count in Counter(sample).items():
        if character.isalpha():
            counts[unicodedata.name(character, "").partition(" ")[0]] += count
    if counts["HIRAGANA"] + counts["KATAKANA"] > 0.05 * counts.total():
        return "HIRAGANA"
    return counts.most_common(1)[0][0] if counts else ""
