"""Buyers normalised and hashed for three destinations: microseconds an order, and where they go."""

from __future__ import annotations

import argparse
import cProfile
import hashlib
import pstats
import random
import statistics
import time
from collections.abc import Callable

from cortex import identity
from cortex.identity.rules import GOOGLE, META, TIKTOK
from cortex.records import IdentifierRules, Person

RULES = (META, GOOGLE, TIKTOK)
FIRST = ("Maria Clara", "José", "Ana", "João Pedro", "Antônia", "Luiz", "Beatriz", "Caio")
LAST = ("da Silva", "Souza", "Conceição Júnior", "D'Ávila", "dos Santos", "Pereira", "Gonçalves", "Lima Neto")
PLACES = (
    ("São Paulo", "SP", "01310-{:03}"), ("Rio de Janeiro", "Rio de Janeiro", "20040-{:03}"), ("Niterói", "RJ", "24020-{:03}"),
    ("Belo Horizonte", "MG", "30130-{:03}"), ("Florianópolis", "SC", "88010-{:03}"), ("Goiânia", "Goiás", "74003-{:03}"),
)  # fmt: skip
PROMISE = 40.0
"""Microseconds an order for three destinations."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=20_000, help="orders, each of another buyer")
    parser.add_argument("--passes", type=int, default=7, help="times the orders are gone through; the median counts")
    parser.add_argument("--profile", action="store_true", help="instead: which functions take the time")
    asked = parser.parse_args()
    people = buyers(asked.orders)
    if asked.profile:
        profile(people)
    else:
        compare(people, asked.passes)


def compare(people: list[Person], passes: int) -> None:
    contenders: dict[str, Callable[[Person], object]] = {
        "Meta, Google and TikTok": lambda person: [identity.identify(person, rules, "BR") for rules in RULES],
        "Meta alone": lambda person: identity.identify(person, META, "BR"),
        "Google alone": lambda person: identity.identify(person, GOOGLE, "BR"),
        "TikTok alone": lambda person: identity.identify(person, TIKTOK, "BR"),
        "floor: the same digests, ready texts": floor(people),
        "vendor SDK: UserData.normalize": vendor,
    }
    identity.identify(people[0], META, "BR")  # CLDR's countries are read once in a process
    times = {name: [measure(work, people) for _ in range(passes)] for name, work in contenders.items()}
    micros = {name: statistics.median(each) for name, each in times.items()}
    print(f"{'':38} {'µs/order':>9} {'orders/s':>10}")
    for name, each in micros.items():
        print(f"{name:38} {each:9.1f} {1e6 / each:10,.0f}")
    ours = micros["Meta, Google and TikTok"]
    print()
    print(
        f"three destinations: {ours:.1f} µs an order (promised: at most {PROMISE:.0f}) {'ok' if ours <= PROMISE else 'MISSED'}"
    )
    print(f"against hashing alone: {ours / micros['floor: the same digests, ready texts']:.1f}x")
    print(
        f"Meta's fields against the vendor's normaliser: {micros['vendor SDK: UserData.normalize'] / micros['Meta alone']:.1f}x faster"
    )


def buyers(count: int) -> list[Person]:
    """As Brazilian shops have them: accents, phones of every form, a third of the states by name."""
    dice = random.Random(20261120)
    found = []
    for number in range(count):
        first, last = dice.choice(FIRST), dice.choice(LAST)
        city, state, postcode = dice.choice(PLACES)
        digits = f"9{dice.randrange(10**8):08}"
        phone = dice.choice(("({}) {}-{}", "+55 {} {}{}", "{}{}{}", "55{}{}{}")).format(
            dice.choice(("11", "21", "31", "48", "62")), digits[:5], digits[5:]
        )
        found.append(
            Person(
                store_id=str(1_000_000 + number),
                email=f"Cliente.{number}@{dice.choice(('gmail.com', 'hotmail.example', 'loja.example'))}",
                phone=phone,
                first_name=first,
                last_name=last,
                city=city,
                state=state,
                postal_code=postcode.format(dice.randrange(1000)),
                country="BR",
            )
        )
    return found


def floor(people: list[Person]) -> Callable[[Person], object]:
    """SHA-256 of as many texts as the three destinations get, without reading anything."""
    digests = [
        sum(
            len(values)
            for rules in RULES
            for key, values in identity.identify(one, rules, "BR").items()
            if key not in plain(rules)
        )
        for one in people[:1000]
    ]
    texts = [f"cliente.{number}@example.com".encode() for number in range(round(statistics.mean(digests)))]
    return lambda _person: [hashlib.sha256(text).hexdigest() for text in texts]


def plain(rules: IdentifierRules) -> set[str]:
    return {field.key for field in rules.fields if not field.hashed}


def vendor(person: Person) -> object:
    """The same Meta fields through facebook_business' own normaliser (international phone: local ones it cannot read)."""
    from facebook_business.adobjects.serverside.user_data import UserData

    return UserData(
        emails=[person.email],
        phones=["+5511987654321"],
        first_names=[person.first_name],
        last_names=[person.last_name],
        cities=[person.city],
        states=[person.state],
        zip_codes=[person.postal_code],
        country_codes=["br"],
        external_ids=[person.store_id],
    ).normalize()


def measure(work: Callable[[Person], object], people: list[Person]) -> float:
    """Microseconds of CPU an order."""
    start = time.process_time()
    for person in people:
        work(person)
    return (time.process_time() - start) / len(people) * 1e6


def profile(people: list[Person]) -> None:
    profiler = cProfile.Profile()
    profiler.enable()
    for person in people:
        for rules in RULES:
            identity.identify(person, rules, "BR")
    profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(18)


if __name__ == "__main__":
    main()
