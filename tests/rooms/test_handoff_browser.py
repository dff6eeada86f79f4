"""The kit's scripts in a real browser with every other host unreachable: consent, capture, order attributes, event ids.

One page runs the code exactly as it stands in the container, with Tag Manager's variables put in by `expression`. That proves
our logic, not Google's: Tag Manager itself takes no part.
"""

import html
import http.server
import itertools
import json
import re
import subprocess
import threading
from urllib.parse import parse_qs

import pytest

from cortex.handoff import sources
from cortex.handoff.events import purchase_event_id
from cortex.handoff.kit import KitSpec, build
from cortex.handoff.lint import parameter
from cortex.stores import _visits
from tests.schemas import problems

KIT = build(
    KitSpec(
        code="xyz",
        client="x",
        meta_pixel_id="123456789",
        consent_policy_version="2026-01",
        parts=("meta", "google_ads"),
    )
)
VERSION = json.loads(KIT["container.json"])["containerVersion"]
VARIABLES = {each["name"]: each for each in VERSION["variable"]}

LANDING = (
    "/colecao/verao?utm_source=Face%2BBook&utm_medium=cpc&utm_campaign=Black+Friday%20S%C3%A3o&utm_term=ana%40example.com"
    "&gclid=Teste-AbC_123&fbclid=IwAR-Teste_xYz.9&msclkid=a%20b&email=ana%40example.com"
)
ORDER = {"id": 1046788032, "number": 101, "total": 18990, "coupon": ["VOLTA10"]}
CART = {
    "subtotal": 18990,
    "items": [
        {"id": 501, "product_id": 98231, "name": "Camiseta", "unit_price": 9495, "quantity": 2},
    ],
}
SHOP_PAGES = {
    "/produtos/camiseta/": {
        "product": {"id": 98231, "name": "Camiseta"},
        "variants": [{"id": 501, "price_number": 94.95}],
        "currency": {"code": "BRL"},
    },
    "/comprar/": {"cart": CART, "currency": {"code": "BRL"}},
    "/checkout/v3/start/1/abc": {"cart": CART, "currency": "BRL"},
    "/checkout/v3/next/1/abc": {"cart": CART, "currency": "BRL"},
    "/checkout/v3/success/1/abc": {"cart": CART, "order": ORDER, "currency": "BRL"},
    "/verao/": {"category": {"id": 7, "name": "Verão"}, "currency": {"code": "BRL"}},
}
BODY = """
<div class="js-item-product" data-product-id="98231"><span class="js-item-name"> Camiseta </span></div>
<form id="buy"><input name="quantity" value="2"><button type="button" class="js-addtocart">Comprar</button></form>
<form id="cart" action="/comprar/"><input type="submit" name="go_to_checkout"></form>
<input type="radio" name="payment_method" value="pix">
"""


def expression(name):
    """A variable as JavaScript, for the kinds the kit uses."""
    if name == "Event":
        return "ctxLayer('event')"
    item = VARIABLES[name]
    if item["type"] == "c":
        return json.dumps(parameter(item, "value"))
    if item["type"] == "v":
        return f"ctxLayer({parameter(item, 'name')!r})"
    if item["type"] == "k":
        return f"ctxCookie({parameter(item, 'name')!r})"
    return f"({resolved(parameter(item, 'javascript'))})()"


def resolved(code):
    return re.sub(r"\{\{([^{}]+)\}\}", lambda found: expression(found[1]), code)


def tag_code(name):
    code = parameter(next(each for each in VERSION["tag"] if each["name"] == name), "html")
    return resolved(code.removeprefix("<script>").removesuffix("</script>"))


def template_code():
    source = sources.raw("gtm/consent_mode.tpl")
    return source.split("___SANDBOXED_JS_FOR_WEB_TEMPLATE___")[1].split("___WEB_PERMISSIONS___")[0]


def literal(code):
    return json.dumps(code).replace("<", "\\u003c")


