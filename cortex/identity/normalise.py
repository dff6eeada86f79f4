"""Named rules: a fact of a person as a platform wants it written, best reading first, nothing when unusable.

Every rule takes (value, country) and returns a tuple. Composed (NFC) and freed of invisible characters first. A value
that is already a SHA-256 passes in lower case and is never hashed twice; an empty or meaningless one gives nothing.
Rules are Meta's customer information parameters, Google's Data Manager formatting guide, TikTok's Events API and
Snap's Conversions API; `docs/en/conversions.md` shows each with its test vectors.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date
from functools import wraps

from cortex.identity._phones import phone_readings
from cortex.identity._places import UF_CODES, country_iso, state_reading
from cortex.identity._text import clean, folded, letters, lower, unique, words

Rule = Callable[[str, str], tuple[str, ...]]

RULES: dict[str, Rule] = {}
"""Every rule by the name `IdentifierField.rule` uses."""

JUNK = frozenset({"null", "none", "nan", "undefined", "n/a", "nil", "unknown", "desconhecido", "não informado",
                  "nao informado", "não consta", "nao consta", "no informado", "sem nome"})  # fmt: skip
JUNK_MAILBOXES = frozenset({"naotem", "naotenho", "semail", "sememail", "naoinformado", "noemail", "noreply",
                            "no-reply", "teste", "test"})  # fmt: skip
LONGEST_JUNK = max(map(len, JUNK))
EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""SHA-256 of nothing: what a careless sender makes of an empty field."""

BRAZIL = frozenset({"BR", ""})
"""Countries whose postcodes and states are read as Brazil's: no country is the home country."""
GMAIL = frozenset({"gmail.com", "googlemail.com"})
SUFFIXES = frozenset({"junior", "júnior", "jr", "filho", "filha", "neto", "neta", "sobrinho", "segundo"})
"""Follow the family name and are not one."""

SHORTEST_DIGEST = 32
_SHA256 = re.compile(r"([0-9a-f]{64})(?:\.[0-9a-z]{8})?")  # Meta's Parameter Builder appends .xxxxxxxx
_OTHER_DIGEST = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{40}")
_EMAIL = re.compile(r"[^\s@]+@[^\s@.]+(?:\.[^\s@.]+)+")
_UF_AFTER_CITY = re.compile(r"^(.{2,}?)\s*[-/,(]\s*([A-Za-z]{2})\)?$")
_NUMBERS = re.compile(r"\d+")
_CEP = re.compile(r"([0-9]{5})-?([0-9]{3})")
_ZIP_PLUS_4 = re.compile(r"\d{5}-\d{4}")
_CUT_CEP = re.compile(r"\W*(?:\d{7}|\d{4}-\d{3})\W*")


def prehashed(text: str) -> str:
    """The SHA-256 a text already is, in lower case; empty when it is none or the hash of nothing."""
    if len(text) not in {64, 73}:
        return ""
    found = _SHA256.fullmatch(text.lower())
    return found[1] if found and found[1] != EMPTY_SHA256 else ""


def _rule(*, hashed: bool = True) -> Callable[[Rule], Rule]:
    """Register a rule behind what every rule does first. hashed=False: the platform wants it plain, so no digest passes."""

    def register(read: Rule) -> Rule:
        @wraps(read)
        def guarded(value: str, country: str = "") -> tuple[str, ...]:
            text = value.strip() if value.isascii() and value.isprintable() else clean(value)
            length = len(text)
            if length <= LONGEST_JUNK:
                if not text or lower(text) in JUNK:
                    return ()
            elif length >= SHORTEST_DIGEST and (found := _digest_like(text)) is not None:
                return (found,) if found and hashed else ()
            return read(text, country)

        RULES[read.__name__] = guarded
        return guarded

    return register


def _digest_like(text: str) -> str | None:
    """A usable SHA-256; "" for a digest nobody wants (of nothing, MD5, SHA-1); None for what is no digest."""
    if found := prehashed(text):
        return found
    if _OTHER_DIGEST.fullmatch(text) or (len(text) in {64, 73} and _SHA256.fullmatch(text.lower())):
        return ""
    return None


def _mailbox(text: str) -> tuple[str, str] | None:
    """Local part and domain in lower case, or None for what is no address a person reads."""
    address = lower(text)
    if not _EMAIL.fullmatch(address):
        return None
    local, _, domain = address.rpartition("@")
    if local in JUNK_MAILBOXES or not (local.isalnum() or any(map(str.isalnum, local))):
        return None
    return local, domain


