"""The scripts of Shopify, VTEX and Tray on pages such as those platforms serve, in a browser with every other host unreachable.

What a live theme alone can prove is marked VERIFY in the scripts; here the pages are as the platforms' documentation has them.
"""

import http.server
import itertools
import json
import re
import threading

import pytest

from cortex.handoff import browser, sources
from cortex.handoff.kit import KitSpec, build
from cortex.handoff.places import ATTRIBUTES
from cortex.handoff.spec import SCRIPTS
from cortex.stores import _visits
from tests.schemas import problems

POLICY = "2026-01"


def kit(platform):
    return build(KitSpec(code="xyz", client="x", platform=platform, consent_policy_version=POLICY))


KITS = {platform: kit(platform) for platform in SCRIPTS}
COOKIES = {
    "ctx_choice": f"1111.1772366400000.{POLICY}",
    "ctx_gclid": "Teste-AbC_123",
    "ctx_fbclid": "IwAR-x",
    "ctx_fbc": "fb.1.1772366400000.IwAR-x",
    "ctx_last": "t=1772366400000&source=Face%2BBook&medium=cpc&campaign=Black%20Friday&content=&term=&lp=%2F",
}
CART = {
    "items": [
        {"product_id": 98231, "variant_id": 501, "product_title": "Camiseta", "final_price": 9495, "quantity": 2},
        {"product_id": 98232, "variant_id": 502, "product_title": "Caneca", "final_price": 3333, "quantity": 1},
    ]
}
SHOPIFY = {
    "/products/camiseta.js": {
        "id": 98231,
        "title": "Camiseta",
        "vendor": "Marca",
        "variants": [{"id": 500, "price": 1000}, {"id": 501, "price": 9495}],
    },
    "/cart.js": CART,
    "/collections/verao/products.json": {"products": [{"id": 98231, "title": "Camiseta"}]},
    "/cart/update.js": CART,
}
CHECKOUT = {
    "currencyCode": "BRL",
    "order": {"id": "gid://shopify/Order/1046788032"},
    "totalPrice": {"amount": 225.73, "currencyCode": "BRL"},
    "shippingLine": {"price": {"amount": 12.5}},
    "discountApplications": [{"title": "VOLTA10"}],
    "lineItems": [
        {
            "title": "Camiseta",
            "quantity": 2,
            "finalLinePrice": {"amount": 189.9},
            "variant": {"id": "gid://shopify/ProductVariant/501", "product": {"id": "gid://shopify/Product/98231"}},
        }
    ],
}
ORDER_FORM = {
    "orderFormId": "abc123",
    "storePreferencesData": {"currencyCode": "BRL"},
    "items": [{"id": "501", "productId": "98231", "name": "Camiseta", "sellingPrice": 9495, "quantity": 2}],
}
PLACED = {
    "event": "orderPlaced",
    "transactionId": "1046788032",
    "transactionTotal": 202.4,
    "transactionShipping": 12.5,
    "transactionProducts": [{"id": "98231", "sku": "501", "name": "Camiseta", "sellingPrice": 94.95, "quantity": 2}],
}
VIEWED = {
    "eventName": "vtex:productView",
    "currency": "BRL",
    "product": {
        "productId": "98231",
        "productName": "Camiseta",
        "brand": "Marca",
        "selectedSku": {"itemId": "501", "sellers": [{"commertialOffer": {"Price": 94.95}}]},
    },
}
ADDED = {
    "eventName": "vtex:addToCart",
    "currency": "BRL",
    "items": [{"productId": "98231", "skuId": "501", "name": "Camiseta", "price": 9495, "quantity": 2}],
}
TRAY_PRODUCT = {
    "pageCategory": "Produto",
    "idProduct": "98231",
    "nameProduct": "Camiseta",
    "priceSellProduct": "R$ 1.094,95",
}
TRAY_ORDER = {
    "pageCategory": "Confirmacao",
    "transactionId": "5567",
    "transactionTotal": "2.202,40",
    "transactionShipping": "12.50",
    "transactionProducts": [{"id": "98231", "name": "Camiseta", "price": "1094.95", "quantity": 2}],
}
FORM = '<form action="/cart/add"><input name="id" value="501"><input name="quantity" value="2"></form>'

