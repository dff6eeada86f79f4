"""A shop of any size on loopback that answers as Nuvemshop lists orders: about 3 KB of JSON each, made as it is asked for.

Orders are rendered from a thousand bodies by replacing what differs, so a million of them need no memory and hardly
any CPU. Prints its address, then serves until it is told to stop. Imports nothing but the standard library.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import threading
from bisect import bisect_left, bisect_right
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

STORE = "1234567"
SINCE = datetime(2026, 1, 5, 3, tzinfo=UTC)
DAYS = 300
"""Orders lie evenly over this many days from SINCE on."""
BODIES = 1000
CAP = 10_000
_WORDS = ["Camiseta", "Caneca", "Vestido", "Bolsa", "Tênis", "Jaqueta", "Boné", "Óculos", "Relógio", "Mochila"]
_CITIES = [
    ("São Paulo", "São Paulo", "01310100"),
    ("Belo Horizonte", "Minas Gerais", "30130010"),
    ("Recife", "Pernambuco", "50030230"),
    ("Curitiba", "Paraná", "80010000"),
    ("Maceió", "Alagoas", "57020000"),
]
_SOURCES = [
    ("google", "cpc", "marca", "gclid=Cj0KCQiA"),
    ("facebook", "paid_social", "colecao-verao", "fbclid=IwAR0"),
    ("newsletter", "email", "lancamento ☀️", ""),
    ("", "", "", ""),
]


def bodies(count: int = BODIES) -> list[bytes]:
    """Orders with a hole where every order differs: `@id@`, `@email@` …"""
    chance = random.Random(20_260_105)
    return [json.dumps(_order(chance), ensure_ascii=False).encode().replace(b"%", b"%%") for _ in range(count)]


def _order(chance: random.Random) -> dict[str, Any]:
    lines = [_line(chance) for _ in range(chance.choice([2, 2, 3]))]
    subtotal = sum(round(float(line["price"]) * 100) * int(line["quantity"]) for line in lines)
    discount, shipping = chance.choice([0, 0, subtotal // 10]), chance.choice([0, 1990, 2450])
    total = f"{(subtotal - discount + shipping) / 100:.2f}"
    city, province, zipcode = chance.choice(_CITIES)
    source, medium, campaign, click = chance.choice(_SOURCES)
    query = urlencode({"utm_source": source, "utm_medium": medium, "utm_campaign": campaign}) if source else ""
    page = "https://loja.example.com/produtos/peca?" + "&".join(part for part in (query, click) if part)
    paid = chance.random() < 0.9
    address = {
        "id": 5550001, "name": "Pessoa de Exemplo", "phone": "", "address": "Rua Inventada", "number": "742",
        "floor": "ap 31", "locality": "Bairro de Exemplo", "city": city, "province": province, "zipcode": zipcode,
        "country": "BR", "customs": None, "default": True, "created_at": "2025-11-02T10:00:00+0000",
    }  # fmt: skip
    status = "paid" if paid else "pending"
    return {
        "id": "@id@", "token": f"{chance.getrandbits(128):032x}", "store_id": STORE, "number": "@number@",
        "contact_email": "@email@", "contact_name": "Pessoa de Exemplo", "contact_phone": "",
        "contact_identification": None, "billing_name": "Pessoa de Exemplo", "billing_phone": "",
        "billing_address": "Rua Inventada", "billing_number": "742", "billing_zipcode": zipcode, "billing_city": city,
        "billing_province": province, "billing_country": "BR", "subtotal": f"{subtotal / 100:.2f}",
        "discount": f"{discount / 100:.2f}", "discount_coupon": "0.00", "discount_gateway": "0.00", "total": total,
        "total_usd": "48.00", "total_paid": total if paid else "0.00", "payment_count": 1, "currency": "BRL",
        "language": "pt", "weight": "0.600", "shipping_cost_owner": "22.40",
        "shipping_cost_customer": f"{shipping / 100:.2f}", "shipping": "correios", "shipping_option": "PAC",
        "shipping_pickup_type": "ship", "coupon": [{"id": 77, "code": "BEMVINDO10"}] if discount else [],
        "promotional_discount": {"id": None, "total_discount_amount": "0.00", "contents": []},
        "gateway": "pagamento", "gateway_name": "Pagamento de Exemplo",
        "payment_details": {
            "method": chance.choice(["pix", "pix", "credit_card", "boleto"]), "credit_card_company": None,
            "installments": "1",
        },
        "storefront": "store", "extra": {"ctx_consent": "granted;v=2026-01;t=1772374260000"} if paid else [],
        "note": 'Entregar "hoje"; obrigado 💛', "next_action": "waiting_packing", "status": "open",
        "payment_status": status, "shipping_status": "unpacked", "created_at": "@created@", "updated_at": "@updated@",
        "paid_at": "@paid@" if paid else None, "shipped_at": None, "cancelled_at": None, "closed_at": None,
        "cancel_reason": None, "landing_url": page,
        "client_details": {"browser_ip": "203.0.113.9", "user_agent": "Mozilla/5.0 (Linux; Android 15) Exemplo/1.0"},
        "customer": {
            "id": "@buyer@", "name": "Pessoa de Exemplo", "email": "@email@", "identification": None,
            "phone": None, "default_address": address, "total_spent": "100.00",
        },
        "products": lines, "shipping_address": address,
    }  # fmt: skip


def _line(chance: random.Random) -> dict[str, Any]:
    name, number = chance.choice(_WORDS), chance.randrange(1, 400)
    return {
        "id": 7770000 + number, "product_id": 41000 + number, "variant_id": 51000 + number, "name": f"{name} {number}",
        "price": f"{chance.randrange(990, 39900) / 100:.2f}", "compare_at_price": "399.00", "cost": None,
        "quantity": chance.choice(["1", "1", "1", "2"]), "sku": f"SKU-{number}", "free_shipping": False,
        "weight": "0.30", "image": {"src": f"https://imagens.example.com/{number}.jpg"}, "properties": [],
        "variant_values": ["M", "azul"],
    }  # fmt: skip


_HOLES = re.compile(rb'"@(id|number|buyer)@"|@(email|created|updated|paid)@')


class Shop:
    """`count` orders; order i was placed and last changed at `at(i)`."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.step = timedelta(days=DAYS) / count
        self._bodies: list[tuple[bytes, tuple[str, ...]]] = []
        for body in bodies():
            names = tuple((match[1] or match[2]).decode() for match in _HOLES.finditer(body))
            self._bodies.append((_HOLES.sub(b"%s", body), names))

    def at(self, i: int) -> datetime:
        return (SINCE + self.step * i).replace(microsecond=0)

    def order(self, i: int) -> bytes:
        body, names = self._bodies[i * 7919 % len(self._bodies)]
        # Every second order comes from a buyer who came before.
        buyer = i - (i * 31 % 5000) - 1 if i % 2 and i > 5000 else i
        placed = f"{self.at(i):%Y-%m-%dT%H:%M:%S+0000}".encode()
        facts = {
            "id": b"%d" % (10_000_000 + i), "number": b"%d" % (i + 1), "buyer": b"%d" % (900_000_000 + buyer),
            "email": b"comprador-%d@example.com" % buyer, "created": placed, "updated": placed, "paid": placed,
        }  # fmt: skip
        return body % tuple(facts[name] for name in names)

    def between(self, since: datetime, until: datetime) -> tuple[int, int]:
        """Indices of the orders changed from `since` to `until`, both in."""
        everyone = range(self.count)
        return bisect_left(everyone, since, key=self.at), bisect_right(everyone, until, key=self.at)


