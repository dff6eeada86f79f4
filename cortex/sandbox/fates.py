"""What becomes of a placed order in a Brazilian shop: paid, expired, refused, packed, sent, given back, forgotten."""

from __future__ import annotations

from collections.abc import Sequence

from cortex.sandbox.checkout import Sale
from cortex.sandbox.happenings import (
    abandoned,
    authorized,
    cancelled,
    closed,
    noted,
    packed,
    paid,
    refunded,
    shipped,
    trimmed,
)
from cortex.sandbox.notation import money
from cortex.sandbox.orders import Event

HOUR, DAY = 3600, 86400
DRAWS = 12
"""Uniform numbers one fate is made of."""

PAYS = {"pix": 0.88, "boleto": 0.62, "credit_card": 0.93, "debit_card": 0.95}
"""How many pay in the end. Pix codes expire, boletos are forgotten, cards are refused."""
REFUNDS = 0.035
SOLD_OUT = 0.01
NOTES = 0.025
TRIMS = 0.06


def fate(sale: Sale, draws: Sequence[float], domain: str) -> list[Event]:
    """The events of one order; `draws` are DRAWS uniform numbers, which alone decide."""
    events: list[Event] = []
    if draws[0] < NOTES:
        events.append(noted(sale.at + int((1 + 19 * draws[1]) * DAY), "Cliente pediu para confirmar o endereço."))
    if draws[2] >= PAYS.get(sale.method, 1.0):
        return events + _unpaid(sale, draws)
    total = sale.charged
    at = sale.at + _delay(sale.method, draws[3])
    if sale.method == "boleto" and len(sale.lines) > 1 and draws[4] < TRIMS:
        event = trimmed(sale.at + 2 * HOUR, sale, domain)
        events.append(event)
        total = round(float(event[1]["total"]) * 100)
    if sale.method == "credit_card" and draws[4] < 0.1:
        events.append(authorized(sale.at + 20))
    events.append(paid(at, money(total), sale.payments))
    return events + _after_payment(sale, at, draws)


def _delay(method: str, draw: float) -> int:
    """Seconds until the money arrives: boletos take one to five days, Pix minutes, cards moments."""
    if method == "boleto":
        return int((1 + 4 * draw) * DAY)
    if method == "pix":
        return 45 + int(1700 * draw**3)
    return 30 + int(240 * draw)


def _unpaid(sale: Sale, draws: Sequence[float]) -> list[Event]:
    if sale.method == "credit_card":
        if draws[5] < 0.5:
            return [authorized(sale.at + 20), cancelled(sale.at + HOUR + int(7 * HOUR * draws[6]), "fraud", "voided")]
        return [cancelled(sale.at + 90, "other", "voided")]
    patience = {"boleto": 6 * DAY, "pix": DAY // 2}.get(sale.method, DAY)
    at = sale.at + patience + int(DAY * draws[6])
    return [cancelled(at, "other", "voided") if draws[5] < 0.5 else abandoned(at)]


def _after_payment(sale: Sale, at: int, draws: Sequence[float]) -> list[Event]:
    if draws[7] < SOLD_OUT:
        return [cancelled(at + 6 * HOUR + int(40 * HOUR * draws[8]), "inventory", "refunded")]
    pack = at + 3 * HOUR + int(27 * HOUR * draws[8])
    ship = pack + 2 * HOUR + int(46 * HOUR * draws[9])
    close = ship + (3 + sale.buyer.state.distance) * DAY + int(5 * DAY * draws[10])
    way = [packed(pack), shipped(ship, sale), closed(close)]
    if draws[7] < SOLD_OUT + REFUNDS:
        back = at + 3 * DAY + int(17 * DAY * draws[11])
        if draws[5] < 0.6:
            return [event for event in way if event[0] < back] + [cancelled(back, "customer", "refunded")]
        return [*way, refunded(back)]
    return way