@_rule()
def email_plain(value: str, country: str) -> tuple[str, ...]:  # noqa: ARG001
    """Trimmed, lower case; dots and +suffix stay. Meta, TikTok, Snap, Pinterest."""
    found = _mailbox(value)
    return (f"{found[0]}@{found[1]}",) if found else ()


@_rule()
def email_google(value: str, country: str) -> tuple[str, ...]:  # noqa: ARG001
    """Google's: as plain, and for gmail.com and googlemail.com without dots and +suffix before the @."""
    found = _mailbox(value)
    if not found:
        return ()
    local, domain = found
    if domain in GMAIL:
        local = local.split("+", 1)[0].replace(".", "")
    return (f"{local}@{domain}",) if local else ()


@_rule()
def phone_digits(value: str, country: str) -> tuple[str, ...]:
    """Digits with the country code, no plus, no leading zeros. Meta, Snap, Pinterest."""
    return phone_readings(value, country)


@_rule()
def phone_e164(value: str, country: str) -> tuple[str, ...]:
    """E.164: the same with a plus sign. Google, TikTok."""
    return tuple("+" + digits for digits in phone_readings(value, country))


@_rule()
def name_plain(value: str, country: str) -> tuple[str, ...]:  # noqa: ARG001
    """Lower case without punctuation, UTF-8 kept; then without accents. Google takes the first reading."""
    name = _name(value)
    return _readings(name)


@_rule()
def name_given(value: str, country: str) -> tuple[str, ...]:  # noqa: ARG001
    """As name_plain, then the first of compound given names: a profile `Maria` belongs to `Maria Clara`."""
    name = _name(value)
    return _readings(name, name.partition(" ")[0])


@_rule()
def name_family(value: str, country: str) -> tuple[str, ...]:  # noqa: ARG001
    """As name_plain, then the last family name: `da Silva Santos Júnior` is also `santos`."""
    name = _name(value)
    last = name if " " not in name else next((word for word in reversed(name.split()) if word not in SUFFIXES), "")
    return _readings(name, "" if last in SUFFIXES else last)


def _readings(name: str, part: str = "") -> tuple[str, ...]:
    """A name and a part of it, each also without accents."""
    if name.isascii():
        return ((name, part) if part and part != name else (name,)) if name else ()
    return unique(name, folded(name), part, folded(part))


def _name(value: str) -> str:
    """Words of a name; nothing for an e-mail, a number or punctuation typed where a name was asked."""
    name = "" if "@" in value else words(value)
    return name if name.isalpha() or any(map(str.isalpha, name)) else ""


@_rule()
def city_plain(value: str, country: str) -> tuple[str, ...]:
    """Lower case without spaces or punctuation; then without accents; then without accented letters.

    Meta's page forbids "special characters" and does not say whether ã is one: its own browser library drops the
    letter. A list of readings is legal, so all three are sent.
    """
    if country in BRAZIL and (found := _UF_AFTER_CITY.match(value)) and found[2].lower() in UF_CODES:
        value = found[1]
    city = letters(value)
    if not any(map(str.isalpha, city)):
        return ()
    return unique(city, folded(city), "".join(letter for letter in city if letter.isascii()))


@_rule()
def state_code(value: str, country: str) -> tuple[str, ...]:
    """The two-letter code where the country has one (Brazil, United States), then the name as a city is written."""
    code, name = state_reading(value, country)
    return unique(code, name, folded(name)) if code or any(map(str.isalpha, name)) else ()


@_rule()
def postcode_meta(value: str, country: str) -> tuple[str, ...]:
    """Lower case, no spaces, no dash; of a US ZIP+4 the first five; of a CEP also its first five (the district)."""
    if country in BRAZIL and (cep := _CEP.fullmatch(value)):
        district, street = cep.groups()
        code = district + street
        return unique(code, district if _plausible_postcode(district) else "") if _plausible_postcode(code) else ()
    text = "".join(lower(value).split())
    code = "".join(filter(str.isalnum, text))
    if country == "US" or (country != "SA" and _ZIP_PLUS_4.fullmatch(text)):
        code = code[:5]
    elif country in BRAZIL:
        code = _whole_cep(text, code)
    if not _plausible_postcode(code):
        return ()
    brazilian = country in BRAZIL and len(code) == 8 and code.isdigit()
    return unique(code, code[:5] if brazilian and _plausible_postcode(code[:5]) else "")