# name -> (path, script, what the page has before it, body, what happens on it)
PAGES = {
    "shopify product": ("/products/camiseta", "shopify/shopify.js", "", FORM, "submit()"),
    "shopify cart": ("/cart", "shopify/shopify.js", "", "", ""),
    "shopify list": ("/collections/verao", "shopify/shopify.js", "", "", ""),
    "shopify checkout": (
        "/web-pixel",
        "shopify/shopify_pixel.js",
        (
            "var HEARD = {}; var analytics = {subscribe: function (name, then) { HEARD[name] = then; }};"
            "var browser = {cookie: {get: function () { return Promise.resolve(CHOICE); }}};"
        ),
        "",
        "checkout()",
    ),
    "vtex product": ("/camiseta/p", "vtex/vtex.js", "", "", f"say({json.dumps(VIEWED)}); say({json.dumps(ADDED)})"),
    "vtex checkout": (
        "/checkout/",
        "vtex/vtex.js",
        f"var vtexjs = {{checkout: {{orderForm: {json.dumps(ORDER_FORM)}}}}}; location.hash = '#/cart';",
        "",
        "steps(['#/email', '#/shipping', '#/payment'])",
    ),
    "vtex order": ("/checkout/orderPlaced", "vtex/vtex.js", f"var dataLayer = [{json.dumps(PLACED)}];", "", ""),
    "tray product": (
        "/produto/camiseta",
        "tray/tray.js",
        f"var dataLayer = [{json.dumps(TRAY_PRODUCT)}];",
        '<input name="quant" value="2"><button id="button-buy">Comprar</button>',
        "document.getElementById('button-buy').click()",
    ),
    "tray order": ("/checkout/fim", "tray/tray.js", f"var dataLayer = [{json.dumps(TRAY_ORDER)}];", "", ""),
}
EVENTS = {
    "shopify product": ["view_item", "add_to_cart"],
    "shopify cart": ["view_cart"],
    "shopify list": ["view_item_list"],
    "shopify checkout": ["begin_checkout", "add_shipping_info", "add_payment_info", "purchase"],
    "vtex product": ["view_item", "add_to_cart"],
    "vtex checkout": ["view_cart", "begin_checkout", "add_shipping_info", "add_payment_info"],
    "vtex order": ["purchase"],
    "tray product": ["view_item", "add_to_cart"],
    "tray order": ["purchase"],
}
HELPERS = """
function submit() { document.forms[0].dispatchEvent(new Event('submit', {bubbles: true, cancelable: true})); }
function say(told) { window.postMessage(told, location.origin); }
function steps(hashes) { hashes.forEach(function (hash, at) { setTimeout(function () { location.hash = hash; }, 700 * (at + 1)); }); }
function checkout() {
  ['checkout_started', 'checkout_shipping_info_submitted', 'payment_info_submitted', 'checkout_completed'].reduce(
    function (before, name) { return before.then(function () { return HEARD[name]({data: {checkout: CHECKOUT}}); }); },
    Promise.resolve());
}
"""
DRIVER = """<!doctype html><meta charset="utf-8"><body><script>
var cookies = @cookies, pages = @pages, out = {}, waiting = 0;
Object.keys(cookies).forEach(function (name) { document.cookie = name + '=' + cookies[name] + '; path=/'; });
Object.keys(pages).forEach(function (name) {
  waiting += 1;
  var frame = document.createElement('iframe');
  frame.onload = function () {
    setTimeout(function () {
      out[name] = frame.contentWindow.dataLayer;
      waiting -= 1;
      if (!waiting) {
        var pre = document.createElement('pre');
        pre.id = 'out';
        pre.textContent = JSON.stringify(out);
        document.body.appendChild(pre);
      }
    }, 4000);
  };
  frame.src = pages[name];
  document.body.appendChild(frame);
});
</script>"""


def page(name):
    _, script, before, body, after = PAGES[name]
    platform, file = script.split("/")
    code = KITS[platform][f"datalayer/{file}"].decode()
    given = f"var CHOICE = {sources.literal(COOKIES['ctx_choice'])}, CHECKOUT = {sources.literal(CHECKOUT)};"
    return (
        f'<!doctype html><meta charset="utf-8"><body>{body}<script>{given}{before}{HELPERS}</script>'
        f"<script>{code}</script><script>setTimeout(function () {{ {after} }}, 500);</script>"
    )


