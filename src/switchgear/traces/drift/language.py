"""A guess at a text's language, light enough for every input: by its script, then by its most frequent small words.

It is a monitor's category, not a service: short texts, names, code and mixtures are "und" (undetermined, ISO 639-2),
and languages that share a script and are not listed are taken for none or for a relative. A change of its shares is
what counts, and a wrong guess is wrong in both windows alike. Other codes are ISO 639-1.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

UNDETERMINED: Final = "und"
_LOOKED_AT: Final = 2000
_LEAST_LETTERS: Final = 3
_LEAST_LEAD: Final = 1.2
"""The best language's small words have to be so many times those of the next one."""

_SCRIPTS: Final = (
    ("kana", "\u3040-\u30ff"),
    ("han", "\u3400-\u4dbf\u4e00-\u9fff"),
    ("ko", "\uac00-\ud7af\u1100-\u11ff"),
    ("cyrillic", "\u0400-\u052f"),
    ("arabic", "\u0600-\u06ff\u0750-\u077f"),
    ("he", "\u0590-\u05ff"),
    ("el", "\u0370-\u03ff"),
    ("th", "\u0e00-\u0e7f"),
    ("devanagari", "\u0900-\u097f"),
    ("bn", "\u0980-\u09ff"),
    ("ta", "\u0b80-\u0bff"),
    ("te", "\u0c00-\u0c7f"),
    ("ka", "\u10a0-\u10ff"),
    ("hy", "\u0530-\u058f"),
    ("latin", "A-Za-z\u00aa-\u024f\u1e00-\u1eff"),
)
_SCRIPT: Final = re.compile("|".join(f"(?P<{name}>[{span}]+)" for name, span in _SCRIPTS))
_WORD: Final = re.compile(r"[^\W\d_]+")
_CODE: Final = re.compile(r"```.*?(```|\Z)|`[^`\n]*`|https?://\S+", re.DOTALL)

_SMALL_WORDS: Final = {
    "en": (
        "the of and to in is that it for was on are with as at be this have from or by not what how do you "
        "can i my me a an why does which when who your there will if do did should would could has had any "
        "some we they he she than make about"
    ),
    "de": (
        "der die das und ist nicht ein eine zu den mit von für auf im ich sie wie was es auch dem des kann "
        "mir bitte wir sind werden einen wird dass"
    ),
    "fr": (
        "le la les des et est un une de du en que qui dans pour pas sur ce il elle je vous nous avec au aux "
        "comment quel quelle sont mon cette ou plus"
    ),
    "es": (
        "el la los las de y que en un una es por con para no se del al lo como su mi qué cómo más pero son "
        "este esta puedo me"
    ),
    "pt": (
        "o a os as de e que em um uma é do da no na por com para não se dos das como mais mas meu minha são "
        "isso você eu ao"
    ),
    "it": (
        "il lo la gli le di e che è un una in per non con del della si come sono mi al dei nel più questo "
        "cosa ho ma anche"
    ),
    "nl": (
        "de het een en van is in dat op te zijn niet met voor ik je hoe wat die er aan ook kan naar om wordt bij maar"
    ),
    "sv": "och att det som en på är av för med den till inte har jag om ett hur vad kan du från men så var",
    "da": "og at det som en på er af for med den til ikke har jeg om et hvordan hvad kan du fra men så var også",
    "nb": "og at det som en på er av for med den til ikke har jeg om et hvordan hva kan du fra men så var også",
    "fi": "ja on ei se että hän oli mutta kun joka niin kuin myös ovat mitä miten minä voi olla tai tämä ole",
    "pl": "i w na z się nie jest to że do jak o co po za od dla są czy przez ale mam mi tym może jego",
    "cs": "a se v na je že to s z do o k jak co ve jsem pro ale jsou po by za jako mi mohu nebo když",
    "ro": "și de la în a o un pe cu nu este care că din mai ce sunt se pentru cum să am fi",
    "hu": "a az és hogy nem egy is van ez de meg mi ha csak hogyan mint vagy el már volt lehet",
    "tr": "ve bir bu da de için ne nasıl ile mi çok olarak var daha ben gibi olan mu değil ama o en",
    "id": ("yang dan di untuk dengan ini itu dari pada adalah tidak saya apa bagaimana ke akan bisa atau dalam ada"),
    "vi": "và của là có không cho một được trong tôi người này các những để với như làm thế nào gì khi đã",
}
_LANGUAGES: Final[Mapping[str, Sequence[str]]] = {
    word: tuple(language for language, words in _SMALL_WORDS.items() if word in words.split())
    for word in {word for words in _SMALL_WORDS.values() for word in words.split()}
}
"""Of each small word those that have it."""
_CYRILLIC: Final = (("uk", "іїєґ"), ("be", "ў"), ("sr", "ђћџјљњ"), ("ru", "ыэё"), ("bg", "ъ"))
_ARABIC: Final = (("ur", "ٹڈڑںے"), ("fa", "پچژگ"))


def guess(text: str) -> str:
    """The language of ``text``, or ``und``."""
    plain = _CODE.sub(" ", text[:_LOOKED_AT])
    if plain.isascii():
        words = _WORD.findall(plain.lower())
        return _by_words(words) if sum(map(len, words)) >= _LEAST_LETTERS else UNDETERMINED
    letters: Counter[str] = Counter()
    for run in _SCRIPT.finditer(plain):
        letters[run.lastgroup or ""] += run.end() - run.start()
    if letters.total() < _LEAST_LETTERS:
        return UNDETERMINED
    script = letters.most_common(1)[0][0]
    if script in {"han", "kana"}:
        return "ja" if letters["kana"] * 10 > letters["han"] else "zh"
    if script == "latin":
        return _by_words(_WORD.findall(plain.lower()))
    if script == "cyrillic":
        return _by_letters(plain, _CYRILLIC, "ru")
    if script == "arabic":
        return _by_letters(plain, _ARABIC, "ar")
    return "hi" if script == "devanagari" else script


def _by_letters(text: str, signs: tuple[tuple[str, str], ...], otherwise: str) -> str:
    """The first language with a letter that only it has."""
    lower = text.lower()
    return next((language for language, own in signs if any(letter in lower for letter in own)), otherwise)


def _by_words(words: Sequence[str]) -> str:
    found = Counter([language for word in words for language in _LANGUAGES.get(word, ())]).most_common(2)
    if not found or (len(found) > 1 and found[0][1] < _LEAST_LEAD * found[1][1]):
        return UNDETERMINED
    return found[0][0]