DRIVER = """
window.dataLayer = [];
function ctxLayer(path) {
  var model = {};
  function merge(into, from) {
    for (var key in from) {
      var value = from[key];
      var both = value && into[key] && typeof value === 'object' && typeof into[key] === 'object';
      if (both && !Array.isArray(value)) { merge(into[key], value); } else { into[key] = value; }
    }
  }
  window.dataLayer.forEach(function (entry) { merge(model, JSON.parse(JSON.stringify(entry))); });
  if (path === 'gtm.uniqueEventId') { return window.dataLayer.length; }
  return path.split('.').reduce(function (value, key) { return value ? value[key] : undefined; }, model);
}
function ctxCookie(name) {
  var found = document.cookie.match('(?:^|; )' + name + '=([^;]*)');
  return found ? found[1] : undefined;
}
function cookies() {
  var found = {};
  document.cookie.split('; ').forEach(function (pair) {
    var cut = pair.indexOf('=');
    if (cut > 0) { found[pair.slice(0, cut)] = pair.slice(cut + 1); }
  });
  return found;
}
function run(name) { new Function(CODE[name])(); }
function choose(states) {
  var given = {};
  ['ad_storage', 'analytics_storage', 'ad_user_data', 'ad_personalization'].forEach(function (type, i) {
    given[type] = states.charAt(i) === '1' ? 'granted' : 'denied';
  });
  window.dataLayer.push({event: 'ctx_consent_update', ctx_consent: given});
  run('record');
}
function visit(path) { history.replaceState(null, '', path); window.ctxCaptured = false; run('capture'); }
function template(data) {
  var calls = [];
  data.gtmOnSuccess = function () { calls.push(['done']); };
  var apis = {
    setDefaultConsentState: function (state) { calls.push(['default', state]); },
    updateConsentState: function (state) { calls.push(['update', state]); },
    makeNumber: Number, makeString: String
  };
  new Function('require', 'data', CODE.template)(function (name) { return apis[name]; }, data);
  return calls;
}
function snapshot() { return {cookies: cookies(), attributes: window.ctxAttributes ? window.ctxAttributes() : null}; }

var out = {};
run('attributes');
visit(LANDING);
out.before = snapshot();
document.cookie = 'ctx_choice=1111.1700000000000.2025-12; path=/';
visit(LANDING);
out.older = snapshot();
choose('0000');
visit(LANDING);
out.refused = snapshot();
choose('1111');
out.told = window.dataLayer[window.dataLayer.length - 1];
visit(LANDING);
out.granted = snapshot();
visit('/');
out.direct = snapshot();
visit('/?utm_source=Newsletter&utm_medium=email');
out.second = snapshot();
document.cookie = '_fbp=fb.1.1700000000000.99; path=/';
document.cookie = '_ttp=2Xj-AbC_dEf123; path=/';
document.cookie = '_fbc=fb.2.1700000000000.IwAR-Teste_xYz.9; path=/';
document.cookie = '_ga=GA1.1.1234567890.1700000000; path=/';
out.pixel = snapshot();

var fired = [];
window.fbq = function () { fired.push([].slice.call(arguments)); };
window.dataLayer.push({ecommerce: null});
window.dataLayer.push({event: 'purchase', user_data: {email: 'ana@example.com'}, ecommerce: {
  transaction_id: '1046788032', value: 189.9, currency: 'BRL',
  items: [{item_id: '98231', item_name: 'Camiseta', price: 94.95, quantity: 2}]}});
run('Purchase');
out.email = new Function('return ' + CODE.email)();
['add_to_cart', 'add_to_cart'].forEach(function (event) {
  window.dataLayer.push({ecommerce: null});
  window.dataLayer.push({event: event, ecommerce: {value: 1, currency: 'BRL', items: [{item_id: '1', quantity: 1}]}});
  run('AddToCart');
});
out.fired = fired;

var stored = ctxCookie('ctx_choice');
out.template = {
  fresh: template({command: 'default', waitForUpdate: '500', policyVersion: '2026-01', storedChoice: undefined}),
  known: template({command: 'default', waitForUpdate: '500', policyVersion: '2026-01', storedChoice: stored}),
  older: template({command: 'default', waitForUpdate: '500', policyVersion: '2026-02', storedChoice: stored}),
  update: template({command: 'update', ad_storage: 'granted', analytics_storage: 'denied'})
};

out.shop = {};
var waiting = PAGES.length;
PAGES.forEach(function (path) {
  var frame = document.createElement('iframe');
  frame.onload = function () {
    setTimeout(function () {
      var w = frame.contentWindow;
      if (path.indexOf('/produtos') === 0) { w.document.querySelector('.js-addtocart').click(); }
      var radio = w.document.querySelector('[name=payment_method]');
      radio.checked = true;
      radio.dispatchEvent(new w.Event('change', {bubbles: true}));
      var fields = {};
      w.document.querySelectorAll('#cart input[type=hidden]').forEach(function (field) { fields[field.name] = field.value; });
      out.shop[path] = {layer: w.dataLayer, fields: fields};
      waiting -= 1;
      if (!waiting) { finish(); }
    }, 700);
  };
  frame.src = path;
  document.body.appendChild(frame);
});
function finish() {
  choose('1000');
  out.email_refused = new Function('return ' + CODE.email)() === undefined;
  out.half = snapshot();
  choose('0000');
  visit(LANDING);
  out.withdrawn = snapshot();
  var pre = document.createElement('pre');
  pre.id = 'out';
  pre.textContent = JSON.stringify(out);
  document.body.appendChild(pre);
}
"""