@pytest.fixture(scope="module")
def seen(chromium):
    """What every page told its data layer, and what was written to the shop, from one start of the browser."""
    written = {}

    class Shop(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            path = self.path.split("?")[0]
            if path == "/start":
                plan = {name: each[0] for name, each in PAGES.items()}
                return self.answer(
                    DRIVER.replace("@cookies", sources.literal(COOKIES)).replace("@pages", sources.literal(plan))
                )
            if path in SHOPIFY:
                return self.answer(json.dumps(SHOPIFY[path]), "application/json")
            name = next((name for name, each in PAGES.items() if each[0] == path), None)
            return self.answer(page(name)) if name else self.send_error(404)

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            written[self.path] = json.loads(body)
            return self.answer("{}", "application/json")

        do_PUT = do_POST  # noqa: N815  # the name the library calls

        def answer(self, text, kind="text/html"):
            data = text.encode()
            self.send_response(200)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        told = browser.answer(chromium, f"http://127.0.0.1:{server.server_port}/start")
    finally:
        server.shutdown()
        server.server_close()
    return told, written


@pytest.mark.parametrize("name", EVENTS)
def test_a_platform_s_page_tells_events_that_keep_the_contract(seen, name):
    layer = [entry for entry in seen[0][name] if "ecommerce" in entry]
    assert [entry["event"] for entry in layer if "event" in entry] == EVENTS[name]
    for before, entry in itertools.pairwise(layer):
        if "event" in entry:
            assert before == {"ecommerce": None}
            schema = json.loads(sources.raw(f"datalayer/schemas/{entry['event']}.json"))
            assert problems(schema, entry) == []


def told(seen, name, event):
    return next(entry["ecommerce"] for entry in seen[0][name] if entry.get("event") == event)


def test_a_purchase_is_worth_what_the_buyer_pays(seen):
    shopify = told(seen, "shopify checkout", "purchase")
    assert (shopify["transaction_id"], shopify["value"], shopify["coupon"]) == ("1046788032", 225.73, "VOLTA10")
    assert shopify["items"][0] | {"price": 94.95, "quantity": 2, "item_id": "98231"} == shopify["items"][0]
    assert told(seen, "vtex order", "purchase")["value"] == 202.4
    assert told(seen, "tray order", "purchase")["value"] == 2202.4
    assert told(seen, "tray order", "purchase")["shipping"] == 12.5


def test_money_is_read_as_each_platform_writes_it(seen):
    assert told(seen, "shopify product", "add_to_cart")["value"] == 189.9, "the chosen variant's price, in cents, twice"
    assert told(seen, "shopify cart", "view_cart")["value"] == 223.23
    assert told(seen, "vtex product", "view_item")["value"] == 94.95
    assert told(seen, "vtex product", "add_to_cart")["value"] == 189.9
    assert told(seen, "tray product", "view_item")["value"] == 1094.95
    assert told(seen, "tray product", "add_to_cart")["value"] == 2189.9


def test_the_choice_goes_along_into_the_checkout_of_shopify(seen):
    consent = next(entry for entry in seen[0]["shopify checkout"] if entry.get("event") == "ctx_consent_update")
    assert set(consent["ctx_consent"].values()) == {"granted"}
    events = [entry.get("event") for entry in seen[0]["shopify checkout"]]
    assert events.index("ctx_consent_update") < events.index("begin_checkout")


@pytest.mark.parametrize("where", ["/cart/update.js", "/api/checkout/pub/orderForm/abc123/customData/cortex"])
def test_what_is_saved_with_the_order_is_what_the_store_reads(seen, where):
    body = seen[1][where]
    saved = body.get("attributes", body)
    assert set(saved) == set(ATTRIBUTES), "what is gone is emptied, not left from before"
    attributes = _visits.attributes(saved)
    assert attributes["ctx_gclid"] == "Teste-AbC_123"
    assert _visits.consent(attributes["ctx_consent"]).state == "granted"
    from datetime import UTC, datetime

    placed = datetime(2026, 3, 2, tzinfo=UTC)
    (touch,) = _visits.kit_touches(attributes, placed, placed.date())
    assert (touch.source, touch.campaign) == ("Face+Book", "Black Friday")


def test_every_script_marks_what_only_a_live_theme_can_prove():
    for platform, names in SCRIPTS.items():
        for name in names:
            text = KITS[platform][f"datalayer/{name}"].decode()
            listed = set(re.findall(r"^(?://| \*)   (\d) ", text, re.MULTILINE))
            marked = set(
                re.findall(r"(?://|:) VERIFY (\d)|VERIFY (\d)", text.split("*/")[-1] if name.endswith(".php") else text)
            )
            assert listed, name
            assert {one or two for one, two in marked} <= listed, name


def test_the_plugin_of_woocommerce_keeps_the_same_attributes_as_the_scripts():
    text = KITS["woocommerce"]["datalayer/woocommerce.php"].decode()
    kept = re.search(r"const KEPT = \[([^\]]*)\]", text)[1]
    names = {f"ctx_{name}" for name in re.findall(r"'(\w+)'", kept)} | {
        "ctx_fbp",
        "ctx_ttp",
        "ctx_ga_client_id",
        "ctx_consent",
    }
    assert names == set(ATTRIBUTES)
    assert f'const POLICY = "{POLICY}";' in text
    assert "@@" not in text


def test_shared_names_of_attributes_are_one_list():
    assert re.findall(r"'(ctx_\w+)'", sources.raw("shared/save.js").split("];")[0]) == sorted(
        ATTRIBUTES, key=lambda name: re.findall(r"'(ctx_\w+)'", sources.raw("shared/save.js")).index(name)
    )