@_rule(hashed=False)
def postcode_plain(value: str, country: str) -> tuple[str, ...]:
    """Trimmed and sent in the clear, as Google asks. A CEP that lost its leading zero in a spreadsheet gets it back."""
    code = value if value.isalnum() else "".join(filter(str.isalnum, value))
    if not _plausible_postcode(code):
        return ()
    return (_whole_cep(value, value) if country in BRAZIL else value,)


def _plausible_postcode(code: str) -> bool:
    return len(code) >= 3 and (code.isdigit() or any(map(str.isdigit, code))) and code != code[0] * len(code)


def _whole_cep(typed: str, code: str) -> str:
    """01310100 for the 1310100 a spreadsheet made of it (São Paulo's codes begin with zero)."""
    return "0" + code if _CUT_CEP.fullmatch(typed) else code


@_rule()
def country_code(value: str, country: str) -> tuple[str, ...]:  # noqa: ARG001
    """ISO 3166-1 alpha-2 in lower case, from a code or a name."""
    return unique(country_iso(value).lower())


@_rule(hashed=False)
def region_code(value: str, country: str) -> tuple[str, ...]:  # noqa: ARG001
    """The same in upper case and sent in the clear, as Google asks."""
    return unique(country_iso(value))


@_rule()
def gender_letter(value: str, country: str) -> tuple[str, ...]:  # noqa: ARG001
    """f or m, from the words of Portuguese, English and Spanish; nothing for anything else."""
    word = folded(letters(value))
    if word in {"f", "fem", "female", "feminino", "femenino", "mulher", "mujer", "woman"}:
        return ("f",)
    if word in {"m", "masc", "male", "masculino", "homem", "hombre", "man"}:
        return ("m",)
    return ()


@_rule()
def birth_date(value: str, country: str) -> tuple[str, ...]:
    """YYYYMMDD. Day first, except in the United States and where the middle number cannot be a month."""
    numbers = _NUMBERS.findall(value.partition("T")[0])
    if len(numbers) == 1 and len(numbers[0]) == 8:
        numbers = [numbers[0][:4], numbers[0][4:6], numbers[0][6:]]
    if len(numbers) < 3:
        return ()
    first, second, third = (int(number) for number in numbers[:3])
    if len(numbers[0]) == 4:
        orders = [(first, second, third)]
    elif len(numbers[2]) == 4:
        orders = [(third, second, first), (third, first, second)]
    else:
        return ()
    if country == "US":
        orders.reverse()
    return next((found for order in orders if (found := _day(*order))), ())


def _day(year: int, month: int, day: int) -> tuple[str, ...]:
    """1900-01-01 and before are defaults of forms and spreadsheets, not birthdays."""
    try:
        born = date(year, month, day)
    except ValueError:
        return ()
    return (born.strftime("%Y%m%d"),) if date(1900, 1, 1) < born < date(2100, 1, 1) else ()


@_rule()
def id_plain(value: str, country: str) -> tuple[str, ...]:  # noqa: ARG001
    """The shop's own customer id, as the shop writes it."""
    return (value,)


def document_digits(value: str) -> str:
    """A CPF or CNPJ in its bare form when its check digits are right, else nothing. Never sent anywhere.

    A mistyped or invented document must not make two people one. Since July 2026 a CNPJ may hold letters; their
    value is the ASCII code less 48 (Receita Federal).
    """
    bare = "".join(filter(str.isalnum, clean(value))).upper()
    if not bare.isascii() or len(set(bare)) < 2:
        return ""
    if len(bare) == 11 and bare.isdigit():
        return bare if _checks(bare, (range(10, 1, -1), range(11, 1, -1))) else ""
    if len(bare) == 14 and bare[12:].isdigit():
        weights = [5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]
        return bare if _checks(bare, (weights, [6, *weights])) else ""
    return ""


def _checks(document: str, weights: tuple[Sequence[int], Sequence[int]]) -> bool:
    for position, row in zip((-2, -1), weights, strict=True):
        body = document[: len(document) + position]
        rest = sum((ord(sign) - 48) * weight for sign, weight in zip(body, row, strict=True)) % 11
        if int(document[position]) != (0 if rest < 2 else 11 - rest):
            return False
    return True
