"""Phone numbers as buyers type them, as international digits without the plus sign."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from cortex.identity._text import unique


@dataclass(frozen=True)
class Plan:
    """Country calling code, trunk prefix dialled inside the country, and lengths of a national number."""

    code: str
    trunk: str
    lengths: tuple[int, ...]


PLANS = {
    "BO": Plan("591", "0", (8,)),
    "CA": Plan("1", "1", (10,)),
    "CL": Plan("56", "", (9,)),
    "CO": Plan("57", "", (10,)),
    "DE": Plan("49", "0", (10, 11)),
    "EC": Plan("593", "0", (8, 9)),
    "ES": Plan("34", "", (9,)),
    "FR": Plan("33", "0", (9,)),
    "GB": Plan("44", "0", (9, 10)),
    "MX": Plan("52", "", (10,)),
    "PE": Plan("51", "0", (8, 9)),
    "PT": Plan("351", "", (9,)),
    "PY": Plan("595", "0", (9,)),
    "US": Plan("1", "1", (10,)),
    "UY": Plan("598", "0", (8,)),
    "VE": Plan("58", "0", (10,)),
}
"""ITU-T E.164 numbering plans of the countries our shops sell to; Brazil and Argentina have rules of their own below."""

DDD = frozenset(
    re.findall(
        r"\d\d",
        "11 12 13 14 15 16 17 18 19 21 22 24 27 28 31 32 33 34 35 37 38 41 42 43 44 45 46 47 48 49 51 53 54 55 "
        "61 62 63 64 65 66 67 68 69 71 73 74 75 77 79 81 82 83 84 85 86 87 88 89 91 92 93 94 95 96 97 98 99",
    )
)
"""Area codes of Brazil (Anatel)."""

_EXTENSION = re.compile(r"(?i)\b(?:ramal|ext(?:en[sc](?:ion|ão|ao))?|interno)\b\.?:?\s*\d+\s*$")
_SEVERAL = re.compile(r"[/;,|]|\s(?:ou|or|o|e|y)\s", re.IGNORECASE)
_NOT_DIGITS = re.compile(r"[^0-9]")
_NORTH_AMERICAN = re.compile(r"\([2-9]\d{2}\) ?[2-9]\d{2}-\d{4}")
_TRUNK_IN_BRACKETS = re.compile(r"\(\s*0\s*\)")


def phone_readings(text: str, country: str) -> tuple[str, ...]:
    """International digits, best first; empty when the text is no number anyone could call.

    country: ISO 3166 code of the buyer, for numbers typed without their country.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    found = _read(text, country)
    if found:
        return found
    text = _EXTENSION.sub("", text)
    parts = [text, *_SEVERAL.split(text)]
    return next((reading for part in parts if (reading := _read(part, country))), ())


def _read(text: str, country: str) -> tuple[str, ...]:
    digits = _NOT_DIGITS.sub("", text)
    if not 8 <= len(digits) <= 18:
        return ()
    plus = text.lstrip(" (").startswith("+")
    if plus or digits.startswith("00"):
        # 00 may also be an area code somebody did not want to tell: then what follows is too short.
        number = _NOT_DIGITS.sub("", _TRUNK_IN_BRACKETS.sub("", text)).lstrip("0")
        return _international(number) if plus or len(number) >= 10 else ()
    return _local(text, digits, country) or _without_plus(digits)


def _international(number: str) -> tuple[str, ...]:
    """A number that begins with its country code."""
    if number.startswith("55"):
        return _brazil(number[2:])
    if number.startswith("54"):
        return _argentina(number[2:], known=True)
    if not 8 <= len(number) <= 15 or _filler(number[2:]):
        return ()
    for plan in PLANS.values():
        if number.startswith(plan.code):
            national = number[len(plan.code) :]
            if plan.trunk == "0":
                national = national.lstrip("0")
            return (plan.code + national,) if _possible(plan, national) else ()
    return (number,)


def _local(text: str, digits: str, country: str) -> tuple[str, ...]:
    if country == "BR":
        # (415) 555-2671 has the digits of a number in Curitiba, but only North America writes them so.
        return ("1" + digits,) if _NORTH_AMERICAN.fullmatch(text.strip()) else _brazil_local(digits)
    if country == "AR":
        return _argentina(digits, known=False)
    plan = PLANS.get(country)
    if plan is None:
        return ()
    national = digits.removeprefix(plan.trunk) if plan.trunk else digits
    return (plan.code + national,) if _possible(plan, national) else ()


def _without_plus(digits: str) -> tuple[str, ...]:
    """An international number whose plus sign was lost: only where code and length fit a plan, never ten digits."""
    if len(digits) < 11:
        return ()
    if digits.startswith("55") and (found := _brazil(digits[2:])):
        return found
    if digits.startswith("54") and len(digits) in {12, 13}:
        return _argentina(digits[2:], known=True)
    for plan in PLANS.values():
        national = digits.removeprefix(plan.code)
        if national != digits and _possible(plan, national):
            return (digits,)
    return ()


def _possible(plan: Plan, national: str) -> bool:
    """Whether a national number can exist: its length, and in North America no area or exchange begins with 0 or 1."""
    if len(national) not in plan.lengths or _filler(national):
        return False
    return plan.code != "1" or (national[0] > "1" and national[3] > "1")


def _brazil_local(digits: str) -> tuple[str, ...]:
    """As dialled inside Brazil: 11 98765-4321, 011 …, 0 15 11 … (with the carrier chosen for the call)."""
    number = digits.lstrip("0")
    if number.startswith("55") and len(number) in {12, 13} and (found := _brazil(number[2:])):
        return found
    if number != digits and len(number) in {12, 13}:
        number = number[2:]
    return _brazil(number)


def _brazil(number: str) -> tuple[str, ...]:
    """Area code and subscriber. Mobiles typed without their ninth digit (added 2012-2016) get both readings."""
    number = number.lstrip("0")
    area, subscriber = number[:2], number[2:]
    if area not in DDD or _filler(subscriber):
        return ()
    if len(subscriber) == 9:
        return ("55" + number,) if subscriber[0] == "9" else ()
    if len(subscriber) != 8 or subscriber[0] in "01":
        return ()
    if subscriber[0] in "2345":
        return ("55" + number,)
    return (f"55{area}9{subscriber}", "55" + number)


def _argentina(number: str, *, known: bool) -> tuple[str, ...]:
    """Area code and subscriber. Mobiles are +54 9 from abroad and 15 after the area code at home."""
    national = number.lstrip("0")
    if not known:
        national = national.removeprefix("54") if len(national) in {12, 13} and national[:2] == "54" else national
    if len(national) == 11 and national[0] == "9":
        return ("54" + national,)
    if len(national) == 12:
        for size in (2, 3, 4):
            if national[size : size + 2] == "15":
                return (f"549{national[:size]}{national[size + 2 :]}",)
    if len(national) != 10 or _filler(national):
        return ()
    return unique("54" + national, "549" + national) if known else ("549" + national, "54" + national)


def _filler(subscriber: str) -> bool:
    """99999-9999 and its like: typed to get past a form."""
    return subscriber == subscriber[:1] * len(subscriber)
