"""Invented Brazilian buyers: every e-mail ends in a reserved domain, every tax id starts with zeros, no phone is assigned."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cortex.sandbox.places import BY_UF, STATES, State


def _words(text: str, separator: str | None = None) -> tuple[str, ...]:
    return tuple(text.split(separator))


WOMEN = _words(
    "Maria Ana Adriana Juliana Márcia Fernanda Patrícia Aline Camila Bruna Letícia Amanda Larissa Beatriz Gabriela "
    "Mariana Vitória Luana Débora Cláudia Renata Sônia Simone Tatiane Vanessa Luíza Isabela Raquel Conceição Antônia"
)
MEN = _words(
    "José João Antônio Francisco Carlos Paulo Pedro Lucas Luiz Marcos Gabriel Rafael Daniel Marcelo Bruno Eduardo "
    "Felipe Rodrigo Mateus Gustavo Fábio André Leandro Tiago Vinícius Caio Otávio Sérgio Anderson Wesley"
)
SURNAMES = _words(
    "Silva Santos Oliveira Souza Rodrigues Ferreira Alves Pereira Lima Gomes Costa Ribeiro Martins Carvalho Almeida "
    "Lopes Soares Fernandes Vieira Barbosa Rocha Dias Nascimento Andrade Moreira Nunes Marques Machado Mendes Freitas "
    "Cardoso Ramos Gonçalves Teixeira Araújo Conceição Farias Brandão Antunes Queiroz Assunção Guimarães"
)
PARTICLES = ("", "", "", "", "da ", "de ", "dos ")
STREETS = _words(
    "Rua das Acácias|Rua Sete de Setembro|Avenida Brasil|Rua Quinze de Novembro|Avenida Getúlio Vargas|Rua das Flores|"
    "Rua Tiradentes|Avenida Paulista|Rua Marechal Deodoro|Travessa São José|Rua Dom Pedro II|Alameda dos Ipês",
    "|",
)
DISTRICTS = _words("Centro|Jardim América|Boa Vista|São José|Vila Nova|Santa Luzia|Industrial|Bela Vista", "|")
MAILBOXES = (
    *("example.com",) * 4,
    "example.org",
    "example.net",
    "correio.example",
    "mail.example",
    "gmail.example",
)
DRAWS = 12
"""Random numbers one identity is made of."""


@dataclass(slots=True)
class Identity:
    """A buyer as they write themselves in a checkout."""

    first: str
    last: str
    woman: bool
    email: str
    phone: str
    document: str
    state: State
    city: str
    cep: str
    street: str
    number: str
    district: str

    @property
    def name(self) -> str:
        return f"{self.first} {self.last}"


def plain(text: str) -> str:
    """Without accents, lower case, only letters and digits: how a name becomes part of an address.

    >>> plain("Conceição D'Ávila")
    'conceicaodavila'
    """
    decomposed = unicodedata.normalize("NFD", text.lower())
    return "".join(letter for letter in decomposed if letter.isascii() and letter.isalnum())


def _phone(area: int, subscriber: int, style: int) -> str:
    """A mobile number as people type it. Numbers starting 90 are not assigned to anyone in Brazil."""
    eight = f"{subscriber % 10**7:07d}"
    digits = f"90{eight}"
    styles = (
        f"+55{area}{digits}",
        f"({area}) {digits[:5]}-{digits[5:]}",
        f"{area}{digits}",
        f"55 {area} {digits[:5]}-{digits[5:]}",
        f"0{area} {digits}",
        f"+55 ({area}) {digits[:5]} {digits[5:]}",
    )
    return styles[style % len(styles)]


def _document(number: int, dotted: bool) -> str:
    """A tax id nobody can have: it starts with zeros and its check digits are not computed."""
    digits = f"000{number % 10**8:08d}"
    return f"{digits[:3]}.{digits[3:6]}.{digits[6:9]}-{digits[9:]}" if dotted else digits


def _email(first: str, last: str, code: str, draw: int) -> str:
    mailbox = MAILBOXES[draw % len(MAILBOXES)]
    family = plain(last.rsplit(maxsplit=1)[-1])
    if mailbox == "gmail.example":
        # Dots and suffixes that some mail systems ignore and others do not.
        return (
            f"{plain(first)}.{family}.{code}+loja@{mailbox}"
            if draw & 1024
            else f"{plain(first)}.{family}{code}@{mailbox}"
        )
    return f"{plain(first)}{'.' if draw & 2048 else '_'}{family}{code}@{mailbox}"


_WEIGHTS = np.cumsum([state.people for state in STATES])


def state_of(draw: int) -> State:
    """A state, by population."""
    return STATES[int(np.searchsorted(_WEIGHTS, draw % int(_WEIGHTS[-1]), side="right"))]


def invent(
    draws: npt.NDArray[np.uint64], codes: Sequence[str], homes: Sequence[tuple[str, str, str]] = ()
) -> list[Identity]:
    """People made of random numbers, one row of DRAWS each; `codes` keep their e-mails apart.

    `homes` gives (UF, city, five digits of the CEP) where these are known, in the order of the rows.
    """
    if draws.shape != (len(codes), DRAWS):
        raise ValueError(f"draws of shape {draws.shape} for {len(codes)} people")
    people = []
    for row, (numbers, code) in enumerate(zip((draws >> np.uint64(2)).tolist(), codes, strict=True)):
        woman = numbers[0] % 100 < 58
        given = WOMEN if woman else MEN
        first = given[numbers[1] % len(given)]
        last = f"{PARTICLES[numbers[2] % len(PARTICLES)]}{SURNAMES[numbers[3] % len(SURNAMES)]}"
        if numbers[0] & 64:
            last = f"{SURNAMES[numbers[2] % len(SURNAMES)]} {last}"
        if homes:
            uf, city, prefix = homes[row]
            state = BY_UF[uf]
        else:
            state = state_of(numbers[4])
            # Big cities first: the square of a uniform draw favours the front of the list.
            city = state.cities[int(len(state.cities) * (numbers[5] % 1000 / 1000) ** 2)]
            low, high = state.ceps[numbers[6] % len(state.ceps)]
            prefix = f"{low + numbers[6] % (high - low + 1):05d}"
        people.append(
            Identity(
                first=first,
                last=last,
                woman=woman,
                email=_email(first, last, code, numbers[7]),
                phone=_phone(state.area_codes[numbers[8] % len(state.area_codes)], numbers[8] >> 8, numbers[8] >> 40),
                document=_document(numbers[9], bool(numbers[9] & 1)),
                state=state,
                city=city,
                cep=f"{prefix}{numbers[10] % 1000:03d}",
                street=STREETS[numbers[11] % len(STREETS)],
                number=str(1 + numbers[11] % 2400),
                district=DISTRICTS[(numbers[11] >> 12) % len(DISTRICTS)],
            )
        )
    return people