def handler(shop: Shop) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 20

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path.endswith("/store"):
                self._answer(200, b'{"id":1,"name":{"pt":"Loja"},"main_currency":"BRL","country":"BR"}', {})
            else:
                self._list(parts.path, dict(parse_qsl(parts.query)))

        def _list(self, path: str, query: dict[str, str]) -> None:
            since = datetime.fromisoformat(query.get("updated_at_min", "2000-01-01T00:00:00+00:00"))
            until = datetime.fromisoformat(query.get("updated_at_max", "2100-01-01T00:00:00+00:00"))
            page, size = int(query.get("page", 1)), int(query.get("per_page", 30))
            first, end = (0, 0) if query.get("payment_status", "any") != "any" else shop.between(since, until)
            found = end - first
            if found > CAP and "everything" not in query:
                self._answer(
                    422, b'{"code":422,"message":"Unprocessable","description":"more than 10.000 results"}', {}
                )
                return
            last = -(-found // size)
            if page > last:
                said = f'{{"code":404,"message":"Not Found","description":"Last page is {last}"}}'
                self._answer(404, said.encode(), {})
                return
            newest = end - (page - 1) * size  # newest first
            orders = [shop.order(i) for i in range(newest - 1, max(first, newest - size) - 1, -1)]
            headers = {"X-Total-Count": str(found)}
            if page < last:
                here = urlencode(query | {"page": str(page + 1)})
                headers["Link"] = f'<http://{self.headers["Host"]}{path}?{here}>; rel="next"'
            self._answer(200, b"[" + b",".join(orders) + b"]", headers)

        def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Rate-Limit-Limit", "100000")
            self.send_header("X-Rate-Limit-Remaining", "100000")
            self.send_header("X-Rate-Limit-Reset", "0")
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("orders", type=int)
    shop = Shop(parser.parse_args().orders)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(shop))
    server.daemon_threads = True
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    # Ends with the process that started it, whichever way that ends.
    threading.Thread(target=lambda: (sys.stdin.read(), server.shutdown()), daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    main()
