"""States and countries by the names and codes people write them with, in Portuguese, English and Spanish."""

from __future__ import annotations

from functools import cache, lru_cache

from cortex.identity._text import folded, letters

UF = {
    "acre": "ac", "alagoas": "al", "amapa": "ap", "amazonas": "am", "bahia": "ba", "ceara": "ce",
    "distritofederal": "df", "espiritosanto": "es", "goias": "go", "maranhao": "ma", "matogrosso": "mt",
    "matogrossodosul": "ms", "minasgerais": "mg", "para": "pa", "paraiba": "pb", "parana": "pr", "pernambuco": "pe",
    "piaui": "pi", "riodejaneiro": "rj", "riograndedonorte": "rn", "riograndedosul": "rs", "rondonia": "ro",
    "roraima": "rr", "santacatarina": "sc", "saopaulo": "sp", "sergipe": "se", "tocantins": "to",
}  # fmt: skip
USA = {
    "alabama": "al", "alaska": "ak", "arizona": "az", "arkansas": "ar", "california": "ca", "colorado": "co",
    "connecticut": "ct", "delaware": "de", "districtofcolumbia": "dc", "florida": "fl", "georgia": "ga",
    "hawaii": "hi", "idaho": "id", "illinois": "il", "indiana": "in", "iowa": "ia", "kansas": "ks", "kentucky": "ky",
    "louisiana": "la", "maine": "me", "maryland": "md", "massachusetts": "ma", "michigan": "mi", "minnesota": "mn",
    "mississippi": "ms", "missouri": "mo", "montana": "mt", "nebraska": "ne", "nevada": "nv", "newhampshire": "nh",
    "newjersey": "nj", "newmexico": "nm", "newyork": "ny", "northcarolina": "nc", "northdakota": "nd", "ohio": "oh",
    "oklahoma": "ok", "oregon": "or", "pennsylvania": "pa", "rhodeisland": "ri", "southcarolina": "sc",
    "southdakota": "sd", "tennessee": "tn", "texas": "tx", "utah": "ut", "vermont": "vt", "virginia": "va",
    "washington": "wa", "westvirginia": "wv", "wisconsin": "wi", "wyoming": "wy",
}  # fmt: skip
STATES = {"BR": UF, "US": USA, "": UF}
UF_CODES = frozenset(UF.values())

_SPOKEN = {"eua": "US", "eeuu": "US", "estadosunidosdaamerica": "US", "unitedstatesofamerica": "US", "uk": "GB",
           "inglaterra": "GB", "england": "GB", "grabretanha": "GB", "greatbritain": "GB", "holanda": "NL"}  # fmt: skip
_HERE = frozenset({"BR", "br", "Brasil", "Brazil"})
"""What nearly every order says. CLDR's names, which take a while to load, are not needed for it."""
_NO_COUNTRIES = {"EU", "EZ", "UN", "XA", "XB", "QO", "ZZ"}
"""Groups and placeholders of CLDR that look like ISO 3166 codes."""


def state_reading(text: str, country: str) -> tuple[str, str]:
    """(code, name as written) of a state in lower case; the code is empty where the country has no table.

    `BR-SP`, `SP` and `São Paulo` all give the code sp.
    """
    name = letters(text)
    known = STATES.get(country, {})
    bare = name.removeprefix(country.lower()) if len(name) == 4 and country else name
    if bare in known.values():
        return bare, ""
    return known.get(folded(name), ""), name


@lru_cache(maxsize=1024)
def country_iso(text: str) -> str:
    """ISO 3166-1 alpha-2, upper case, of a code or a name (pt, en, es); empty when there is none.

    >>> country_iso("Brasil"), country_iso("br"), country_iso("USA"), country_iso("Atlantis")
    ('BR', 'BR', 'US', '')
    """
    if text in _HERE:
        return "BR"
    name = folded(letters(text))
    code = name.upper()
    if len(code) == 2 and code in _territories().values() and code != "UK":
        return code
    return _SPOKEN.get(name) or _territories().get(name, "")


@cache
def _territories() -> dict[str, str]:
    """Names and alpha-3 codes of every country, from CLDR."""
    from babel import Locale
    from babel.core import get_global

    found: dict[str, str] = {}
    for language in ("pt", "en", "es"):
        for code, name in Locale(language).territories.items():
            if len(code) == 2 and code.isalpha() and code not in _NO_COUNTRIES:
                found[folded(letters(name))] = code
    iso = set(found.values())
    for alias, codes in get_global("territory_aliases").items():
        if len(alias) == 3 and alias.isalpha() and len(codes) == 1 and codes[0] in iso:
            found[alias.lower()] = codes[0]
    return found