class Shop(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path = self.path.split("?")[0]
        if path in SHOP_PAGES:
            script = KIT["datalayer/nuvemshop.js"].decode()
            page = f"<body>{BODY}<script>window.LS = {literal(SHOP_PAGES[path])};\n{script}</script>"
        elif path == "/start":
            code = {
                "attributes": tag_code("CTX - Order attributes"),
                "capture": tag_code("CTX - Click and campaign capture"),
                "record": tag_code("CTX - Consent - record"),
                "Purchase": tag_code("CTX - Meta - Purchase"),
                "AddToCart": tag_code("CTX - Meta - AddToCart"),
                "email": expression("CTX - Consented email"),
                "template": template_code(),
            }
            given = f"var CODE={literal(code)}, LANDING={literal(LANDING)}, PAGES={literal(list(SHOP_PAGES))};"
            page = f"<meta charset=utf-8><body><script>{given}\n{DRIVER}</script>"
        else:
            self.send_error(404)
            return
        data = page.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        """Quiet."""


@pytest.fixture(scope="module")
def seen(chromium, tmp_path_factory):
    """What the page found, from one start of the browser."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    profile = tmp_path_factory.mktemp("chromium")
    try:
        done = subprocess.run(
            [
                chromium,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
                f"--user-data-dir={profile}",
                "--virtual-time-budget=8000",
                "--dump-dom",
                f"http://127.0.0.1:{server.server_port}/start",
            ],
            capture_output=True,
            text=True,
            timeout=90,
            check=True,
        )
    finally:
        server.shutdown()
        server.server_close()
    found = re.search(r'<pre id="out">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-2000:] + done.stdout[-2000:]
    return json.loads(html.unescape(found[1]))


def names(snapshot):
    return {name for name in snapshot["cookies"] if name.startswith("ctx_")}


def test_nothing_is_kept_before_a_choice(seen):
    assert seen["before"] == {"cookies": {}, "attributes": {}}


def test_a_choice_about_an_older_text_is_no_choice(seen):
    assert names(seen["older"]) == {"ctx_choice"}
    assert seen["older"]["attributes"] == {}


def test_after_a_refusal_only_the_refusal_is_kept(seen):
    assert names(seen["refused"]) == {"ctx_choice"}
    assert seen["refused"]["cookies"]["ctx_choice"].startswith("0000.")
    (attribute,) = seen["refused"]["attributes"].items()
    consent = _visits.consent(attribute[1])
    assert (attribute[0], consent.state, consent.version) == ("ctx_consent", "denied", "2026-01")


def test_consent_lets_the_click_ids_in_with_their_case(seen):
    attributes = seen["granted"]["attributes"]
    assert seen["told"] == {"event": "ctx_consent_ready"}
    assert attributes["ctx_gclid"] == "Teste-AbC_123"
    assert attributes["ctx_fbclid"] == "IwAR-Teste_xYz.9"
    assert re.fullmatch(r"fb\.1\.\d{13}\.IwAR-Teste_xYz\.9", attributes["ctx_fbc"])
    assert "ctx_msclkid" not in attributes, "a click id with a space was altered on its way and matches nothing"
    assert "ctx_fbp" not in attributes, "fbp is never invented"
    consent = _visits.consent(attributes["ctx_consent"])
    assert (consent.state, consent.version) == ("granted", "2026-01")
    assert consent.at is not None


def test_a_touch_holds_the_campaign_and_the_path_and_no_person(seen):
    touch = seen["granted"]["attributes"]["ctx_first"]
    said = {name: value[0] for name, value in parse_qs(touch, keep_blank_values=True).items()}
    assert said.pop("t").isdigit()
    assert said == {
        "source": "Face+Book",
        "medium": "cpc",
        "campaign": "Black Friday São",
        "content": "",
        "term": "",
        "lp": "/colecao/verao",
        "gclid": "Teste-AbC_123",
        "fbclid": "IwAR-Teste_xYz.9",
    }
    assert "example.com" not in json.dumps(seen["granted"])
    assert re.match(r"t=\d+&source=[^&]*&medium=[^&]*&campaign=[^&]*&content=[^&]*&term=[^&]*&lp=", touch)


def test_the_last_touch_is_the_last_campaign_and_the_first_stays(seen):
    first = seen["granted"]["attributes"]["ctx_first"]
    assert seen["direct"]["attributes"]["ctx_last"] == seen["granted"]["attributes"]["ctx_last"]
    assert "source=Newsletter&medium=email" in seen["second"]["attributes"]["ctx_last"]
    assert seen["second"]["attributes"]["ctx_first"] == first


def test_the_store_reads_what_the_browser_writes(seen):
    from datetime import UTC, datetime, timedelta

    attributes = _visits.attributes(seen["second"]["attributes"])
    placed = datetime.now(UTC) + timedelta(hours=1)
    first, last = _visits.kit_touches(attributes, placed, placed.date())
    assert (first.source, first.clicks.gclid, first.landing_page) == ("Face+Book", "Teste-AbC_123", "/colecao/verao")
    assert (last.source, last.medium) == ("Newsletter", "email")
    clicks = _visits.order_clicks(_visits.Landing(), attributes, [first, last], placed)
    assert clicks.fbc == attributes["ctx_fbc"]


def test_the_pixel_s_own_ids_are_used_where_it_set_them(seen):
    assert seen["pixel"]["attributes"]["ctx_fbc"] == "fb.2.1700000000000.IwAR-Teste_xYz.9"
    assert seen["pixel"]["attributes"]["ctx_fbp"] == "fb.1.1700000000000.99"
    assert seen["pixel"]["attributes"]["ctx_ttp"] == "2Xj-AbC_dEf123"
    assert seen["pixel"]["attributes"]["ctx_ga_client_id"] == "1234567890.1700000000"
    assert "ctx_ga_client_id" not in seen["granted"]["attributes"], "GA4's cookie is only ever read"


def test_the_pixel_and_the_server_name_a_purchase_alike(seen):
    (kind, name, parameters, options), one, two = seen["fired"]
    assert (kind, name) == ("track", "Purchase")
    assert options == {"eventID": purchase_event_id("1046788032")}
    assert parameters == {
        "content_type": "product",
        "content_ids": ["98231"],
        "contents": [{"id": "98231", "quantity": 2, "item_price": 94.95}],
        "num_items": 2,
        "value": 189.9,
        "currency": "BRL",
        "order_id": "1046788032",
    }
    assert one[1] == two[1] == "AddToCart"
    assert one[3]["eventID"] != two[3]["eventID"], "two products in the cart are two events"
    assert one[3]["eventID"].startswith("add_to_cart-")
    assert "order_id" not in one[2]


def test_identity_reaches_the_ads_tag_only_while_it_is_allowed(seen):
    assert seen["email"] == "ana@example.com"
    assert seen["email_refused"] is True


def test_the_template_denies_first_and_restores_a_choice_of_the_same_text(seen):
    denied = {
        "ad_storage": "denied",
        "analytics_storage": "denied",
        "ad_user_data": "denied",
        "ad_personalization": "denied",
    }
    fresh = [["default", denied | {"wait_for_update": 500}], ["done"]]
    granted = dict.fromkeys(denied, "granted")
    assert seen["template"]["fresh"] == fresh
    assert seen["template"]["known"] == [fresh[0], ["update", granted], ["done"]]
    assert seen["template"]["older"] == fresh
    assert seen["template"]["update"] == [["update", denied | {"ad_storage": "granted"}], ["done"]]


def test_half_a_consent_keeps_clicks_but_allows_no_sending(seen):
    assert seen["half"]["attributes"]["ctx_gclid"] == "Teste-AbC_123"
    assert seen["half"]["attributes"]["ctx_consent"].startswith("denied;")


def test_a_consent_taken_back_takes_the_ids_with_it(seen):
    assert names(seen["withdrawn"]) == {"ctx_choice"}
    assert set(seen["withdrawn"]["attributes"]) == {"ctx_consent"}


@pytest.mark.parametrize(
    ("path", "events"),
    [
        ("/verao/", ["view_item_list"]),
        ("/produtos/camiseta/", ["view_item", "add_to_cart"]),
        ("/comprar/", ["view_cart"]),
        ("/checkout/v3/start/1/abc", ["begin_checkout"]),
        ("/checkout/v3/next/1/abc", ["add_shipping_info", "add_payment_info"]),
        ("/checkout/v3/success/1/abc", ["purchase"]),
    ],
)
def test_the_shop_s_pages_tell_events_that_keep_the_contract(seen, path, events):
    layer = seen["shop"][path]["layer"]
    assert [entry["event"] for entry in layer if "event" in entry] == events
    for before, entry in itertools.pairwise(layer):
        if "event" in entry:
            assert before == {"ecommerce": None}
            schema = json.loads(KIT[f"datalayer/schemas/{entry['event']}.json"])
            assert problems(schema, entry) == []


def test_the_purchase_of_the_shop_is_the_order(seen):
    purchase = seen["shop"]["/checkout/v3/success/1/abc"]["layer"][-1]["ecommerce"]
    assert purchase["transaction_id"] == "1046788032"
    assert (purchase["value"], purchase["currency"], purchase["coupon"]) == (189.9, "BRL", "VOLTA10")
    assert seen["shop"]["/produtos/camiseta/"]["layer"][-1]["ecommerce"]["value"] == 189.9


def test_the_cart_s_form_carries_the_attributes(seen):
    fields = seen["shop"]["/comprar/"]["fields"]
    assert fields["extra[ctx_gclid]"] == "Teste-AbC_123"
    assert {name[6:-1] for name in fields} == set(seen["pixel"]["attributes"])
