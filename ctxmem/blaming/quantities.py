"""Numbers, units, times and dates in one form, so that ways of writing them compare equal.

"ninety days" is 90 days, "15%" is 15 percent, "9:40 pm" is 21:40 and "3 000 kr" is 3000 kr. Units
are not converted: 24 hours and one day are two answers. Number words and units are those of
English, single number words also those of German, French and Spanish; dates are English and ISO.
The number 1 is written as a word, because "one" is often no number.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal, InvalidOperation

_UP_TO_TWENTY = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_SMALL = {word: i for i, word in enumerate(_UP_TO_TWENTY)} | {
    word: 10 * i for i, word in enumerate(_TENS, start=2)
}
_LARGE = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
# Words that are as often something else are not here: "un", "uno", "eins", "once" (11 in Spanish).
_FOREIGN = {
    word: number
    for line in (
        "2 zwei deux dos",
        "3 drei trois tres",
        "4 vier quatre cuatro",
        "5 fünf cinq cinco",
        "6 sechs seis",
        "7 sieben sept siete",
        "8 acht huit ocho",
        "9 neun nueve",
        "10 zehn dix diez",
        "11 elf onze",
        "12 zwölf douze doce",
        "14 vierzehn quatorze catorce",
        "15 fünfzehn quinze quince",
        "20 zwanzig vingt veinte",
        "30 dreißig dreissig trente treinta",
        "40 vierzig quarante cuarenta",
        "50 fünfzig cinquante cincuenta",
        "60 sechzig soixante sesenta",
        "70 siebzig setenta",
        "80 achtzig ochenta",
        "90 neunzig noventa",
        "100 hundert cien",
        "1000 tausend mille mil",
    )
    for number, *words in [line.split()]
    for word in words
}
_ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split()
)
_MONTHS = "january february march april may june july august september october november december"
_MONTH = {
    form: number
    for number, name in enumerate(_MONTHS.split(), start=1)
    for form in (name, name[:3], *(("sept",) if number == 9 else ()))
}
_UNITS = {
    form: line.split()[0]
    for line in (
        "second seconds sec secs s",
        "minute minutes min mins",
        "hour hours hr hrs h",
        "day days",
        "week weeks wk wks",
        "month months",
        "year years yr yrs",
        "millisecond milliseconds ms msec",
        "millimetre millimetres millimeter millimeters mm",
        "centimetre centimetres centimeter centimeters cm",
        "metre metres meter meters m",
        "kilometre kilometres kilometer kilometers km",
        "mile miles mi",
        "gram grams gramme grammes g",
        "kilogram kilograms kilo kilos kg kgs",
        "tonne tonnes t",
        "litre litres liter liters l",
        "millilitre millilitres milliliter milliliters ml",
        "kilobyte kilobytes kb",
        "megabyte megabytes mb",
        "gigabyte gigabytes gb",
        "terabyte terabytes tb",
        "percent pct",
        "degree degrees deg",
        "euro euros eur",
        "dollar dollars usd",
        "pound pounds gbp",
        "yen jpy",
    )
    for form in line.split()
}
_SIGNS = {"%": "percent", "°": "degree", "€": "euro", "$": "dollar", "£": "pound", "¥": "yen"}
_SCALES = {"k": 1000, "m": 10**6, "mn": 10**6, "bn": 10**9, "b": 10**9}


def _any(words: object) -> str:
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))  # type: ignore[call-overload]


_OTHER_DIGIT = re.compile(r"(?![0-9])\d")  # Arabic, Devanagari and others
_NUMBER = r"\d+(?:[.,]\d+)*"
_GROUPS = re.compile(r"(?<![\w.,])(\d{1,3}(?:[ '\u2019]\d{3})+)(?![\w]|[' ]\d)")
_DECIMAL_COMMA = re.compile(r"(?<![\w.,])(\d+),(\d\d?)(?![\w]|[.,]\d)")
_NO_CENTS = re.compile(r"(?<![\w.])(\d[\d,]*)\.0+(?![\w]|[.,]\d)")
_WORD = _any((*_SMALL, *_LARGE))
_WORDED = re.compile(
    rf"(?<![\w-])(?:(?:a|an) (?=(?:{_any(_LARGE)})\b))?(?:(?:{_WORD})(?:(?: and |[- ])(?={_WORD})"
    rf"|(?![\w]|-\w)|(?=-)))+",
    re.IGNORECASE,
)
_FOREIGN_WORD = re.compile(rf"(?<![\w-])(?:{_any(_FOREIGN)})(?![\w-])", re.IGNORECASE)
_SCALED = re.compile(
    rf"(?<![\w.,])({_NUMBER})[ -]?({_any(_LARGE)})\b|(?<=[$€£¥])( ?{_NUMBER}) ?(k|m|mn|bn|b)\b",
    re.IGNORECASE,
)
_ORDINAL = re.compile(r"(?<![\w.,])(\d\d?)(?:st|nd|rd|th)\b", re.IGNORECASE)
_MONEY = re.compile(
    rf"(?:US)?([$€£¥]) ?({_NUMBER})(?: ?(?:{_any('usd eur gbp jpy'.split())})\b)?", re.I
)
_CELSIUS, _PER_CENT = r"(?:°|degrees?) ?c(?:elsius)?\b", r"per cent\b"
_MEASURED = re.compile(
    rf"(?<![\w.])({_NUMBER}|one\b)[ -]?"
    rf"({_CELSIUS}|{_PER_CENT}|[{''.join(_SIGNS)}]|(?:{_any(_UNITS)})\b)",
    re.IGNORECASE,
)
_CLOCK_WITH_H = re.compile(r"(?<![\w:.,])([01]?\d|2[0-3])h([0-5]\d)\b", re.IGNORECASE)
_ONE = re.compile(r"(?<![\w.,:/'-])1(?![\w]|[.,:/']\w|-\d)")
_HALF_DAY = re.compile(
    r"(?<![\w.:,])(1[0-2]|0?[1-9])(?:[:.]([0-5]\d))? ?([ap])(?:m\b|\.m\.)", re.IGNORECASE
)
_CLOCK = re.compile(r"(?<![\w:.,])0(\d:[0-5]\d)(?![\w:])")
_DAY = r"(\d{1,2})(?:st|nd|rd|th)?"
_MONTH_FIRST = re.compile(rf"\b({_any(_MONTH)})\.? {_DAY}(?:,? (\d{{4}}))?(?![\w]|[.,:%]\d)", re.I)
_DAY_FIRST = re.compile(
    rf"(?<![\w.,]){_DAY}(?: of)? ({_any(_MONTH)})\b\.?(?:,? (\d{{4}})\b)?", re.I
)


def in_one_form(text: str) -> str:
    """Return a text with its numbers, units, times and dates written in one way.

    >>> in_one_form("within twenty-one days"), in_one_form("15% or US$2.5 million")
    ('within 21 day', '15 percent or 2500000 dollar')
    >>> in_one_form("at 9:40 pm on March 5th, 2024")
    'at 21:40 on 2024-03-05'
    """
    text = _OTHER_DIGIT.sub(lambda found: str(unicodedata.decimal(found[0])), text)
    # Before words: "sept" is a month behind a day, else seven in French.
    text = _MONTH_FIRST.sub(lambda found: _date(found[2], found[1], found[3], found[0]), text)
    text = _DAY_FIRST.sub(lambda found: _date(found[1], found[2], found[3], found[0]), text)
    text = _GROUPS.sub(lambda found: re.sub(r"\D", "", found[1]), text)
    text = _SCALED.sub(_scaled, text)
    text = _WORDED.sub(_worded, text)
    text = _FOREIGN_WORD.sub(lambda found: _FOREIGN[found[0].lower()], text)
    text = _DECIMAL_COMMA.sub(r"\1.\2", text)
    text = _HALF_DAY.sub(_hours, text)
    text = _CLOCK_WITH_H.sub(r"\1:\2", text)
    text = _CLOCK.sub(r"\1", text)
    text = _NO_CENTS.sub(r"\1", text)
    text = _ORDINAL.sub(_ordinal, text)
    text = _MONEY.sub(lambda found: f"{found[2]} {_SIGNS[found[1]]}", text)
    return _ONE.sub("one", _MEASURED.sub(_measured, text))


def _worded(found: re.Match[str]) -> str:
    """Return the number that words say; what is no number, such as "two three", is kept apart."""
    numbers: list[int] = []
    total, part, last = 0, 0, 0
    for word in re.findall(r"[a-z]+", found[0].lower()):
        if word in ("and", "a", "an"):
            continue
        if word in _LARGE:
            size = _LARGE[word]
            if size == 100:
                part = max(1, part) * 100
            else:
                total, part = total + max(1, part) * size, 0
            last = size
            continue
        value = _SMALL[word]
        fits = last >= 100 or last == 0 or (20 <= last <= 90 and 1 <= value <= 9)
        if not fits:
            numbers.append(total + part)
            total, part = 0, 0
        part += value
        last = value or 1
    return " ".join(map(str, [*numbers, total + part]))


def _date(day: str, month: str, year: str | None, whole: str) -> str:
    number = _MONTH[month.lower()]
    if not 1 <= int(day) <= 31:
        return whole
    if year:
        return f"{year}-{number:02}-{int(day):02}"
    return f"{int(day)} {_MONTHS.split()[number - 1]}"


def _hours(found: re.Match[str]) -> str:
    hour = int(found[1]) % 12 + (12 if found[3].lower() == "p" else 0)
    return f"{hour}:{found[2] or '00'}"


def _ordinal(found: re.Match[str]) -> str:
    number = int(found[1])
    return _ORDINALS[number - 1] if 1 <= number <= len(_ORDINALS) else found[0]


def _scaled(found: re.Match[str]) -> str:
    said = found[1] or found[3]
    size = _LARGE.get((found[2] or "").lower()) or _SCALES[found[4].lower()]
    try:
        number = Decimal(re.sub(r",(?=\d{3})", "", said.strip())) * size
    except InvalidOperation:
        return found[0]
    return f"{int(number)}" if number == int(number) else found[0]


def _measured(found: re.Match[str]) -> str:
    unit = found[2].lower()
    if unit.startswith(("°", "deg")) and "c" in unit:
        unit = "degree celsius"
    else:
        unit = _SIGNS.get(unit) or _UNITS.get(unit, "percent")
    return f"{found[1]} {unit}"
