"""Who bought and where, from what a Brazilian shop writes down: one name field, a state by name, a CEP."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

_STATES = {
    "acre": "AC", "alagoas": "AL", "amapa": "AP", "amazonas": "AM", "bahia": "BA", "ceara": "CE",
    "distrito federal": "DF", "espirito santo": "ES", "goias": "GO", "maranhao": "MA", "mato grosso": "MT",
    "mato grosso do sul": "MS", "minas gerais": "MG", "para": "PA", "paraiba": "PB", "parana": "PR",
    "pernambuco": "PE", "piaui": "PI", "rio de janeiro": "RJ", "rio grande do norte": "RN",
    "rio grande do sul": "RS", "rondonia": "RO", "roraima": "RR", "santa catarina": "SC", "sao paulo": "SP",
    "sergipe": "SE", "tocantins": "TO",
}  # fmt: skip
_CODES = frozenset(_STATES.values())

_SECOND_NAMES = frozenset({
    "alberto", "alexandre", "alice", "andre", "antonia", "antonio", "aparecida", "augusto", "beatriz", "bernardo",
    "carla", "carlos", "carolina", "caroline", "catarina", "cecilia", "cesar", "clara", "claudia", "cristina",
    "daniel", "eduarda", "eduardo", "elisa", "ester", "fatima", "felipe", "fernanda", "fernando", "francisca",
    "francisco", "gabriel", "gabriela", "guilherme", "gustavo", "helena", "heloisa", "henrique", "ines", "isabel",
    "jorge", "jose", "julia", "laura", "leandro", "leticia", "lourdes", "lucas", "lucia", "luis", "luisa", "luiz",
    "luiza", "lurdes", "manuel", "marcelo", "marcos", "maria", "mariana", "mateus", "matheus", "miguel", "otavio",
    "paula", "paulo", "pedro", "rafael", "raimundo", "regina", "renato", "ricardo", "rita", "roberto", "rodrigo",
    "socorro", "sofia", "sophia", "teresa", "tereza", "valentina", "vicente", "victor", "victoria", "vinicius",
    "vitor", "vitoria",
})  # fmt: skip
"""Names that, as second word, belong to a compound given name (Ana Paula, João Pedro), not to the family."""


def full_name(text: str) -> tuple[str, str]:
    """(given, family) of a full name: compound given names stay together, particles stay with the family.

    >>> full_name("Ana Paula de Souza Lima"), full_name("João Silva"), full_name("Madonna")
    (('Ana Paula', 'de Souza Lima'), ('João', 'Silva'), ('Madonna', ''))
    """
    words = text.split()
    given = 2 if len(words) > 2 and _folded(words[1]) in _SECOND_NAMES else 1
    return " ".join(words[:given]), " ".join(words[given:])


@lru_cache(maxsize=256)  # states are few and no personal data by themselves
def state_code(name: str, country: str) -> str:
    """UF of a Brazilian state by name or code; empty for other countries and for what is no state.

    >>> state_code("São Paulo", "BR"), state_code("rj", "BR"), state_code("Buenos Aires", "AR")
    ('SP', 'RJ', '')
    """
    if country != "BR":
        return ""
    code = name.strip().upper()
    return code if code in _CODES else _STATES.get(_folded(name.strip()), "")


def postal_prefix(postal_code: str, country: str) -> str:
    """First five digits of a CEP; empty for other countries, where five characters may be a whole address.

    >>> postal_prefix("01310-100", "BR")
    '01310'
    """
    digits = postal_code if postal_code.isdigit() else "".join(filter(str.isdigit, postal_code))
    return digits[:5] if country == "BR" and len(digits) == 8 else ""


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFD", text.lower())
    return "".join(character for character in decomposed if not unicodedata.combining(character))
